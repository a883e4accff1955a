#!/usr/bin/env python3
"""Make reference outputs on shapes that no test of the project knows: random checkpoints of odd shapes, conversations, dumps.

Writes OUT/<shape>/checkpoint and OUT/<shape>/<case>/{pictures, messages.json, dump.safetensors, result.json}; cases with a video have a
sub-folder without_outer_markers (same inputs, the prompt as transformers 4.57 wrote it).  heldout.py compares an engine with them.
Every shape is drawn to meet what the published models do not have: see the table SHAPES.
"""
import argparse
import json
import os
import random
import shutil
import subprocess
import sys

import numpy as np
import torch
from PIL import Image, ImageFilter

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import dump as D  # noqa: E402
from make_fixtures import image, put_json, text, user  # noqa: E402

# name: (preset, seed, tied, text values, vision values)
SHAPES = {
    "dense-320-five-heads-one-kv": ("custom", 101, True,
                                    dict(hidden_size=320, num_attention_heads=5, num_key_value_heads=1, head_dim=64, intermediate_size=800, rope_theta=10000, rms_norm_eps=1e-5),
                                    dict(hidden_size=144, num_heads=2, intermediate_size=300, patch_size=14, deepstack_visual_indexes=[1], num_position_embeddings=49)),
    "dense-352-no-deepstack": ("custom", 102, False,
                               dict(hidden_size=352, num_attention_heads=4, num_key_value_heads=4, head_dim=80, intermediate_size=704, vocab_size=1501),
                               dict(hidden_size=160, num_heads=2, intermediate_size=420, deepstack_visual_indexes=[], num_position_embeddings=2304)),
    "dense-384-unordered-deepstack": ("custom", 103, True,
                                      dict(hidden_size=384, num_attention_heads=6, num_key_value_heads=3, head_dim=128, intermediate_size=1000),
                                      dict(hidden_size=96, num_heads=2, intermediate_size=200, deepstack_visual_indexes=[3, 0, 2], num_position_embeddings=100)),
    "dense-more-deepstack-than-layers": ("custom", 104, True,
                                         dict(hidden_size=256, num_hidden_layers=3, num_attention_heads=8, num_key_value_heads=2, head_dim=32, intermediate_size=520),
                                         dict(depth=6, deepstack_visual_indexes=[0, 1, 2, 4, 5], num_position_embeddings=256)),
    "dense-temporal-1": ("custom", 105, False,
                         dict(hidden_size=288, num_attention_heads=3, num_key_value_heads=1, head_dim=96, intermediate_size=672, rope_theta=500000),
                         dict(temporal_patch_size=1, deepstack_visual_indexes=[0, 2])),
    "dense-temporal-4": ("custom", 106, True,
                         dict(hidden_size=200, num_attention_heads=4, num_key_value_heads=2, head_dim=64, intermediate_size=344, rms_norm_eps=1e-5),
                         dict(temporal_patch_size=4, hidden_size=112, num_heads=2, intermediate_size=150, deepstack_visual_indexes=[0, 1, 3])),
    "dense-merge-1": ("custom", 107, True,
                      dict(hidden_size=320, num_attention_heads=10, num_key_value_heads=5, head_dim=32, intermediate_size=640),
                      dict(spatial_merge_size=1, hidden_size=192, num_heads=4, deepstack_visual_indexes=[2, 1], num_position_embeddings=196)),
    "dense-merge-3": ("custom", 108, False,
                      dict(hidden_size=256, num_attention_heads=2, num_key_value_heads=1, head_dim=128, intermediate_size=900, vocab_size=3000),
                      dict(spatial_merge_size=3, patch_size=14, hidden_size=80, num_heads=1, intermediate_size=240, deepstack_visual_indexes=[0, 3], num_position_embeddings=576)),
    "dense-512-deep": ("custom", 109, True,
                       dict(hidden_size=512, num_hidden_layers=6, num_attention_heads=8, num_key_value_heads=2, head_dim=128, intermediate_size=1408, rope_theta=5000000),
                       dict(depth=7, hidden_size=288, num_heads=4, intermediate_size=1076, deepstack_visual_indexes=[1, 3, 5], num_position_embeddings=2304)),
    "moe-3-experts-top-1": ("custom-moe", 201, False,
                            dict(num_experts=3, num_experts_per_tok=1, moe_intermediate_size=96, num_attention_heads=4, num_key_value_heads=4, head_dim=80),
                            dict(deepstack_visual_indexes=[0, 1, 2])),
    "moe-8-mlp-only-layers": ("custom-moe", 202, True,
                              dict(hidden_size=320, num_experts=8, num_experts_per_tok=2, moe_intermediate_size=40, mlp_only_layers=[0, 2], head_dim=96,
                                   num_attention_heads=5, num_key_value_heads=1, intermediate_size=608),
                              dict(hidden_size=96, num_heads=2, patch_size=14, deepstack_visual_indexes=[2])),
    "moe-60-sparse-step-2": ("custom-moe", 203, False,
                             dict(hidden_size=352, num_hidden_layers=5, num_experts=60, num_experts_per_tok=8, moe_intermediate_size=96, decoder_sparse_step=2,
                                  intermediate_size=700, vocab_size=1400, rms_norm_eps=1e-5),
                             dict(hidden_size=144, num_heads=2, intermediate_size=260, deepstack_visual_indexes=[1, 3], num_position_embeddings=49)),
    "moe-128-top-8": ("custom-moe", 204, False,
                      dict(hidden_size=256, num_experts=128, num_experts_per_tok=8, moe_intermediate_size=96, num_attention_heads=16, num_key_value_heads=2, head_dim=128,
                           rope_theta=5000000),
                      dict(depth=5, hidden_size=128, num_heads=2, deepstack_visual_indexes=[0, 2, 4], num_position_embeddings=2304)),
    "moe-all-experts-merge-1": ("custom-moe", 205, True,
                                dict(hidden_size=288, num_hidden_layers=3, num_experts=8, num_experts_per_tok=8, moe_intermediate_size=40, decoder_sparse_step=2,
                                     mlp_only_layers=[1], head_dim=32, num_attention_heads=9, num_key_value_heads=3, intermediate_size=450),
                                dict(spatial_merge_size=1, temporal_patch_size=1, patch_size=14, hidden_size=64, num_heads=1, depth=5,
                                     deepstack_visual_indexes=[4, 0, 3, 1, 2], num_position_embeddings=81)),
}
PROMPTS = ["The quick brown fox asks: how many shapes are here, and which of them is red? Name the colour, then the place; 3 + 4 = 7, isn't it?",
           "Describe café №42 in two lines, then say hello in Chinese (你好) and count from one to nine without any pause or mistake.",
           "List what changed between yesterday and today: the blue star moved 12.5 px to the left, and the circle's gone!"]


