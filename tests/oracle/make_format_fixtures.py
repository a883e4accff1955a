"""Fixed blocks of every format and the weights they stand for, by the `gguf` package (numpy code of llama.cpp's authors).

    python tests/oracle/make_format_fixtures.py tests/data/formats-gguf

Writes NAME.blocks (raw bytes) and NAME.weights (float32, little endian) for each format, grids.txt, and MANIFEST.txt. The
bytes are random except for the scales, which are finite; the first blocks hold all-zero and all-one bits besides the
scales. grids.txt: of each grid its number of points, coordinates of a point, and the 64-bit FNV-1a hash of its bytes.
quantizers.txt: the squared error of each of the package's quantizers on the row below.
"""
import sys
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as T
from gguf import quants
from gguf.quants import dequantize

FORMATS = {  # name: block bytes, offsets of f16 scales
    "F16": (2, [0]), "BF16": (2, []), "Q8_0": (34, [0]), "Q4_0": (18, [0]), "Q4_1": (20, [0, 2]), "Q5_0": (22, [0]),
    "Q5_1": (24, [0, 2]), "IQ4_NL": (18, [0]), "MXFP4": (17, []), "Q2_K": (84, [80, 82]), "Q3_K": (110, [108]),
    "Q4_K": (144, [0, 2]), "Q5_K": (176, [0, 2]), "Q6_K": (210, [208]), "IQ4_XS": (136, [0]), "IQ3_XXS": (98, [0]),
    "IQ3_S": (110, [0]), "IQ2_XXS": (66, [0]), "IQ2_XS": (74, [0]), "IQ2_S": (82, [0]), "IQ1_S": (50, [0]),
    "IQ1_M": (56, []), "TQ1_0": (54, [52]), "TQ2_0": (66, [64]),
}
GRIDS = {"iq2_xxs": quants.IQ2_XXS, "iq2_xs": quants.IQ2_XS, "iq2_s": quants.IQ2_S, "iq3_xxs": quants.IQ3_XXS,
         "iq3_s": quants.IQ3_S, "iq1": quants.IQ1_S}
SEED = 20260801


def number_of_blocks(name: str, size: int) -> int:
    if size == 2:
        return 512
    return 8 if size < 40 or name in ("Q4_K", "Q5_K", "Q6_K") else 4


def f16_scales(rng, n):
    values = rng.normal(0, 0.02, n).astype(np.float16)
    values[2], values[3] = 65504, 6e-8  # the largest and the smallest
    return values


def bell_row(n: int) -> np.ndarray:
    """Sums of four uniform numbers, as tests/quant/reference_test.cpp makes them."""
    state, uniform = 1, []
    for _ in range(4 * n):
        state = (1664525 * state + 1013904223) % 2**32
        uniform.append(state >> 16)
    return ((np.array(uniform).reshape(n, 4).sum(axis=1) - 131070) / 32768).astype(np.float32)


def fnv1a(data: bytes) -> int:
    value = 0xcbf29ce484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001b3 % 2**64
    return value


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"gguf {__import__('importlib.metadata').metadata.version('gguf')}, numpy {np.__version__}, seed {SEED}"]
    for name, (size, scales) in FORMATS.items():
        rng = np.random.default_rng(SEED)
        blocks = rng.integers(0, 256, (number_of_blocks(name, size), size), dtype=np.uint8)
        if size > 2:
            blocks[0], blocks[1] = 0, 255
        for at in scales:
            blocks[:, at:at + 2] = f16_scales(rng, len(blocks)).view(np.uint8).reshape(-1, 2)
        if name == "BF16":  # finite ones only
            blocks[:, 1] &= 0xBF
        if name == "MXFP4":  # exponents: both below a normal f32, the largest finite one, and usual ones
            blocks[:, 0] = [0, 1, 252, 2, 128, 120, 118, 122]
        if name == "IQ1_M":  # the f16 lies in the highest nibbles of four numbers
            bits = f16_scales(rng, len(blocks)).view(np.uint16)
            for i in range(4):
                blocks[:, 49 + 2 * i] = blocks[:, 49 + 2 * i] & 15 | (bits >> 4 * i & 15).astype(np.uint8) << 4
        weights = dequantize(blocks.reshape(1, -1), T[name]).astype("<f4")
        assert np.isfinite(weights).all(), name
        (folder / f"{name}.blocks").write_bytes(blocks.tobytes())
        (folder / f"{name}.weights").write_bytes(weights.tobytes())
        lines.append(f"{name}: {len(blocks)} blocks of {size} bytes, {weights.size} weights")
    grids = []
    for name, kind in GRIDS.items():
        kind.init_grid()
        grids.append(f"{name} {kind.grid_shape[0]} {kind.grid_shape[1]} {fnv1a(kind.grid.astype(np.int8).tobytes()):016x}")
    (folder / "grids.txt").write_text("\n".join(grids) + "\n")
    row, errors = bell_row(8192), []
    for name in ("Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "MXFP4"):
        back = dequantize(quants.quantize(row.reshape(1, -1), T[name]), T[name])[0]
        errors.append(f"{name} {np.sum((back.astype(np.float64) - row) ** 2):.9g}")
    (folder / "quantizers.txt").write_text("\n".join(errors) + "\n")
    (folder / "MANIFEST.txt").write_text("Made by tests/oracle/make_format_fixtures.py.\n" + "\n".join(lines) + "\n")


main(Path(sys.argv[1]))
