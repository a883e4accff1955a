#!/usr/bin/env python3
"""Hold GGUF files run by tarsier against llama.cpp running the same files (the package llama-cpp-python).

    python compare_llama_cpp.py --tarsier build/tarsier TEXT.gguf [MMPROJ.gguf]

Text: one conversation is read by both; its ids must be equal, its log-probabilities are compared (NLL, perplexity, KL of the last rows), and the
greedy answer of tarsier must be llama.cpp's wherever that prefers its first choice by more than --gap nats.
Pictures, with MMPROJ: a picture that needs no resize goes through both vision towers; the cosine of each row of merger and DeepStack is reported.
Exits with 1 where a bound is broken, with 77 where llama-cpp-python is not installed.
"""
import argparse
import ctypes
import json
import os
import struct
import subprocess
import sys
import tempfile
import zlib

QUESTION = "What is the difference between a circle and a square? Answer in one sentence, and then count from 1 to 20."
ROWS = 8            # last rows whose logits a trace holds
SIDE = 256          # of the picture: a multiple of 32 within llama.cpp's limits of pixels
NO_RESIZE = ["--min-pixels", "4096", "--max-pixels", "1048576"]


def tarsier(arguments, *words):
    return subprocess.run([arguments.tarsier, *words], check=True, capture_output=True, text=True).stdout


def model_words(arguments):
    return ["-m", arguments.text] + (["--mmproj", arguments.mmproj] if arguments.mmproj else [])


def trace(arguments, folder, messages, match, greedy):
    """-> (values by name, the greedy answer)."""
    conversation, out = os.path.join(folder, "messages.json"), os.path.join(folder, "trace.safetensors")
    with open(conversation, "w") as f:
        json.dump({"messages": messages}, f)
    tarsier(arguments, "trace", *model_words(arguments), "--messages", conversation, "-o", out, "--match", match, "--greedy", str(greedy), *NO_RESIZE)
    from compare import read_safetensors
    with open(out + ".json") as f:
        return {name: array for name, (_, array) in read_safetensors(out).items()}, json.load(f)


def log_softmax(x):
    x = x.astype(np.float64)
    x = x - x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def compare_text(arguments, folder):
    messages = [{"role": "user", "content": arguments.question}]
    values, answer = trace(arguments, folder, messages, "[il]*_[il]*", arguments.greedy)
    ids, ours = values["input_ids"][0].tolist(), log_softmax(values["logits_last"])
    llama = llama_cpp.Llama(arguments.text, n_ctx=len(ids) + arguments.greedy + 8, n_threads=arguments.threads, logits_all=True, verbose=False)
    taken = answer["greedy_ids"]
    llama.eval(ids + taken[:-1])
    theirs = log_softmax(np.array(llama.scores[:len(ids) + len(taken) - 1]))

    rendered = llama.detokenize(ids, special=True)
    again = llama.tokenize(rendered, add_bos=False, special=True)
    failures = [] if again == ids else [f"the ids of the prompt differ: {ids} here, {again} there"]

    scored = json.loads(tarsier(arguments, "score", *model_words(arguments), "--messages", os.path.join(folder, "messages.json"), "--all", "--json"))
    here = np.array([t["log_prob"] for t in scored["tokens"]])
    n = len(here)       # without the generation prompt
    there = theirs[np.arange(n), ids[1:n + 1]]
    print(f"  {len(ids)} ids; NLL {-here.mean():.6f} here, {-there.mean():.6f} there ({100 * abs(here.mean() / there.mean() - 1):.4f} %); "
          f"largest difference of a log-probability {np.abs(here - there).max():.5f}")
    if abs(here.mean() / there.mean() - 1) > arguments.bound:
        failures.append(f"NLL differs by more than {arguments.bound:.2%}")

    rows = theirs[len(ids) - len(ours):len(ids)]
    kl = (np.exp(rows) * (rows - ours)).sum(axis=-1)
    print(f"  KL(llama.cpp, tarsier) of the last {len(ours)} rows: mean {kl.mean():.2e}, largest {kl.max():.2e}")

    steps = theirs[len(ids) - 1:len(ids) - 1 + len(taken)]
    ranked = np.sort(steps, axis=-1)
    gaps = ranked[:, -1] - ranked[:, -2]
    other = [i for i, step in enumerate(steps) if step.argmax() != taken[i]]
    print(f"  greedy: {len(taken) - len(other)} of {len(taken)} ids are llama.cpp's first choice; gaps where not: {[round(float(gaps[i]), 4) for i in other]}")
    if any(gaps[i] > arguments.gap for i in other):
        failures.append(f"another id where llama.cpp's gap is over {arguments.gap}")
    return failures


