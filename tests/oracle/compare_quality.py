#!/usr/bin/env python3
"""What each weight type and each type of cache costs here and in llama.cpp (the package llama-cpp-python): mean KL divergence of logits from those of the
F32 weights with an F32 cache, teacher-forced, text only.

    python compare_quality.py --tarsier build/tarsier --checkpoint models/tiny-vl-dense --cases tests/data/tiny-vl-dense [TYPE ...]
    python compare_quality.py --tarsier build/tarsier --file TEXT.gguf --text CONTRIBUTING.md

The first form makes files of all types, by `tarsier quantize` and by llama.cpp's own quantizer, and runs ours in both engines. The second runs one file in
both; its weights written out as F32 are the truth. Prints tables for bench/RESULTS.md.
"""
import argparse
import glob
import json
import os
import subprocess
import sys
import tempfile

# Ours, and llama.cpp's file type of that name: those with a mixture of types have it, too.
TYPES = {"q8_0": "Q8_0", "q6_k": "Q6_K", "q5_k": "Q5_K_M", "q4_k": "Q4_K_M", "q3_k": "Q3_K_M", "q2_k": "Q2_K", "q5_1": "Q5_1", "q5_0": "Q5_0", "q4_1": "Q4_1",
         "q4_0": "Q4_0", "iq4_nl": "IQ4_NL", "iq4_xs": "IQ4_XS"}
CACHES = {"f16": 1, "bf16": 30, "q8": 8, "q4": 2}     # and ggml's type id


def tarsier(arguments, *words):
    done = subprocess.run([arguments.tarsier, *words], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"tarsier {' '.join(words)}: {done.stderr}")
    return done.stdout


def log_softmax(x):
    x = x.astype(np.float64)
    x = x - x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def our_rows(arguments, path, messages, *words):
    """-> (ids, log-probabilities of all rows)."""
    from compare import read_safetensors
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "trace.safetensors")
        tarsier(arguments, "trace", "-m", path, "--messages", messages, "-o", out, "--match", "[il]*_[il]*", "--greedy", "0", "--logits", "1000000", *words)
        values = read_safetensors(out)
        return values["input_ids"][1][0].tolist(), log_softmax(values["logits_last"][1])


def their_rows(arguments, path, all_ids, cache=1):
    options = {"n_ctx": max(map(len, all_ids)) + 8, "n_threads": arguments.threads, "logits_all": True, "verbose": False, "type_k": cache, "type_v": cache}
    llama = llama_cpp.Llama(path, flash_attn=True, **options)
    for ids in all_ids:
        llama.reset()
        llama.eval(ids)
        yield log_softmax(np.array(llama.scores[:len(ids)]))


class Means:
    """KL from the truth, and NLL of the ids, over all rows."""

    def __init__(self):
        self.kl, self.nll = [], []

    def add(self, truth, rows, ids):
        self.kl.append((np.exp(truth) * (truth - rows)).sum(axis=-1))
        self.nll.append(-rows[np.arange(len(ids) - 1), ids[1:]])
        return self

    def mean_kl(self):
        return np.concatenate(self.kl).mean()

    def mean_nll(self):
        return np.concatenate(self.nll).mean()


class Comparison:
    def __init__(self, arguments, exact, conversations):
        self.arguments, self.conversations = arguments, conversations
        self.truth, self.ids = [], []
        for messages in conversations:
            ids, rows = our_rows(arguments, exact, messages, "--kv-type", "f32")
            self.ids.append(ids)
            self.truth.append(rows)
        self.tokens = sum(map(len, self.ids))

    def ours(self, path, *words):
        means = Means()
        for messages, truth, ids in zip(self.conversations, self.truth, self.ids):
            means.add(truth, our_rows(self.arguments, path, messages, *words)[1], ids)
        return means

    def theirs(self, path, cache=1):
        means = Means()
        for rows, truth, ids in zip(their_rows(self.arguments, path, self.ids, cache), self.truth, self.ids):
            means.add(truth, rows, ids)
        return means


def without_media(messages):
    for message in messages:
        if isinstance(message.get("content"), list):
            message["content"] = [part for part in message["content"] if part["type"] == "text"]
    return messages


def fixture_conversations(arguments, folder):
    """The fixtures' conversations without pictures, each with the fixture's answer."""
    out = []
    for path in sorted(glob.glob(os.path.join(arguments.cases, "*", "messages.json"))):
        with open(path) as f, open(os.path.join(os.path.dirname(path), "result.json")) as g:
            conversation, result = json.load(f), json.load(g)
        messages = without_media(conversation["messages"] if isinstance(conversation, dict) else conversation)
        messages.append({"role": "assistant", "content": result["answer"]})
        out.append(os.path.join(folder, f"{len(out)}.json"))
        with open(out[-1], "w") as f:
            json.dump({"messages": messages}, f)
    return out


