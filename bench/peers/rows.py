"""What is measured: one row of the table each.  A row's work goes to every engine in the same words; the engines' modules say how they do it."""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Row:
    name: str     # of --only
    title: str
    unit: str     # "s": less is better, "tok/s": more is
    do: str       # image, first_token, prompt, generate
    model: str    # of models.SHAPES
    wanted: float # times as fast as the best peer
    peers: tuple
    work: dict    # tokens, depth, kv_type, width, height


IMAGE = ("llama.cpp", "ik", "torch", "openvino")
TEXT = ("llama.cpp", "ik", "openvino")
GGUF = ("llama.cpp", "ik")


def square(side):
    return {"width": side, "height": side}


ROWS = [
    Row("image-1024", "picture of 1024 x 1024", "s", "image", "2b", 1.1, IMAGE, square(1024)),
    Row("image-512", "picture of 512 x 512", "s", "image", "2b", 1.1, IMAGE, square(512)),
    Row("first-token", "first token of a question about a picture of 1024 x 1024", "s", "first_token", "2b", 3.0, ("llama.cpp", "ik"), square(1024)),
    Row("prompt-512", "2B: prompt of 512", "tok/s", "prompt", "2b", 1.4, TEXT, {"tokens": 512}),
    Row("generate", "2B: decoding", "tok/s", "generate", "2b", 1.05, GGUF, {"tokens": 64}),
    Row("generate-8192", "2B: decoding behind 8,192 tokens", "tok/s", "generate", "2b", 1.3, GGUF, {"tokens": 32, "depth": 8192}),
    Row("generate-8192-q8", "2B: decoding behind 8,192 tokens, q8_0 KV", "tok/s", "generate", "2b", 1.3, GGUF, {"tokens": 32, "depth": 8192, "kv_type": "q8_0"}),
    Row("read-8192-q8", "2B: reading 8,192 tokens, q8_0 KV", "s", "prompt", "2b", 2.0, GGUF, {"tokens": 8192, "kv_type": "q8_0"}),
    Row("moe-prompt-2048", "30B-A3B, 4 layers: prompt of 2,048", "tok/s", "prompt", "30b-a3b-4", 1.6, GGUF, {"tokens": 2048}),
    Row("moe-generate", "30B-A3B, 4 layers: decoding", "tok/s", "generate", "30b-a3b-4", 1.05, GGUF, {"tokens": 64}),
]

# The same logic on a bundled model: seconds instead of an hour, and no peer needed.
QUICK = [
    Row("image-128", "picture of 128 x 128", "s", "image", "tiny", 1.1, IMAGE, square(128)),
    Row("first-token", "first token of a question about a picture of 128 x 128", "s", "first_token", "tiny", 1.1, GGUF, square(128)),
    Row("prompt-64", "tiny: prompt of 64", "tok/s", "prompt", "tiny", 1.1, GGUF, {"tokens": 64}),
    Row("generate", "tiny: decoding", "tok/s", "generate", "tiny", 1.05, GGUF, {"tokens": 8, "depth": 32}),
]
