#!/usr/bin/env python3
"""transformers' own vision module on a picture of random pixels.  The job is JSON on the command line; "tokens N" and, after each run, "run SECONDS" are printed."""
import json
import sys
import time

import torch

from vision import load_vision, random_picture


def main():
    job = json.loads(sys.argv[1])
    torch.set_num_threads(job["threads"])
    torch.manual_seed(1)
    model = load_vision(job["checkpoint"], getattr(torch, job["dtype"]))
    print("tokens", job["width"] * job["height"] // 1024, flush=True)
    with torch.inference_mode():
        for i in range(job["runs"] + 1):
            pixels, grid = random_picture(model.config, job["width"], job["height"], model.dtype)
            begin = time.perf_counter()
            model(pixels, grid_thw=grid)
            if i > 0:  # the first warms up
                print("run", time.perf_counter() - begin, flush=True)


if __name__ == "__main__":
    main()
