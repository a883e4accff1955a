#!/usr/bin/env bash
# clang-tidy over our sources (not the tests, not the generated per-instruction-set files), in parallel, with the flags of build-clang.
# A file that passed is not looked at again until it, a header of ours that it includes, or .clang-tidy changes.
set -euo pipefail
cd "$(dirname "$0")/.."
export build=${1:-build-clang}
export passed="${XDG_CACHE_HOME:-$HOME/.cache}/tarsier-tidy"
mkdir -p "$passed"

check() {
  local file=$1 headers key
  headers=$(g++ -std=c++20 -fopenmp -I. -MM "$file" | tr -d '\\' | tr ' ' '\n' | grep -v ':$' | sort -u)
  key=$( (clang-tidy --version; cat .clang-tidy; echo "$file"; echo "$headers" | xargs cat) | sha256sum | cut -d ' ' -f 1)
  [ -e "$passed/$key" ] && return 0
  if clang-tidy --quiet -p "$build" "$file" 2>"$passed/$key.log"; then
    rm -f "$passed/$key.log" && touch "$passed/$key"
  else
    cat "$passed/$key.log" >&2; rm -f "$passed/$key.log"
    return 1
  fi
}
export -f check
git ls-files 'ggml-like-core/*.cpp' 'src/*.cpp' 'convert/*.cpp' 'examples/*.cpp' | grep -v '^ggml-like-core/kernels/isa/' |
  xargs -P "$(nproc)" -I{} bash -c 'check {}'
