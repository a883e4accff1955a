"""What is measured: one row of the table each.  A row's work goes to every engine in the same words; the engines' modules say how they do it."""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Row:
    name: str     # of --only
    title: str
    unit: str     # "s": less is better, "tok/s": more is
    do: str       # image, first_token, prompt, generate
    model: str    # of models.SHAPES
    wanted: dict  # by peer: times as fast as it
    work: dict    # tokens, depth, kv_type, width, height
    share: float | None = None  # of the machine's limit that is wanted
    own: tuple | None = None    # types of text and tower of a file in tiles that Tarsier reads instead of the peers' one

    @property
    def peers(self):
        return tuple(self.wanted)


def of(llama=None, ik=None, torch=None, openvino=None):
    return {name: times for name, times in (("llama.cpp", llama), ("ik", ik), ("torch", torch), ("openvino", openvino)) if times}


def square(side):
    return {"width": side, "height": side}


ROWS = [
    Row("image-1024", "picture of 1024 x 1024", "s", "image", "2b", of(3.3, 3.3, 3.0, 1.1), square(1024), 0.84),
    Row("image-1024-int8", "picture of 1024 x 1024, our tower in 7 bits", "s", "image", "2b", of(openvino=1.4), square(1024), own=("x4", "x7")),
    Row("image-512", "picture of 512 x 512", "s", "image", "2b", of(2.0, 2.0, 1.1, 1.1), square(512), 0.84),
    Row("first-token", "first token of a question about a picture of 1024 x 1024", "s", "first_token", "2b", of(3.0, 3.5), square(1024)),
    Row("prompt-512", "2B: prompt of 512", "tok/s", "prompt", "2b", of(2.0, 1.8, openvino=1.3), {"tokens": 512}, 0.66),
    Row("prompt-512-own", "2B: prompt of 512, our file of 4.25 bits", "tok/s", "prompt", "2b", of(openvino=1.4), {"tokens": 512}, own=("x4", "bf16")),
    Row("generate", "2B: decoding", "tok/s", "generate", "2b", of(1.05, 1.02), {"tokens": 64}, 0.93),
    Row("generate-own", "2B: decoding, our file of 4.25 bits", "tok/s", "generate", "2b", of(1.13, 1.13), {"tokens": 64}, own=("x4", "bf16")),
    Row("moe-prompt-2048", "30B-A3B, 4 layers: prompt of 2,048", "tok/s", "prompt", "30b-a3b-4", of(2.0, 1.6), {"tokens": 2048}, 0.66),
    Row("moe-generate", "30B-A3B, 4 layers: decoding", "tok/s", "generate", "30b-a3b-4", of(1.05, 1.02), {"tokens": 64}, 0.93),
    Row("generate-8192", "2B: decoding behind 8,192 tokens", "tok/s", "generate", "2b", of(1.3, 1.3), {"tokens": 32, "depth": 8192}),
    Row("generate-8192-q8", "2B: decoding behind 8,192 tokens, q8_0 KV", "tok/s", "generate", "2b", of(1.3, 1.3), {"tokens": 32, "depth": 8192, "kv_type": "q8_0"}),
    Row("read-8192-q8", "2B: reading 8,192 tokens, q8_0 KV", "s", "prompt", "2b", of(1.8, 1.8), {"tokens": 8192, "kv_type": "q8_0"}),
]

# The same logic on a bundled model: seconds instead of an hour, and no peer needed.
QUICK = [
    Row("image-128", "picture of 128 x 128", "s", "image", "tiny", of(1.1, 1.1, 1.1, 1.1), square(128)),
    Row("first-token", "first token of a question about a picture of 128 x 128", "s", "first_token", "tiny", of(1.1, 1.1), square(128)),
    Row("prompt-64", "tiny: prompt of 64", "tok/s", "prompt", "tiny", of(1.1, 1.1), {"tokens": 64}),
    Row("generate", "tiny: decoding", "tok/s", "generate", "tiny", of(1.05, 1.05), {"tokens": 8, "depth": 32}),
]
