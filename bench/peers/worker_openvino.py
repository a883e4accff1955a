#!/usr/bin/env python3
"""transformers' own modules, converted by OpenVINO with fixed shapes: the vision tower, or the text body with int4 weights (groups of 64, without the head).

The job is JSON on the command line; "tokens N" and, after each run, "run SECONDS" are printed.  What is converted is kept in the folder "cache".
"""
import gc
import json
import os
import sys
import time

import numpy as np
import openvino as ov
import torch

from vision import load_text, load_vision, random_picture


class Tower(torch.nn.Module):
    """A picture of one size."""

    def __init__(self, model, grid):
        super().__init__()
        self.model, self.grid = model, grid

    def forward(self, pixels):
        out = self.model(pixels, grid_thw=self.grid)
        return (out.pooler_output, *out.deepstack_features)


class Body(torch.nn.Module):
    """A prompt of one length, from embeddings to the last hidden states."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, embeds):
        positions = torch.arange(embeds.shape[1]).view(1, 1, -1).expand(3, 1, -1)  # three rows: no packed sequences are looked for
        return self.model(inputs_embeds=embeds, position_ids=positions, use_cache=False).last_hidden_state


def kept(job, name, make):
    path = os.path.join(job["cache"], name)
    if not os.path.exists(path + ".xml"):
        ov.save_model(make(), path + ".part.xml", compress_to_fp16=False)
        os.replace(path + ".part.bin", path + ".bin")
        os.replace(path + ".part.xml", path + ".xml")
        gc.collect()
    return path + ".xml"


def tower(job):
    def make():
        model = load_vision(job["checkpoint"], torch.float32)
        pixels, grid = random_picture(model.config, job["width"], job["height"], torch.float32)
        with torch.no_grad():
            return ov.convert_model(Tower(model, grid), example_input=pixels, input=[list(pixels.shape)])
    shape = os.path.basename(job["checkpoint"])
    return kept(job, f"openvino-{shape}-vision-{job['width']}x{job['height']}", make), job["width"] * job["height"] // 1024


def body(job):
    def make():
        import nncf
        model = load_text(job["checkpoint"], torch.float32)
        embeds = torch.randn(1, job["tokens"], model.config.hidden_size)
        with torch.no_grad():
            converted = ov.convert_model(Body(model), example_input=embeds, input=[list(embeds.shape)])
        return nncf.compress_weights(converted, mode=nncf.CompressWeightsMode.INT4_SYM, group_size=64, all_layers=True)
    shape = os.path.basename(job["checkpoint"])
    return kept(job, f"openvino-{shape}-text-{job['tokens']}", make), job["tokens"]


def main():
    job = json.loads(sys.argv[1])
    path, tokens = tower(job) if job["do"] == "image" else body(job)
    core = ov.Core()
    model = core.compile_model(path, "CPU", {"INFERENCE_NUM_THREADS": job["threads"], "INFERENCE_PRECISION_HINT": job["precision"],
                                             "PERFORMANCE_HINT": "LATENCY"})
    print("tokens", tokens, flush=True)
    values = np.random.default_rng(1).standard_normal(list(model.input(0).shape), dtype=np.float32)
    for i in range(job["runs"] + 1):
        begin = time.perf_counter()
        model(values)
        if i > 0:  # the first warms up
            print("run", time.perf_counter() - begin, flush=True)


if __name__ == "__main__":
    main()
