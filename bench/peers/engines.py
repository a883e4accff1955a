"""How each engine does the work of a row.  An engine gives variants: (label, job), each measured in a process of its own with a time limit; the best counts."""
import json
import os
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CONVERT_LIMIT = 3600  # seconds, for what is done once
LLAMA_OPTIONS = {"CMAKE_ARGS": "-DGGML_NATIVE=ON"}


class Failure(Exception):
    """Why there is no figure."""


def last_line(text):
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1][-300:] if lines else "nothing was said"


def call(command, limit, env=None, cwd=None):
    """-> (standard output, whether the time limit ended it).  Failure: the last line of what went wrong."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, text=True, env=env, cwd=cwd)
        try:
            code = process.wait(timeout=limit)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            code = None
        out.seek(0)
        err.seek(0)
        text, errors = out.read(), err.read()
    if code:
        raise Failure(last_line(errors))
    return text, code is None


def worker(python, script, job, limit):
    """-> {"seconds": [...], "tokens": n} of bench/peers/SCRIPT, which prints "run SECONDS" after each run."""
    text, late = call([python, os.path.join(HERE, script), json.dumps(job)], limit, {**os.environ, "OMP_NUM_THREADS": str(job["threads"])})
    seconds = [float(line.split()[1]) for line in text.splitlines() if line.startswith("run ")]
    if late and not seconds:
        raise Failure(f"not done in {limit:.0f} s")
    tokens = [int(line.split()[1]) for line in text.splitlines() if line.startswith("tokens ")]
    return {"seconds": seconds, "tokens": tokens[-1] if tokens else job.get("tokens", 0)}


class Tarsier:
    name = "tarsier"
    packages = ()

    def __init__(self, options, models):
        self.program, self.models = options.tarsier, models

    def variants(self, row, files):
        """The files that the peers read, or our own where the row wants it or those cannot be read."""
        if row.own:
            yield " and ".join(row.own) + ", tiles", ["-m", self.models.convert(row.model, *row.own, tiles=True)]
            return
        if files:
            pair = ["-m", files[0], "--mmproj", files[1]]
            try:
                call([self.program, "bench", *pair, "--prompt", "1", "--generate", "0", "--repeat", "1"], 120)
                yield "same file", pair
                return
            except Failure:
                pass
        yield "q4_k", ["-m", self.models.convert(row.model, "q4_k")]

    def measure(self, row, job, runs, threads, limit):
        w = row.work
        command = [self.program, "bench", "--json", "--repeat", str(runs), "--threads", str(threads), *job]
        command += ["--prompt", str(w["tokens"] if row.do == "prompt" else 0)]
        command += ["--generate", str(w["tokens"] if row.do == "generate" else 0), "--depth", str(w.get("depth", 0))]
        if "width" in w:
            command += ["--image", f"{w['width']}x{w['height']}"]
        if "kv_type" in w:
            command += ["--kv-type", w["kv_type"]]
        text, late = call(command, 5 * limit)  # nothing of it is known before its end
        if late:
            raise Failure(f"not done in {5 * limit:.0f} s")
        result = json.loads(text)
        part = result[row.do]
        return {"seconds": [part["seconds"]], "runs": runs, "least": part["seconds_min"], "most": part["seconds_max"], "tokens": part["tokens"],
                "share_of_limit": part["share_of_limit"], "machine": result["machine"]}


class LlamaCpp:
    name = "llama.cpp"
    packages = ("llama-cpp-python",)

    def __init__(self, options, models):
        self.python, self.models, self.threads = models.python, models, options.threads

    def quantize(self, source, target):
        worker(self.python, "worker_llama.py", {"do": "quantize", "model": source, "output": target, "threads": self.threads}, CONVERT_LIMIT)

    def variants(self, row, files):
        if not files:
            raise Failure("there is no file of its own kind")
        files = {"model": files[0], "mmproj": files[1]}
        if row.do in ("image", "first_token"):
            yield "bf16 tower", {**files, "repack": False}
            return
        batches = (512, 2048) if row.do == "prompt" and row.work["tokens"] > 512 else (512,)
        for repack in (True, False):
            for ubatch in batches:
                label = ("repack" if repack else "no repack") + (f", ubatch {ubatch}" if len(batches) > 1 else "")
                yield label, {**files, "repack": repack, "ubatch": ubatch}

    def measure(self, row, job, runs, threads, limit):
        return worker(self.python, "worker_llama.py", {"do": row.do, "runs": runs, "threads": threads, **row.work, **job}, limit)


class Ik:
    """ik_llama.cpp by its own programs, llama-bench and llama-mtmd-cli, in the folder given by --ik."""
    name = "ik"
    packages = ()

    def __init__(self, options, models):
        self.folder = options.ik

    def variants(self, row, files):
        if not self.folder:
            raise Failure("no folder of its programs was given (--ik)")
        if not files:
            raise Failure("there is no file of its own kind")
        if row.do in ("image", "first_token"):
            yield "flash attention off", {"files": files, "flags": ["-fa", "0"]}
            yield "flash attention on", {"files": files, "flags": ["-fa", "1"]}
        else:
            yield "plain", {"files": files, "flags": []}
            yield "-rtr", {"files": files, "flags": ["-rtr", "1"]}

    def measure(self, row, job, runs, threads, limit):
        if row.do in ("image", "first_token"):
            return self.picture(row, job, runs, threads, limit)
        w = row.work
        if w.get("depth", 0) + w["tokens"] > 4096:
            runs = 1  # it reads all that lies before in each of them, and tells nothing before the last
        command = [os.path.join(self.folder, "llama-bench"), "-m", job["files"][0], "-t", str(threads), "-r", str(runs), "-fa", "1", "-fmoe", "1", "-o", "json",
                   "-ctk", w.get("kv_type", "f16"), "-ctv", w.get("kv_type", "f16"), "-ub", str(min(2048, w["tokens"])), "-b", "2048", *job["flags"]]
        if row.do == "prompt":
            command += ["-p", str(w["tokens"]), "-n", "0"]
        elif "depth" in w:
            command += ["-p", "0", "-n", "0", "-gp", f"{w['depth']},{w['tokens']}"]
        else:
            command += ["-p", "0", "-n", str(w["tokens"])]
        text, late = call(command, limit, cwd=os.path.dirname(job["files"][0]))  # where it may leave its logs
        if late:
            raise Failure(f"not done in {limit:.0f} s")
        tests = json.loads("\n".join(line for line in text.splitlines() if not line.startswith("WARNING")))
        return {"seconds": [s / 1e9 for s in tests[-1]["samples_ns"]], "tokens": w["tokens"]}

    def picture(self, row, job, runs, threads, limit):
        """llama-mtmd-cli says how long it encoded and how long the text model then read the picture: the first token without resizing and
        without the few tokens of text, which it does not tell.  One process a run."""
        words = ["encoded in"] + (["decoded (batch"] if row.do == "first_token" else [])
        picture = os.path.join(os.path.dirname(job["files"][0]), f"random-{row.work['width']}.ppm")
        if not os.path.exists(picture):
            with open(picture, "wb") as f:
                f.write(b"P6 %d %d 255\n" % (row.work["width"], row.work["height"]) + os.urandom(3 * row.work["width"] * row.work["height"]))
        seconds, end = [], time.monotonic() + limit
        for _ in range(runs):
            command = [os.path.join(self.folder, "llama-mtmd-cli"), "-m", job["files"][0], "--mmproj", job["files"][1], "--image", picture, "-p", "Hi", "-n", "1", "-c", "4096", "-t", str(threads), *job["flags"]]
            try:
                done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=max(1, end - time.monotonic()), check=False,
                                      cwd=os.path.dirname(job["files"][0]))
            except subprocess.TimeoutExpired:
                break
            lines = (done.stdout + done.stderr).splitlines()
            times = [[float(line.split(" in ")[1].split()[0]) for line in lines if word in line] for word in words]
            if not all(times):
                raise Failure(last_line(done.stderr))
            seconds.append(sum(map(sum, times)) / 1000)
        if not seconds:
            raise Failure(f"not done in {limit:.0f} s")
        return {"seconds": seconds, "tokens": 0}


class Torch:
    name = "torch"
    packages = ("torch", "transformers", "pillow")

    def __init__(self, options, models):
        self.python, self.models = options.torch_python or models.python, models

    def variants(self, row, files):
        if row.do != "image":
            raise Failure("not measured")
        yield "bf16", {"checkpoint": self.models.checkpoint(row.model), "dtype": "bfloat16"}

    def measure(self, row, job, runs, threads, limit):
        return worker(self.python, "worker_torch.py", {"runs": runs, "threads": threads, **row.work, **job}, limit)


class OpenVino:
    """transformers' own modules, converted with fixed shapes."""
    name = "openvino"
    packages = ("openvino", "nncf", "torch", "transformers")

    def __init__(self, options, models):
        self.python, self.models = models.python, models

    def variants(self, row, files):
        job = {"checkpoint": self.models.checkpoint(row.model), "cache": self.models.folder}
        if row.do == "image":
            for precision in ("bf16", "f32"):
                yield precision, {**job, "precision": precision}
        elif row.do == "prompt":
            yield "int4, without the head", {**job, "precision": "bf16"}
        else:
            raise Failure("not measured")

    def measure(self, row, job, runs, threads, limit):
        job = {"do": row.do, "threads": threads, **row.work, **job}
        worker(self.python, "worker_openvino.py", {**job, "runs": -1}, CONVERT_LIMIT)
        return worker(self.python, "worker_openvino.py", {**job, "runs": runs}, limit)


PEERS = (LlamaCpp, Ik, Torch, OpenVino)
