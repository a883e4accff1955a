"""Checkpoints of random weights and the files made of them.  Everything lies in one folder and is made once; a file appears whole or not at all."""
import lzma
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHAPES = {"2b": ["--preset", "qwen3-vl-2b"], "30b-a3b-4": ["--preset", "qwen3-vl-30b-a3b", "--layers", "4"], "tiny": None}


def run(command, **options):
    """Error: the end of what a failing command said."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False, **options)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:3])} ...: {done.stdout.strip()[-400:]}")
    return done.stdout


class Models:
    def __init__(self, folder, tarsier, python):
        """python: with numpy, and for peers with their packages."""
        self.folder, self.tarsier, self.python = folder, tarsier, python
        os.makedirs(folder, exist_ok=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def made(self, name, make):
        """folder/name, made by make(path of an unfinished one) where it is not there."""
        path = self.path(name)
        if not os.path.exists(path):
            print(f"making {path}", file=sys.stderr, flush=True)
            unfinished = path + ".part"
            make(unfinished)
            os.replace(unfinished, path)
        return path

    def tokenizer(self):
        def make(folder):
            packed = os.path.join(ROOT, "tests/data/qwen3-tokenizer")
            os.makedirs(folder, exist_ok=True)
            with lzma.open(os.path.join(packed, "tokenizer.json.xz")) as source, open(os.path.join(folder, "tokenizer.json"), "wb") as target:
                shutil.copyfileobj(source, target)
            shutil.copy(os.path.join(packed, "tokenizer_config.json"), folder)
        return self.made("tokenizer", make)

    def checkpoint(self, shape):
        if SHAPES[shape] is None:
            return os.path.join(ROOT, "models/tiny-vl-dense")
        script = os.path.join(ROOT, "tests/oracle/make_checkpoint.py")
        return self.made(shape, lambda path: run([self.python, script, path, *SHAPES[shape], "--tokenizer", self.tokenizer()]))

    def convert(self, shape, kind, tower="bf16", tiles=False):
        name = "-".join([shape, kind, tower] + ["tiles"] * tiles) + ".gguf"
        options = ["--type", kind, "--vision-type", tower] + ["--tiles"] * tiles
        return self.made(name, lambda path: run([self.tarsier, "convert", self.checkpoint(shape), "-o", path, *options]))

    def pair(self, shape):
        """-> (text model in bf16, vision tower in bf16) as llama.cpp reads them."""
        text, tower = f"{shape}-text-bf16.gguf", f"{shape}-mmproj.gguf"
        if not os.path.exists(self.path(text)) or not os.path.exists(self.path(tower)):
            whole = self.convert(shape, "bf16")
            self.made(tower, lambda path: run([self.tarsier, "split", whole, "-o", self.path(text), "--mmproj", path]))
            os.remove(whole)
        return self.path(text), self.path(tower)

    def quantized(self, shape, quantize):
        """-> (text model in Q4_K_M, vision tower in bf16).  quantize(from, to): llama.cpp's."""
        text = self.path(f"{shape}-q4_k_m.gguf")
        tower = self.path(f"{shape}-mmproj.gguf")
        if not os.path.exists(text) or not os.path.exists(tower):
            source, tower = self.pair(shape)
            self.made(f"{shape}-q4_k_m.gguf", lambda path: quantize(source, path))
            os.remove(source)
        return text, tower
