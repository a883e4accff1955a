#!/usr/bin/env python3
"""Draws the demo's pictures and clips (Pillow and ffmpeg needed). The seeds are not among those of the training."""
import json
import os
import random
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../tests/oracle/train"))
import shapes  # noqa: E402


def film(name, frames, rate):
    """A video file that keeps every pixel."""
    with tempfile.TemporaryDirectory() as folder:
        for i, frame in enumerate(frames):
            shapes.render(frame).save(os.path.join(folder, f"{i:02}.png"))
        exact = ["-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact"]
        subprocess.run(["ffmpeg", "-y", "-v", "error", "-framerate", str(rate), "-i", os.path.join(folder, "%02d.png"), "-c:v", "libx264rgb",
                        "-qp", "0", "-preset", "veryslow", "-g", "8", *exact, os.path.join(HERE, name)], check=True)


def main():
    for name, seed, width, height, n in [("two-shapes", "demo/4", 128, 96, 2), ("three-shapes", "demo/2", 160, 96, 3),
                                         ("one-shape", "demo/3", 96, 96, 1)]:
        scene = shapes.scene(random.Random(seed), width, height, n)
        shapes.render(scene).save(os.path.join(HERE, name + ".png"), optimize=True)
        print(name, shapes.describe(scene), json.dumps(shapes.boxes(scene)))
    before, after, (_, answer) = shapes.pair(random.Random("demo/pair/7"), 96, 64)
    shapes.render(before).save(os.path.join(HERE, "before.png"), optimize=True)
    shapes.render(after).save(os.path.join(HERE, "after.png"), optimize=True)
    print("before, after:", answer)
    # A clip of eight frames a second; the processor takes two a second from it.
    frames, _, _, _, (_, answer) = shapes.video(random.Random("demo/clip/7"), 64, 64, 16)
    os.makedirs(os.path.join(HERE, "clip"), exist_ok=True)
    names = []
    for i, frame in enumerate(frames):
        names.append(f"clip/{i:02}.png")
        shapes.render(frame).save(os.path.join(HERE, names[-1]), optimize=True)
    film("clip.mp4", frames, 8)
    print("clip:", answer)
    # Two seconds, of which four frames are looked at, as of most clips of the training: in longer ones these small models see
    # the colours and guess the time.
    frames, _, _, _, (_, answer) = shapes.video(random.Random("demo/clip/colour/2"), 64, 64, 8)
    film("colour.mp4", frames, 4)
    print("colour.mp4:", answer.rsplit(" at ", 1)[0], "half way")
    messages = [{"role": "user", "content": [{"type": "video", "video": names, "fps": 8.0, "sample": True},
                                             {"type": "text", "text": "What happens in this video?"}]}]
    with open(os.path.join(HERE, "clip.json"), "w", encoding="utf-8") as f:
        json.dump({"messages": messages}, f, indent=1)
        f.write("\n")


main()