def their_file(source, out, ftype):
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = getattr(llama_cpp, "LLAMA_FTYPE_MOSTLY_" + ftype)
    return llama_cpp.llama_model_quantize(source.encode(), out.encode(), params) == 0


def text_of(arguments, path):
    """The text model's half of one of our files."""
    text = path.replace(".gguf", "-text.gguf")
    tarsier(arguments, "split", path, "-o", text, "--mmproj", path.replace(".gguf", "-mmproj.gguf"))
    return text


def compare_types(arguments, folder):
    exact = os.path.join(folder, "f32.gguf")
    tarsier(arguments, "convert", arguments.checkpoint, "-o", exact, "--type", "f32", "--vision-type", "f32")
    all_of = Comparison(arguments, exact, fixture_conversations(arguments, folder))
    exact_text = text_of(arguments, exact)
    print(f"{arguments.checkpoint}: {all_of.tokens} tokens; llama.cpp of llama_cpp_python {llama_cpp.__version__}; "
          f"F32 with an F32 cache in llama.cpp: {all_of.theirs(exact_text, 0).mean_kl():.1e}\n")
    print("| type | ours, our kernels | our file in llama.cpp | llama.cpp's file in llama.cpp | MB of text weights, ours and theirs |\n|---|---|---|---|---|")
    for name in arguments.types or TYPES:
        path, other = os.path.join(folder, name + ".gguf"), os.path.join(folder, name + "-other.gguf")
        tarsier(arguments, "quantize", exact, "-o", path, "--type", name)
        text = text_of(arguments, path)
        row = [f"{all_of.ours(path).mean_kl():.4f}", f"{all_of.theirs(text).mean_kl():.4f}", "-"]
        size = "-"
        if their_file(exact_text, other, TYPES[name]):
            row[2] = f"{all_of.theirs(other).mean_kl():.4f}"
            size = f"{os.path.getsize(other) / 1e6:.2f}"
        print(f"| {name} | {' | '.join(row)} | {os.path.getsize(text) / 1e6:.2f}, {size} |", flush=True)
    print("\n| cache, F32 weights | ours | llama.cpp |\n|---|---|---|")
    for name, type_id in CACHES.items():
        print(f"| {name} | {all_of.ours(exact, '--kv-type', name).mean_kl():.1e} | {all_of.theirs(exact_text, type_id).mean_kl():.1e} |", flush=True)


def compare_file(arguments, folder):
    exact, messages = os.path.join(folder, "f32.gguf"), os.path.join(folder, "messages.json")
    tarsier(arguments, "quantize", arguments.file, "-o", exact, "--type", "f32")
    with open(arguments.text) as f, open(messages, "w") as g:
        json.dump({"messages": [{"role": "user", "content": "Summarize this. " + f.read()}]}, g)
    one = Comparison(arguments, exact, [messages])
    true_nll = Means().add(one.truth[0], one.truth[0], one.ids[0]).mean_nll()
    print(f"{arguments.file}: {one.tokens} tokens; llama.cpp of llama_cpp_python {llama_cpp.__version__}\n")
    print(f"| | mean KL from F32 weights and cache | NLL | NLL - {true_nll:.6f} |\n|---|---|---|---|")
    rows = {"tarsier": one.ours(arguments.file), "tarsier, F32 cache": one.ours(arguments.file, "--kv-type", "f32"), "llama.cpp": one.theirs(arguments.file),
            "llama.cpp, F32 cache": one.theirs(arguments.file, 0), "llama.cpp, F32 weights and cache": one.theirs(exact, 0)}
    for name, means in rows.items():
        print(f"| {name} | {means.mean_kl():.2e} | {means.mean_nll():.6f} | {means.mean_nll() - true_nll:+.6f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tarsier", default="build/tarsier")
    parser.add_argument("--checkpoint")
    parser.add_argument("--cases")
    parser.add_argument("--file")
    parser.add_argument("--text")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("types", nargs="*")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.file:
            compare_file(arguments, folder)
        else:
            compare_types(arguments, folder)


if __name__ == "__main__":
    try:
        import llama_cpp
        import numpy as np
        QUIET = llama_cpp.llama_log_callback(lambda level, text, data: None)
        llama_cpp.llama_log_set(QUIET, None)
    except ImportError as error:
        print(f"not compared: {error} (pip install llama-cpp-python numpy)")
        sys.exit(77)
    main()
