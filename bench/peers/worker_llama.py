#!/usr/bin/env python3
"""One measurement of llama.cpp through llama-cpp-python.  The job is JSON on the command line; "tokens N" and, after each run, "run SECONDS" are printed.

Jobs: prompt, generate, image, first_token (each with runs, threads, model and what their functions below read), quantize.
Flash attention is on; the prompt is read in one batch of n_batch tokens, in pieces of ubatch tokens.
"""
import ctypes
import json
import random
import sys
import time

import llama_cpp as lc
from llama_cpp import mtmd_cpp as mt

KV_TYPES = {"f16": 1, "q8_0": 8}
FLASH_ATTENTION_ON = 1
MARKER = b"<__media__>"
QUESTION = b"<|im_start|>user\n" + MARKER + b"Describe this picture.<|im_end|>\n<|im_start|>assistant\n"


def say(what, value):
    print(what, value, flush=True)


def fail(text):
    sys.exit("llama.cpp: " + text)


class Text:
    """A model and a context of job["context"] tokens."""

    def __init__(self, job):
        p = lc.llama_model_default_params()
        p.n_gpu_layers = 0
        p.use_extra_bufts = job.get("repack", False)
        self.model = lc.llama_model_load_from_file(job["model"].encode(), p) or fail(job["model"] + " cannot be loaded")
        self.vocab = lc.llama_vocab_n_tokens(lc.llama_model_get_vocab(self.model))
        c = lc.llama_context_default_params()
        c.n_ctx = (job["context"] + 255) // 256 * 256
        c.n_ubatch = job.get("ubatch", 512)
        c.n_batch = max(c.n_ubatch, 2048)
        c.n_threads = c.n_threads_batch = job["threads"]
        c.flash_attn_type = FLASH_ATTENTION_ON
        c.type_k = c.type_v = KV_TYPES[job.get("kv_type", "f16")]
        c.no_perf = True
        self.n_batch = c.n_batch
        self.context = lc.llama_init_from_model(self.model, c) or fail("there is no context of this kind")
        self.memory = lc.llama_get_memory(self.context)

    def read(self, n):
        """n random tokens behind those in the cache."""
        ids = (lc.llama_token * n)(*(random.randrange(self.vocab) for _ in range(n)))
        begin = time.perf_counter()
        for at in range(0, n, self.n_batch):
            part = (lc.llama_token * min(self.n_batch, n - at)).from_buffer(ids, at * ctypes.sizeof(lc.llama_token))
            if lc.llama_decode(self.context, lc.llama_batch_get_one(part, len(part))):
                fail("llama_decode failed")
        lc.llama_synchronize(self.context)
        return time.perf_counter() - begin

    def forget(self, keep=0):
        lc.llama_memory_seq_rm(self.memory, 0, keep, -1)


def prompt(job):
    n = job["tokens"]
    text = Text({**job, "context": n})
    text.read(min(n, 16))
    say("tokens", n)
    for _ in range(job["runs"]):
        text.forget()
        say("run", text.read(n))


def generate(job):
    n, depth = job["tokens"], max(1, job.get("depth", 0))
    text = Text({**job, "context": depth + n + 1})
    text.read(depth)
    say("tokens", n)
    for _ in range(job["runs"]):
        text.forget(depth)
        text.read(1)
        say("run", sum(text.read(1) for _ in range(n)))


class Pictures:
    """The vision tower beside a text model, and pictures of random pixels."""

    def __init__(self, job, model):
        p = mt.mtmd_context_params_default()
        p.use_gpu = False
        p.print_timings = False
        p.n_threads = job["threads"]
        p.flash_attn_type = FLASH_ATTENTION_ON if job.get("vision_flash", True) else 0
        p.warmup = False
        p.media_marker = MARKER
        self.context = mt.mtmd_init_from_file(job["mmproj"].encode(), model, p) or fail(job["mmproj"] + " cannot be loaded")
        self.width, self.height = job["width"], job["height"]
        self.chunks = mt.mtmd_input_chunks_init()

    def new(self):
        """The question about a new picture, tokenized: the time of it."""
        pixels = random.randbytes(3 * self.width * self.height)
        bitmap = mt.mtmd_bitmap_init(self.width, self.height, (ctypes.c_uint8 * len(pixels)).from_buffer_copy(pixels))
        text = mt.mtmd_input_text(QUESTION, len(QUESTION), True, True)
        begin = time.perf_counter()
        if mt.mtmd_tokenize(self.context, self.chunks, ctypes.byref(text), (mt.mtmd_bitmap_p_ctypes * 1)(bitmap), 1):
            fail("mtmd_tokenize failed")
        seconds = time.perf_counter() - begin
        mt.mtmd_bitmap_free(bitmap)
        return seconds

    def picture(self):
        for i in range(mt.mtmd_input_chunks_size(self.chunks)):
            chunk = mt.mtmd_input_chunks_get(self.chunks, i)
            if mt.mtmd_input_chunk_get_type(chunk) == mt.MTMD_INPUT_CHUNK_TYPE_IMAGE:
                return chunk
        fail("the prompt has no picture")


def image(job):
    text = Text({**job, "context": 256})
    pictures = Pictures(job, text.model)
    for _ in range(job["runs"]):
        pictures.new()
        chunk = pictures.picture()
        begin = time.perf_counter()
        if mt.mtmd_encode_chunk(pictures.context, chunk):
            fail("mtmd_encode_chunk failed")
        say("run", time.perf_counter() - begin)
    say("tokens", mt.mtmd_input_chunk_get_n_tokens(chunk))


def first_token(job):
    text = Text({**job, "context": 4096})
    pictures = Pictures(job, text.model)
    text.read(16)
    for _ in range(job["runs"]):
        text.forget()
        prepared = pictures.new()
        end = ctypes.c_int32()
        begin = time.perf_counter()
        if mt.mtmd_helper_eval_chunks(pictures.context, text.context, pictures.chunks, 0, 0, text.n_batch, True, ctypes.byref(end)):
            fail("mtmd_helper_eval_chunks failed")
        lc.llama_synchronize(text.context)
        say("run", prepared + time.perf_counter() - begin)
    say("tokens", mt.mtmd_helper_get_n_tokens(pictures.chunks))


def quantize(job):
    p = lc.llama_model_quantize_default_params()
    p.nthread = job["threads"]
    p.ftype = lc.LLAMA_FTYPE_MOSTLY_Q4_K_M
    if lc.llama_model_quantize(job["model"].encode(), job["output"].encode(), ctypes.byref(p)):
        fail("llama_model_quantize failed")
    say("run", 0)


JOBS = {"prompt": prompt, "generate": generate, "image": image, "first_token": first_token, "quantize": quantize}
LOG_ERROR = 4


@lc.llama_log_callback
def log(level, text, _):
    if level >= LOG_ERROR:
        sys.stderr.write(text.decode(errors="replace"))


def main():
    job = json.loads(sys.argv[1])
    random.seed(1)
    lc.llama_log_set(log, None)
    mt.mtmd_log_set(log, None)
    mt.mtmd_helper_log_set(log, None)
    lc.llama_backend_init()
    JOBS[job["do"]](job)


if __name__ == "__main__":
    main()