def make_checkpoint(out, name, tokenizer):
    preset, seed, tied, text_values, vision_values = SHAPES[name]
    command = [sys.executable, os.path.join(HERE, "make_checkpoint.py"), out, "--preset", preset, "--seed", str(seed), "--tie", str(tied), "--tokenizer", tokenizer]
    for where, values in (("text", text_values), ("vision", vision_values)):
        for key, value in values.items():
            command += ["--set", f"{where}.{key}={json.dumps(value)}"]
    subprocess.run(command, check=True)
    with open(os.path.join(out, "config.json"), encoding="utf-8") as f:
        vision = json.load(f)["vision_config"]
    for file, size in (("preprocessor_config.json", {"shortest_edge": 4096, "longest_edge": 60000}),
                       ("video_preprocessor_config.json", {"shortest_edge": 16384, "longest_edge": 61440})):
        path = os.path.join(out, file)
        with open(path, encoding="utf-8") as f:
            settings = json.load(f)
        settings.update(size=size, patch_size=vision["patch_size"], merge_size=vision["spatial_merge_size"], temporal_patch_size=vision["temporal_patch_size"])
        if file.startswith("video"):
            settings.update(fps=2, min_frames=4, max_frames=16)
        put_json(path, settings)


def picture(rng, width, height):
    """Coloured noise at three scales with a hard-edged rectangle: smooth, fine and sharp parts."""
    total = np.zeros((height, width, 3))
    for radius, weight in ((0, 0.15), (2, 1.0), (9, 4.0)):
        layer = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).filter(ImageFilter.GaussianBlur(radius))
        total += weight * (np.asarray(layer, np.float64) - 127.5)
    total = 127.5 + total * (60.0 / total.std())
    y, x = int(rng.integers(0, height // 2 + 1)), int(rng.integers(0, width // 2 + 1))
    total[y:y + height // 3 + 1, x:x + width // 3 + 1] = rng.integers(0, 256, 3)
    return Image.fromarray(np.clip(np.rint(total), 0, 255).astype(np.uint8))


def frames(folder, prefix, rng, width, height, count, **more):
    wide = np.asarray(picture(rng, width + 2 * count, height))      # a camera that pans
    names = [f"{prefix}_{k:02d}.png" for k in range(count)]
    for k, file in enumerate(names):
        Image.fromarray(wide[:, 2 * k:2 * k + width]).save(os.path.join(folder, file))
    return {"type": "video", "video": names, **more}


def conversation(case, d, seed):
    rng, r = np.random.default_rng(seed), random.Random(seed)

    def put(name, width, height):
        picture(rng, width, height).save(os.path.join(d, name), **({"quality": 92} if name.endswith(".jpg") else {}))
        return image(name)
    if case == "text":
        return [{"role": "user", "content": r.choice(PROMPTS)}]
    if case == "image_odd_size":
        return [user(put("a.png", r.randrange(101, 260, 2), r.randrange(101, 260, 2)), text("What is in this picture?"))]
    if case == "image_extreme_aspect":
        return [user(put("a.png", *((40, 600) if seed % 2 else (611, 37))), text("How many shapes are there?"))]
    if case == "three_images":
        sizes = [(r.randrange(50, 300), r.randrange(50, 300)) for _ in range(3)]
        return [user(put("a.png", *sizes[0]), text("One. "), put("b.jpg", *sizes[1]), text(" Two, and then "), put("c.png", *sizes[2]), text("what changed?"))]
    if case == "video_and_image":
        clip = frames(d, "frame", rng, 96, 72, 37, fps=10.0, sample=True)
        return [user(clip, text("First. "), put("a.png", r.randrange(60, 200), r.randrange(60, 200)), text("What happens in this video?"))]
    if case == "two_videos":
        a = frames(d, "a", rng, 80, 64, 5, fps=24.0, sample=False, frames_indices=[0, 11, 22, 33, 44], total_num_frames=45)
        b = frames(d, "b", rng, 61, 103, 6, fps=3.0, sample=False, frames_indices=[0, 1, 2, 3, 4, 5], total_num_frames=6)
        return [user(a, text("Then "), b, text("Describe both."))]
    raise ValueError(case)


CASES = ["text", "image_odd_size", "image_extreme_aspect", "three_images", "video_and_image", "two_videos"]


def dump_case(processor, model, conv, d, out, tokens, **more):
    """A random model may choose <|image_pad|> as its next token, which transformers' second pass then wants a picture for: stop before."""
    while True:
        try:
            return D.dump(processor, model, conv, d, out, tokens, **more)
        except ValueError as e:
            if "do not match" not in str(e) or tokens <= 1:
                raise
            tokens //= 2


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("out")
    ap.add_argument("--tokenizer", required=True, help="folder of the tiny checkpoints' tokenizer")
    ap.add_argument("--only", help="comma-separated subset of the shapes")
    ap.add_argument("--tokens", type=int, default=32)
    ap.add_argument("--threads", type=int, default=2)
    a = ap.parse_args()
    torch.set_num_threads(a.threads)
    for name in a.only.split(",") if a.only else SHAPES:
        checkpoint = os.path.join(a.out, name, "checkpoint")
        shutil.rmtree(os.path.join(a.out, name), ignore_errors=True)
        make_checkpoint(checkpoint, name, a.tokenizer)
        processor, model = D.load(checkpoint)
        for k, case in enumerate(CASES):
            d = os.path.join(a.out, name, case)
            os.makedirs(d)
            put_json(os.path.join(d, "messages.json"), {"messages": conversation(case, d, 10 * SHAPES[name][1] + k)})
            conv = D.read_conversation(os.path.join(d, "messages.json"))
            _, info = dump_case(processor, model, conv, d, d, a.tokens)
            if "video" in case:
                dump_case(processor, model, conv, d, os.path.join(d, "without_outer_markers"), a.tokens, legacy_video=True)
            print(name, case, "length", info["prompt_length"], "tokens", len(info["greedy_ids"]), "agrees", info["teacher_forced_argmax_agrees"],
                  "smallest gap", round(min(info["top1_top2_gap"]), 4), flush=True)


if __name__ == "__main__":
    main()
