#!/usr/bin/env python3
"""Make the pairs of GGUF files that llama.cpp's own converter writes of the demo models, and their manifests in tests/data/llama-cpp-pairs.

    python make_llama_cpp_pairs.py LLAMA_CPP OUT        (LLAMA_CPP: its source, such as vendor/llama.cpp in the sdist of llama-cpp-python)

A manifest has one line a key (name, type, value) and a tensor (name, type, shape outermost first), sorted. Long values stand as their number of bytes
and 64-bit FNV-1a hash; elements of arrays are joined by line breaks for it.
"""
import os
import runpy
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
TYPES = ["UINT8", "INT8", "UINT16", "INT16", "UINT32", "INT32", "FLOAT32", "BOOL", "STRING", "ARRAY", "UINT64", "INT64", "FLOAT64"]


def convert(llama_cpp, *words):
    # The demo models' tokenizers are in no list of known ones; they are Qwen2's in all but their merges.
    from conversion import base
    base.TextModel.get_vocab_base_pre = lambda self, tokenizer: "qwen2"
    sys.argv = ["convert_hf_to_gguf.py", *words]
    runpy.run_path(os.path.join(llama_cpp, "convert_hf_to_gguf.py"), run_name="__main__")


def word(x):
    if isinstance(x, bool):
        return "true" if x else "false"
    return f"{x:.9g}" if isinstance(x, float) else str(x)


def short(text):
    raw = text.encode()
    if len(raw) <= 100 and "\n" not in text:
        return text
    state = 0xcbf29ce484222325
    for byte in raw:
        state = (state ^ byte) * 0x100000001b3 % (1 << 64)
    return f"{len(raw)} bytes, {state:016x}"


def manifest(path):
    import gguf
    reader = gguf.GGUFReader(path)
    lines = []
    for name, field in reader.fields.items():
        if name.startswith("GGUF."):
            continue
        value = field.contents()
        text = " ".join(map(word, value)) if isinstance(value, list) and not isinstance(value[0], str) else "\n".join(value) if isinstance(value, list) else word(value)
        lines.append(f"key {name} {TYPES[field.types[0]]} {short(text)}")
    for t in reader.tensors:
        shape = ", ".join(str(n) for n in reversed(t.shape.tolist()))
        lines.append(f"tensor {t.name} {t.tensor_type.name} [{shape}]")
    return sorted(lines)


def main():
    llama_cpp, out = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    sys.path[:0] = [llama_cpp, os.path.join(llama_cpp, "gguf-py")]
    os.makedirs(out, exist_ok=True)
    for model in ("tiny-vl-dense", "tiny-vl-moe"):
        for half, words in (("text", []), ("mmproj", ["--mmproj"])):
            path = os.path.join(out, f"{model}-{half}.gguf")
            convert(llama_cpp, os.path.join(ROOT, "models", model), "--outfile", path, "--outtype", "f16", *words)
            with open(os.path.join(ROOT, "tests", "data", "llama-cpp-pairs", f"{model}-{half}.txt"), "w") as f:
                f.write("".join(line + "\n" for line in manifest(path)))


if __name__ == "__main__":
    main()
