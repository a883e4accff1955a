#!/usr/bin/env python3
"""Real photographs that scikit-image ships in its package, re-encoded small, and what transformers' image processor makes of them.

Writes FOLDER/<picture> and FOLDER/photographs.safetensors: for each picture and each setting ('hub': the published limits of
65,536 to 16,777,216 pixels; 'tiny': those of the demo models, 4,096 to 20,480)
    <file>.<setting>.grid       i64 [1, 3]
    <file>.<setting>.checksums  i64 [patches]: sum over a patch of bits(value k) * (2 k + 1), modulo 2^64; any other bit or order shows
    <file>.<setting>.first      f32 [2, 1536]: the first two patches in full

Usage: make_photographs.py FOLDER CHECKPOINT
"""
import json
import os
import shutil
import sys

import numpy as np
import skimage.data
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import AutoImageProcessor
from transformers.image_utils import load_image

SOURCE = os.path.dirname(skimage.data.__file__)


def exif(orientation):
    e = Image.Exif()
    e[0x0112] = orientation
    return e


# name -> (file in scikit-image, how it is stored here; None: as it is)
PICTURES = {
    "astronaut.jpg": ("astronaut.png", dict(format="JPEG", quality=88)),
    "camera.png": ("camera.png", None),
    "chelsea.jpg": ("chelsea.png", dict(format="JPEG", quality=90, progressive=True, subsampling=0, exif=exif(6))),
    "clock.gif": ("clock_motion.png", dict(format="GIF")),
    "coffee.webp": ("coffee.png", dict(format="WEBP", quality=88)),
    "coins.png": ("coins.png", None),
    "hubble.jpg": ("hubble_deep_field.jpg", dict(format="JPEG", quality=60, subsampling=1)),
    "rocket.jpg": ("rocket.jpg", None),
}
SETTINGS = {"hub": {"shortest_edge": 65536, "longest_edge": 16777216}, "tiny": {"shortest_edge": 4096, "longest_edge": 20480}}


def checksums(patches):
    bits = np.ascontiguousarray(patches).view(np.uint32).astype(np.uint64)
    weights = 2 * np.arange(bits.shape[1], dtype=np.uint64) + np.uint64(1)
    with np.errstate(over="ignore"):
        return (bits * weights).sum(1, dtype=np.uint64).view(np.int64)


def main():
    out, checkpoint = sys.argv[1:3]
    os.makedirs(out, exist_ok=True)
    tensors = {}
    for name, (source, how) in PICTURES.items():
        path, origin = os.path.join(out, name), os.path.join(SOURCE, source)
        if how is None:
            shutil.copyfile(origin, path)
        else:
            Image.open(origin).save(path, **how)
        for setting, size in SETTINGS.items():
            processor = AutoImageProcessor.from_pretrained(checkpoint, size=size)
            y = processor(load_image(path), return_tensors="pt")
            key = f"{name}.{setting}"
            tensors[key + ".grid"] = y["image_grid_thw"]
            tensors[key + ".checksums"] = torch.from_numpy(checksums(y["pixel_values"].numpy()))
            tensors[key + ".first"] = y["pixel_values"][:2].contiguous()
            print(key, json.dumps(y["image_grid_thw"][0].tolist()), os.path.getsize(path), type(processor).__name__)
    save_file(tensors, os.path.join(out, "photographs.safetensors"))


if __name__ == "__main__":
    main()
