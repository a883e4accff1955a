#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test. ./test.sh --quick runs only the release build's tests.
# Leaves the release program at build/tarsier.
set -euo pipefail
cd "$(dirname "$0")"
quick=false
case "${1:-}" in
  --quick) quick=true ;;
  "") ;;
  *) echo "usage: ./test.sh [--quick]" >&2; exit 2 ;;
esac

passed=0; failed=0; skipped=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
begin=$SECONDS

step() { echo; echo "== $* ($((SECONDS - begin)) s)"; }

# check NAME COMMAND...: one test that is a command.
check() {
  local name=$1; shift
  if "$@"; then passed=$((passed + 1)); echo "ok: $name"; else failed=$((failed + 1)); echo "FAILED: $name"; fi
}

# check_if_possible NAME COMMAND...: the same, where a command that ends with 77 could not run and says why.
check_if_possible() {
  local name=$1 code=0; shift
  "$@" || code=$?
  case $code in
    0) passed=$((passed + 1)); echo "ok: $name" ;;
    77) skipped=$((skipped + 1)); echo "did not run: $name" ;;
    *) failed=$((failed + 1)); echo "FAILED: $name" ;;
  esac
}

# build PRESET TARGET...: false where it does not build, which counts as one failed test.
build() {
  local preset=$1; shift
  if cmake --preset "$preset" >"$log" 2>&1 && cmake --build --preset "$preset" ${1:+--target "$@"} >"$log" 2>&1; then return 0; fi
  tail -n 60 "$log"
  failed=$((failed + 1)); echo "FAILED: build $preset"
  return 1
}

# tests PRESET ARGUMENTS...: runs ctest and adds up its closing lines.
tests() {
  local preset=$1 summary all bad skips; shift
  ctest --preset "$preset" -j "$(nproc)" --no-tests=error --timeout 900 "$@" >"$log" 2>&1 || true
  summary=$(grep -E 'tests passed, [0-9]+ tests? failed out of [0-9]+' "$log" || true)
  skips=$(grep -cE '\*\*\*(Skipped|Not Run)' "$log" || true)
  # Only what is worth reading: failures, what did not run, and the closing lines.
  grep -vE '^ *(Start|[0-9]+/[0-9]+ Test).*' "$log" | grep -vE '^(Test project|Preset|$)' | tail -n 400 || true
  grep -E '\*\*\*(Skipped|Not Run)' "$log" | sed 's/^/did not run: /' || true
  if [ -z "$summary" ]; then failed=$((failed + 1)); echo "FAILED: ctest $preset $*"; return 0; fi
  all=$(sed -E 's/.*out of ([0-9]+).*/\1/' <<<"$summary")
  bad=$(sed -E 's/.*passed, ([0-9]+) tests? failed.*/\1/' <<<"$summary")
  failed=$((failed + bad)); skipped=$((skipped + skips)); passed=$((passed + all - bad - skips))
}

step "install"
scripts/install.sh --tests

step "release: build and all tests"
if build release; then tests release; fi

if ! $quick; then
  fast='^(base|quant|gguf|graph|input|model|convert)\.'

  # The release tests took the kernels that this machine chooses; what depends on others is in the room "run".
  chosen=$(build/tarsier --version | sed -E 's/.*\(kernels ([a-z0-9_]+);.*/\1/')
  for source in ggml-like-core/kernels/isa/*.cpp; do
    isa=$(basename "$source" .cpp)
    if [ "$isa" = "$chosen" ] && [ -z "${TARSIER_ISA:-}" ]; then continue; fi
    step "the engine with TARSIER_ISA=$isa"
    if why=$(TARSIER_ISA=$isa build/tarsier --version 2>&1); then
      # Without those that go through all tables themselves.
      TARSIER_ISA=$isa tests release -R '^run\.' -E 'every_kernel_table|do_not_change_a_bit|Quantized|Sampler'
    else
      skipped=$((skipped + 1)); echo "did not run: $why"
    fi
  done

  step "real weights (SmolLM2 135M) beside llama.cpp"
  check_if_possible smollm2 python3 tests/oracle/smollm2.py build/tarsier

  step "address and undefined-behaviour sanitizers: $fast and backend"
  if build asan test_base test_quant test_gguf test_graph test_input test_model test_convert test_backend; then
    tests asan -R "$fast|^backend\."
  fi

  step "clang++: build, and the same tests"
  if build clang; then tests clang -R "$fast|^kernels\."; fi

  step "64-bit Arm: ggml-like-core under qemu"
  if build aarch64; then tests aarch64; fi

  step "clang-format"
  check clang-format bash -c "git ls-files '*.cpp' '*.h' '*.inl' | xargs clang-format --dry-run -Werror"

  step "clang-tidy"
  check clang-tidy scripts/tidy.sh build-clang
fi

step "all"
if [ "$skipped" -gt 0 ]; then echo "$passed passed, $failed failed, $skipped skipped"; else echo "$passed passed, $failed failed"; fi
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