def png(path, rgb):
    def part(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    height, width, _ = rgb.shape
    lines = b"".join(b"\0" + line.tobytes() for line in rgb)
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + part(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + part(b"IDAT", zlib.compress(lines)) + part(b"IEND", b""))


def their_rows(arguments, rgb):
    """-> [tokens, hidden * (1 + DeepStack features)] of mtmd."""
    import llama_cpp.mtmd_cpp as mtmd
    model = llama_cpp.llama_model_load_from_file(arguments.text.encode(), llama_cpp.llama_model_default_params())
    params = mtmd.mtmd_context_params_default()
    params.use_gpu, params.n_threads, params.warmup = False, arguments.threads, False
    mtmd.mtmd_log_set(QUIET, None)
    mtmd.mtmd_helper_log_set(QUIET, None)
    context = mtmd.mtmd_init_from_file(arguments.mmproj.encode(), model, params)
    assert context, "mtmd refuses the pair"
    height, width, _ = rgb.shape
    data = rgb.tobytes()
    bitmap = mtmd.mtmd_bitmap_init(width, height, (ctypes.c_uint8 * len(data)).from_buffer_copy(data))
    chunks = mtmd.mtmd_input_chunks_init()
    marker = mtmd.mtmd_default_marker()
    text = mtmd.mtmd_input_text(text=marker, text_len=len(marker), add_special=False, parse_special=True)
    assert mtmd.mtmd_tokenize(context, chunks, ctypes.byref(text), (mtmd.mtmd_bitmap_p_ctypes * 1)(bitmap), 1) == 0
    for i in range(mtmd.mtmd_input_chunks_size(chunks)):
        chunk = mtmd.mtmd_input_chunks_get(chunks, i)
        if mtmd.mtmd_input_chunk_get_type(chunk) != mtmd.MTMD_INPUT_CHUNK_TYPE_IMAGE:
            continue
        assert mtmd.mtmd_encode_chunk(context, chunk) == 0
        tokens = mtmd.mtmd_input_chunk_get_n_tokens(chunk)
        width = llama_cpp.llama_model_n_embd_inp(model)
        return np.ctypeslib.as_array(mtmd.mtmd_get_output_embd(context), (tokens * width,)).reshape(tokens, width).copy()


def compare_pictures(arguments, folder):
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    rgb = np.stack([128 + 100 * np.sin(x / 17), 128 + 100 * np.cos(y / 23), 128 + 90 * np.sin((x + y) / 11)], axis=-1).astype(np.uint8)
    rgb[60:140, 80:180] = (250, 20, 30)
    path = os.path.join(folder, "picture.png")
    png(path, rgb)
    messages = [{"role": "user", "content": [{"type": "image", "image": path}, {"type": "text", "text": "What is this?"}]}]
    values, _ = trace(arguments, folder, messages, "vision.image.[md]*", 1)
    theirs = their_rows(arguments, rgb)
    names = ["vision.image.merger"] + sorted(name for name in values if ".deepstack." in name)
    hidden = values[names[0]].shape[1]
    failures = []
    for k, name in enumerate(names):
        a, b = values[name].astype(np.float64), theirs[:, k * hidden:(k + 1) * hidden].astype(np.float64)
        cosine = (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
        print(f"  {name}: {len(a)} rows, cosine: least {cosine.min():.7f}, mean {cosine.mean():.7f}; relative RMS {np.linalg.norm(a - b) / np.linalg.norm(b):.2e}")
        if cosine.min() < arguments.cosine:
            failures.append(f"{name}: a cosine under {arguments.cosine}")
    return failures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text")
    parser.add_argument("mmproj", nargs="?")
    parser.add_argument("--tarsier", default="build/tarsier")
    parser.add_argument("--question", default=QUESTION)
    parser.add_argument("--greedy", type=int, default=48)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--gap", type=float, default=0.05)
    parser.add_argument("--bound", type=float, default=1e-3, help="of the relative difference of the NLL")
    parser.add_argument("--cosine", type=float, default=0.999)
    arguments = parser.parse_args()
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        print(f"{arguments.text}" + (f" with {arguments.mmproj}" if arguments.mmproj else ""))
        failures += compare_text(arguments, folder)
        if arguments.mmproj:
            failures += compare_pictures(arguments, folder)
    for failure in failures:
        print("FAILED: " + failure)
    sys.exit(1 if failures else 0)


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
