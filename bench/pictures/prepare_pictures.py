"""Times what transformers does to a picture before the model: load_image, then Qwen2VLImageProcessor (torchvision), with
the settings of the published checkpoints. prepare_pictures.cpp times the same here.

    python prepare_pictures.py FILE [MAX_PIXELS] [THREADS]
    python prepare_pictures.py --make FILE      writes a picture of 4000 x 3000 from a photograph of the tests
"""

import statistics
import sys
import time
from pathlib import Path

import numpy
from PIL import Image

RUNS = 10


def make(path):
    """hubble.jpg enlarged, with the noise that a camera adds: about as many bytes as a telephone's JPEG."""
    photographs = Path(__file__).parents[2] / "tests/data/photographs"
    small = Image.open(photographs / "hubble.jpg").convert("RGB").resize((4000, 3000), Image.LANCZOS)
    noisy = numpy.asarray(small) + numpy.random.default_rng(1).normal(0, 7, (3000, 4000, 3))
    Image.fromarray(noisy.clip(0, 255).astype(numpy.uint8)).save(path, quality=92)


def main(path, max_pixels=16777216, threads=2):
    import torch
    from transformers import Qwen2VLImageProcessor
    from transformers.image_utils import load_image

    torch.set_num_threads(int(threads))
    half = [0.5, 0.5, 0.5]
    processor = Qwen2VLImageProcessor(patch_size=16, temporal_patch_size=2, merge_size=2, image_mean=half, image_std=half,
                                      size={"shortest_edge": 65536, "longest_edge": int(max_pixels)})
    totals = []
    for _ in range(RUNS):
        start = time.perf_counter()
        image = load_image(path)
        loaded = time.perf_counter()
        grid = processor(images=[image], return_tensors="pt")["image_grid_thw"][0].tolist()
        done = time.perf_counter()
        totals.append((done - start) * 1e3)
        print(f"{image.width} x {image.height} -> {grid[2]} x {grid[1]} patches: load {(loaded - start) * 1e3:.0f} ms, "
              f"processor {(done - loaded) * 1e3:.0f} ms, together {totals[-1]:.0f} ms")
    print(f"median {statistics.median(totals):.0f} ms")


if sys.argv[1] == "--make":
    make(sys.argv[2])
else:
    main(*sys.argv[1:])
