#!/usr/bin/env python3
"""Small video files with every trait that makes trouble, and what transformers sees in each.

Usage: make_awkward_videos.py FOLDER        (needs ffmpeg, transformers and torchcodec, its default decoder)

Writes the files, expected.json (by file: frames, fps, size, indices, texts of the time stamps, grid, or the error) and frames.safetensors
(FILE: the last sampled frame, u8 [h, w, 3]). Sampling: 2 frames a second, 4 to 768, pixels 4096 to 25165824, as the published
checkpoints say. Where "from" is not "transformers", what it gives is no use to anybody, and the reason stands there:
  clock     transformers goes by the numbers of frames, as if they came evenly: its time stamps are wrong by seconds
  ffmpeg    transformers turns mirrored pictures upside down; ffmpeg's own program mirrors them
  salvage   transformers gives up; what can be decoded is used
"""
import json
import math
import os
import subprocess
import sys

import numpy as np
import torch
from safetensors.torch import save_file
from torchcodec.decoders import VideoDecoder
from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor

OUT = sys.argv[1]
FPS, LEAST, MOST = 2, 4, 768


def path(name):
    return os.path.join(OUT, name)


def ffmpeg(*arguments):
    subprocess.run(["ffmpeg", "-y", "-v", "error", "-bitexact", *arguments], check=True)


def source(size="32x32", rate="8", seconds=3):
    return ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}:duration={seconds}"]


BARE = ["-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact"]
X264 = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "6", "-crf", "30", *BARE]


