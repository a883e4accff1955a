#!/bin/sh
# isa_objects_are_leaf.sh NM OBJECT...: each object file of one instruction set defines exactly one global symbol, its kernel
# table, and no weak one: the linker may keep a weak copy for the whole program, which then dies on an older processor.
nm=$1
shift
[ $# -gt 0 ] || { echo "no object files given"; exit 1; }
status=0
for object in "$@"; do
  globals=$("$nm" --defined-only --extern-only "$object" | sed '/^$/d; / __odr_asan/d')  # the address sanitizer's marks
  count=$(printf '%s\n' "$globals" | grep -c .)
  tables=$(printf '%s\n' "$globals" | grep -c ' [DRB] _ZN4core[0-9]*kernels_')
  weak=$("$nm" "$object" | grep -c ' [VvWwu] ')
  if [ "$count" -ne 1 ] || [ "$tables" -ne 1 ] || [ "$weak" -ne 0 ]; then
    echo "$object: $count globals, $tables tables, $weak weak symbols; wanted 1, 1, 0"
    "$nm" "$object" | grep ' [A-Zvwu] ' | grep -v ' U '
    status=1
  fi
done
exit $status
