"""Fixed blocks of every format and the weights they stand for, by the `gguf` package (numpy code of llama.cpp's authors).

    python tests/oracle/make_format_fixtures.py tests/data/formats-gguf

Writes NAME.blocks (raw bytes) and NAME.weights (float32, little endian) for each format, and MANIFEST.txt. The bytes are
random except for the f16 scales, which are finite; the first blocks hold all-zero and all-one bits besides the scales.
"""
import sys
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as T
from gguf.quants import dequantize

FORMATS = {  # name: type, block bytes, offsets of f16 scales
    "F16": (T.F16, 2, [0]), "BF16": (T.BF16, 2, []), "Q8_0": (T.Q8_0, 34, [0]), "Q4_0": (T.Q4_0, 18, [0]),
    "Q4_K": (T.Q4_K, 144, [0, 2]), "Q5_K": (T.Q5_K, 176, [0, 2]), "Q6_K": (T.Q6_K, 210, [208]),
}
SEED = 20260801


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"gguf {__import__('importlib.metadata').metadata.version('gguf')}, numpy {np.__version__}, seed {SEED}"]
    for name, (kind, size, scales) in FORMATS.items():
        rng = np.random.default_rng(SEED)
        blocks = rng.integers(0, 256, (8 if size > 2 else 512, size), dtype=np.uint8)
        if size > 2:
            blocks[0], blocks[1] = 0, 255
        for at in scales:
            values = rng.normal(0, 0.02, len(blocks)).astype(np.float16)
            values[2], values[3] = 65504, 6e-8  # the largest and the smallest
            blocks[:, at:at + 2] = values.view(np.uint8).reshape(-1, 2)
        if name == "BF16":  # finite ones only
            blocks[:, 1] &= 0xBF
        weights = dequantize(blocks.reshape(1, -1) if size > 2 else blocks.reshape(1, -1), kind).astype("<f4")
        assert np.isfinite(weights).all(), name
        (folder / f"{name}.blocks").write_bytes(blocks.tobytes())
        (folder / f"{name}.weights").write_bytes(weights.tobytes())
        lines.append(f"{name}: {len(blocks)} blocks of {size} bytes, {weights.size} weights")
    (folder / "MANIFEST.txt").write_text("Made by tests/oracle/make_format_fixtures.py.\n" + "\n".join(lines) + "\n")


main(Path(sys.argv[1]))