def make():
    os.makedirs(OUT, exist_ok=True)
    ffmpeg(*source(), *X264, "-bf", "2", path("h264.mp4"))
    ffmpeg(*source(), "-c:v", "libx265", "-x265-params", "log-level=none:keyint=8:bframes=3", "-crf", "30", *BARE, path("hevc.mp4"))
    ffmpeg(*source(), "-c:v", "mpeg4", "-bf", "2", "-q:v", "8", *BARE, path("mpeg4.mp4"))
    ffmpeg(*source(), "-c:v", "libvpx", "-b:v", "60k", "-auto-alt-ref", "1", "-lag-in-frames", "16", *BARE, path("vp8.webm"))
    ffmpeg(*source(), "-c:v", "libvpx-vp9", "-b:v", "60k", *BARE, path("vp9.webm"))
    ffmpeg(*source(), "-c:v", "libaom-av1", "-cpu-used", "8", "-crf", "40", *BARE, path("av1.mkv"))
    ffmpeg(*source(), "-c:v", "mpeg2video", "-r", "25", "-bf", "2", "-q:v", "10", *BARE, path("mpeg2.mpg"))
    ffmpeg(*source(seconds=1), "-c:v", "mjpeg", "-q:v", "10", *BARE, path("mjpeg.avi"))
    ffmpeg(*source(size="34x46", rate="30000/1001", seconds=2), *X264, "-g", "20", path("ntsc.mkv"))
    ffmpeg(*source(size="35x33"), "-vf", "crop=35:33", "-c:v", "libx264", "-pix_fmt", "yuv444p", "-crf", "30", *BARE, path("odd_sides.mp4"))
    ffmpeg(*source(), "-c:v", "libx265", "-x265-params", "log-level=none", "-pix_fmt", "yuv420p10le", "-crf", "30", *BARE, path("ten_bits.mkv"))
    ffmpeg(*source(), *X264, "-vf", "scale=out_color_matrix=bt709:out_range=pc", "-colorspace", "bt709", "-color_primaries", "bt709",
           "-color_trc", "bt709", "-color_range", "pc", path("full_range_709.mp4"))
    ffmpeg(*source(size="34x46", seconds=2), *X264, path("upright.mov"))
    for turn in (90, 180, 270):
        ffmpeg("-i", path("upright.mov"), "-c", "copy", *BARE, "-metadata:s:v:0", f"rotate={turn}", path(f"turned_{turn}.mov"))
    mirror(path("turned_180.mov"), path("mirrored.mov"))
    # Frames come every second first, then eight a second: what a recording of a screen looks like.
    ffmpeg(*source(seconds=6), "-vf", r"select='if(lt(t,4),not(mod(n,8)),1)'", "-vsync", "vfr", *X264, path("variable_rate.mkv"))
    ffmpeg(*source(), "-frames:v", "1", *X264, path("one_frame.mp4"))
    ffmpeg(*source(), "-frames:v", "2", *X264, path("two_frames.mp4"))
    with open(path("no_duration.webm"), "wb") as f:
        subprocess.run(["ffmpeg", "-v", "error", "-bitexact", *source(), "-c:v", "libvpx", "-b:v", "60k", *BARE, "-f", "webm", "-live", "1", "-"],
                       check=True, stdout=f)
    ffmpeg(*source(), *X264, "-bf", "2", "-f", "h264", path("no_container.h264"))
    ffmpeg(*source(), *X264, "-output_ts_offset", "7", path("late_start.mkv"))
    ffmpeg(*source(seconds=4), *X264, "-bf", "2", path("whole.mp4"))
    ffmpeg("-ss", "1.1", "-i", path("whole.mp4"), "-c", "copy", *BARE, path("cut_by_edit_list.mp4"))
    ffmpeg(*source(), "-f", "lavfi", "-i", "sine=duration=3", *X264, "-c:a", "aac", "-b:a", "16k", path("with_sound.mp4"))
    ffmpeg("-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac", "-b:a", "16k", *BARE, path("only_sound.m4a"))
    ffmpeg("-i", path("only_sound.m4a"), *source(), "-map", "0:a", "-map", "1:v", "-c:a", "copy", "-c:v", "png", "-frames:v", "1",
           "-disposition:v:0", "attached_pic", *BARE, path("cover_picture.m4a"))
    ffmpeg(*source(rate="5", seconds=2), "-f", "gif", path("even.gif"))
    gif_with_delays(path("delays.gif"))
    ffmpeg(*source(rate="5", seconds=2), "-plays", "0", "-f", "apng", path("animation.apng"))
    ffmpeg(*source(rate="5", seconds=2), "-vf", "format=rgba,colorchannelmixer=aa=0.5", "-f", "apng", path("transparent.apng"))
    ffmpeg(*source(rate="5", seconds=2), "-vf", "format=yuva420p", "-c:v", "libvpx-vp9", "-b:v", "40k", *BARE, path("transparent.webm"))
    data = open(path("h264.mp4"), "rb").read()
    write("not_a_picture.png", data)
    write("cut_off.mp4", data[:len(data) * 3 // 4])  # its index stands at the end
    data = open(path("vp9.webm"), "rb").read()
    write("cut_off.webm", data[:len(data) // 2])
    write("cut_off_header.webm", data[:300])
    data = bytearray(open(path("h264.mp4"), "rb").read())
    at = data.index(b"mdat") + 1500
    data[at:at + 300] = bytes(range(256)) + bytes(44)
    write("damaged.mp4", bytes(data))
    write("empty.mp4", b"")
    write("text.mp4", b"This is no video.\n" * 20)
    write("playlist.mp4", b"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\nvp8.webm\n#EXT-X-ENDLIST\n")
    write("list.mp4", b"ffconcat version 1.0\nfile h264.mp4\n")
    ffmpeg(*source(size="16x16"), "-frames:v", "2", "-c:v", "rawvideo", *BARE, path("raw.avi"))
    data = bytearray(open(path("raw.avi"), "rb").read())
    at = data.index(b"strf") + 8
    data[at + 4:at + 12] = (60000).to_bytes(4, "little") * 2
    write("huge_header.avi", bytes(data))
    ffmpeg(*source(seconds=1), *X264, "-bf", "0", path("small.ts"))
    ffmpeg(*source(size="64x48", seconds=1), *X264, "-bf", "0", "-output_ts_offset", "1", path("large.ts"))
    write("two_sizes.ts", open(path("small.ts"), "rb").read() + open(path("large.ts"), "rb").read())
    for name in ("small.ts", "large.ts", "whole.mp4", "raw.avi", "upright.mov"):
        os.remove(path(name))


def write(name, data):
    with open(path(name), "wb") as f:
        f.write(data)


def mirror(old, new):
    """The same file whose matrix mirrors left and right."""
    data = bytearray(open(old, "rb").read())
    at = data.rindex(b"tkhd") + 4 + 40
    matrix = [-0x10000, 0, 0, 0, 0x10000, 0, 34 * 0x10000, 0, 0x40000000]
    data[at:at + 36] = b"".join(x.to_bytes(4, "big", signed=True) for x in matrix)
    open(new, "wb").write(data)


def gif_with_delays(name):
    from PIL import Image

    pictures = [Image.new("RGB", (32, 32), (40 * i, 200 - 40 * i, 90)) for i in range(5)]
    pictures[0].save(name, save_all=True, append_images=pictures[1:], duration=[100, 100, 1500, 100, 700], loop=0)


PROCESSOR = Qwen3VLVideoProcessor(size={"shortest_edge": 4096, "longest_edge": 25165824}, cap_pixels_per_frame=False)


def texts(seconds):
    """HF: Qwen3VLProcessor._calculate_timestamps, from the seconds of each frame."""
    seconds = list(seconds) + [seconds[-1]] * (len(seconds) % 2)
    return [f"<{(seconds[i] + seconds[i + 1]) / 2:.1f} seconds>" for i in range(0, len(seconds), 2)]


def seen(name):
    """By transformers."""
    out = PROCESSOR(videos=[path(name)], return_metadata=True, return_tensors="pt")
    meta = out["video_metadata"][0]
    indices = [int(i) for i in meta.frames_indices]
    decoder = VideoDecoder(path(name), seek_mode="exact", num_ffmpeg_threads=0)
    frame = decoder.get_frame_at(indices[-1]).data.permute(1, 2, 0).contiguous()
    return {"from": "transformers", "frames": meta.total_num_frames, "fps": float(meta.fps), "size": [meta.height, meta.width], "indices": indices,
            "texts": texts([i / meta.fps for i in indices]), "grid": out["video_grid_thw"][0].tolist()}, frame


def by_the_clock(name):
    """As many moments as transformers takes frames, evenly spread, and the frame that is shown at each."""
    row, _ = seen(name)
    decoder = VideoDecoder(path(name), seek_mode="exact")
    every = decoder.get_frames_in_range(0, row["frames"])
    shown = (every.pts_seconds - every.pts_seconds[0]).tolist()
    n = len(row["indices"])
    moments = [shown[-1] * k / (n - 1) for k in range(n)]
    row["from"] = "clock"
    row["indices"] = [max(i for i, t in enumerate(shown) if t <= m + 1e-9) for m in moments]
    row["texts"] = texts(moments)
    return row, every.data[row["indices"][-1]].permute(1, 2, 0).contiguous()


def by_ffmpeg(name):
    row, _ = seen(name)
    h, w = row["size"]
    raw = subprocess.run(["ffmpeg", "-v", "error", "-i", path(name), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], check=True, capture_output=True).stdout
    frames = np.frombuffer(raw, np.uint8).reshape(-1, h, w, 3)
    row["from"] = "ffmpeg"
    return row, torch.from_numpy(frames[row["indices"][-1]].copy())


def salvaged(name):
    """What can be decoded, by ffmpeg's own program: its frames are counted."""
    row = {"from": "salvage", **SALVAGED[name]}
    h, w = row["size"]
    raw = subprocess.run(["ffmpeg", "-v", "quiet", "-i", path(name), "-vsync", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
                         capture_output=True).stdout
    frames = np.frombuffer(raw, np.uint8).reshape(-1, h, w, 3)  # ffmpeg brings all to the size of the first
    row["indices"] = np.linspace(0, row["frames"] - 1, int(row["frames"] / row["fps"] * FPS)).round().astype(int).tolist()
    row["texts"] = texts([i / row["fps"] for i in row["indices"]])
    row["grid"] = [(len(row["indices"]) + 1) // 2, 2, 2]
    return row, None if name == "two_sizes.ts" else torch.from_numpy(frames[-1].copy())


# What ffmpeg's own program says of them.
SALVAGED = {
    "damaged.mp4": {"frames": 24, "fps": 8.0, "size": [32, 32]},
    "mpeg2.mpg": {"frames": 75, "fps": 25.0, "size": [32, 32]},
    "no_container.h264": {"frames": 24, "fps": 8.0, "size": [32, 32]},
    "two_sizes.ts": {"frames": 16, "fps": 8.0, "size": [32, 32]},
}


def main():
    make()
    rows, tensors = {}, {}
    for name in sorted(os.listdir(OUT)):
        if name.endswith((".json", ".safetensors", ".md")):
            continue
        how = {"variable_rate.mkv": by_the_clock, "delays.gif": by_the_clock, "mirrored.mov": by_ffmpeg}
        how = {**how, **dict.fromkeys(SALVAGED, salvaged)}.get(name, seen)
        try:
            rows[name], tensors[name] = how(name)
        except Exception as e:  # whatever kind: the file is refused
            rows[name] = {"from": "transformers", "error": str(e).splitlines()[0][:120].replace(OUT, "")}
        print(name, os.path.getsize(path(name)), rows[name])
    with open(path("expected.json"), "w", encoding="utf-8") as f:
        f.write("{\n" + ",\n".join(f" {json.dumps(k)}: {json.dumps(v)}" for k, v in rows.items()) + "\n}\n")
    save_file({name: frame for name, frame in tensors.items() if frame is not None}, path("frames.safetensors"))


main()
