#!/bin/sh
# tiles_do_not_spill.sh OBJDUMP OBJECT...: the register tiles of quantized products (quant_tile.inl) and of 16-bit ones
# (fixed_mat.inl) keep their vectors in registers. A compiler that adds in another order runs out of them and halves the speed.
# Two accesses to the stack are let pass: a constant that is stored once and read once a group; of 16-bit tiles 48, which are
# addresses, and sums of AVX-512 without VNNI once a group. Nor may the body of a 16-bit tile's loop be a function of its own, whose sums would lie in memory.
objdump=$1
shift
[ $# -gt 0 ] || { echo "no object files given"; exit 1; }
status=0
for object in "$@"; do
  "$objdump" -d -C --no-show-raw-insn "$object" | awk -v object="$object" '
    /^[0-9a-f]+ <.*>:$/ {
      tile = /(super_tile|block_tile|fixed_tile)</ ? $0 : ""
      if (tile != "") tiles++
      if (/fixed_tile<.*lambda/) { print object ": a function of its own: " $0; bad = 1 }
    }
    # x86: a vector to or from an address of the stack; vmovd and vmovq move addresses. 64-bit Arm: whole q registers.
    tile != "" && ((/[xyz]mm/ && /\(%r[sb]p/ && !/vmov[dq][ \t]/) || (/[ \t,]q[0-9]+[,]/ && /\[(sp|x29)/)) { count[tile]++ }
    END {
      if (tiles == 0) { print object ": no tiles found"; exit 1 }
      for (t in count)
        if (count[t] > (t ~ /fixed_tile</ ? 48 : 2)) { print object ": " count[t] " accesses to the stack in " t; bad = 1 }
      exit bad
    }' || status=1
done
exit $status
