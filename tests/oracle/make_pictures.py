#!/usr/bin/env python3
"""Small pictures in every corner of every file format, and what Pillow reads from each -> FOLDER/pictures.safetensors (FILE.rgb).

Usage: make_pictures.py FOLDER
"""
import io
import os
import struct
import sys
import zlib

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers.image_utils import load_image

W, H = 37, 29


def picture(seed=5):
    """Smooth colours with edges and a little noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:H, 0:W].astype(np.float64)
    v = np.stack([127 + 120 * np.sin(x * 0.21 + y * 0.1), x / (W - 1) * 255, ((x // 6 + y // 5) % 2) * 200 + 20], -1)
    return (v + rng.normal(0, 6, v.shape)).round().clip(0, 255).astype(np.uint8)


def exif(orientation):
    e = Image.Exif()
    e[0x0112] = orientation
    return e


def xmp(orientation):
    return f'<x:xmpmeta><rdf:Description tiff:Orientation="{orientation}"/></x:xmpmeta>'.encode()


def png(width, height, bits, kind, rows, extra=(), interlace=0, after=()):
    """rows: bytes of each row without the filter byte; all of them written with filter 0."""
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    body = b"".join(chunk(*e) for e in extra)
    data = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + r for r in rows), 9))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, interlace)) + body + data
            + b"".join(chunk(*e) for e in after) + chunk(b"IEND", b""))


def adam7(a):
    """The rows of an interlaced PNG of a: u8 [h, w, channels]."""
    for y0, x0, dy, dx in ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)):
        part = a[y0::dy, x0::dx]
        if part.size:
            yield from (r.tobytes() for r in part)


def packed(indices, bits):
    """[h, w] small numbers -> rows of packed bytes, high bits first."""
    rows = []
    for r in indices:
        bit = np.array([[v >> (bits - 1 - k) & 1 for k in range(bits)] for v in r]).reshape(-1)
        rows.append(np.packbits(bit.astype(np.uint8)).tobytes())
    return rows


def bmp(width, height, bits, compression, pixels, palette=b"", masks=b"", top_down=False, colours=0):
    head = struct.pack("<IiiHHIIiiII", 40, width, -height if top_down else height, 1, bits, compression, len(pixels), 2835, 2835, colours, 0)
    offset = 14 + 40 + len(masks) + len(palette)
    return b"BM" + struct.pack("<IHHI", offset + len(pixels), 0, 0, offset) + head + masks + palette + pixels


def padded(row):
    return row + b"\0" * (-len(row) % 4)


def gif_frame_in_screen(im, x, y, screen, transparent=None, interlace=False):
    """A GIF whose one frame covers part of a larger screen."""
    f = io.BytesIO()
    im.save(f, "GIF", interlace=interlace, **({} if transparent is None else {"transparency": transparent}))
    b = bytearray(f.getvalue())
    struct.pack_into("<HH", b, 6, *screen)
    at = 13 + (3 << ((b[10] & 7) + 1) if b[10] & 0x80 else 0)
    while b[at] != 0x2C:
        at += 2
        while b[at]:
            at += b[at] + 1
        at += 1
    struct.pack_into("<HH", b, at + 1, x, y)
    return bytes(b)


def files():
    a = picture()
    im = Image.fromarray(a)
    grey = np.asarray(im.convert("L"))
    pal = im.quantize(13)
    index = np.asarray(pal)
    colours = bytes(pal.getpalette()[:39])
    bgrx = b"".join(bytes([colours[3 * k + 2], colours[3 * k + 1], colours[3 * k], 0]) for k in range(13))
    alpha = np.linspace(0, 255, W * H).astype(np.uint8).reshape(H, W)
    rgba = Image.fromarray(np.dstack([a, alpha]))

    def saved(image, kind, **kw):
        f = io.BytesIO()
        image.save(f, kind, **kw)
        return f.getvalue()

    # PNG
    yield "rgb.png", saved(im, "PNG")
    yield "interlaced.png", png(W, H, 8, 2, adam7(a), interlace=1)
    yield "palette.png", png(W, H, 8, 3, [r.tobytes() for r in index], [(b"PLTE", colours)])
    yield "palette4.png", png(W, H, 4, 3, packed(index, 4), [(b"PLTE", colours), (b"tRNS", b"\x00\x80")])
    yield "palette_short.png", png(W, H, 8, 3, [r.tobytes() for r in index], [(b"PLTE", colours[:30])])
    yield "grey1.png", png(W, H, 1, 0, packed(grey >> 7, 1))
    yield "grey2.png", png(W, H, 2, 0, packed(grey >> 6, 2))
    yield "grey4.png", png(W, H, 4, 0, packed(grey >> 4, 4), [(b"tRNS", b"\x00\x03")])
    yield "grey_alpha16.png", png(W, H, 16, 4, [np.stack([r.astype(">u2") * 257 + 1, r.astype(">u2")], -1).astype(">u2").tobytes() for r in grey])
    yield "rgb16.png", png(W, H, 16, 2, [(r.astype(">u2") * 256 + 200).astype(">u2").tobytes() for r in a])
    yield "rgba16.png", png(W, H, 16, 6, [(np.dstack([a, alpha])[y].astype(">u2") * 257).astype(">u2").tobytes() for y in range(H)])
    yield "rgb_key.png", png(W, H, 8, 2, [r.tobytes() for r in a], [(b"tRNS", struct.pack(">HHH", *map(int, a[0, 0])))])
    yield "gamma.png", png(W, H, 8, 2, [r.tobytes() for r in a], [(b"gAMA", struct.pack(">I", 100000))])
    tiff = exif(6).tobytes()[6:]
    yield "exif6.png", png(W, H, 8, 2, [r.tobytes() for r in a], [(b"eXIf", tiff)])
    yield "exif8_after.png", png(W, H, 8, 2, [r.tobytes() for r in a], after=[(b"eXIf", exif(8).tobytes()[6:])])
    yield "xmp5.png", png(W, H, 8, 2, [r.tobytes() for r in a], [(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(5))])
    raw = exif(3).tobytes()
    yield "raw_profile3.png", png(W, H, 8, 2, [r.tobytes() for r in a],
                                  [(b"tEXt", b"Raw profile type exif\0" + f"\nexif\n{len(raw):8}\n{raw.hex()}\n".encode())])
    # JPEG
    yield "rgb.jpg", saved(im, "JPEG", quality=85)
    yield "progressive.jpg", saved(im, "JPEG", quality=80, progressive=True)
    yield "422.jpg", saved(im, "JPEG", quality=85, subsampling=1)
    yield "444.jpg", saved(im, "JPEG", quality=85, subsampling=0)
    yield "restart.jpg", saved(im, "JPEG", quality=85, restart_marker_blocks=2)
    yield "keep_rgb.jpg", saved(im, "JPEG", quality=90, keep_rgb=True)
    yield "cmyk.jpg", saved(im.convert("CMYK"), "JPEG", quality=90)
    yield "grey.jpg", saved(im.convert("L"), "JPEG", quality=85)
    for o in range(1, 9):
        yield f"exif{o}.jpg", saved(im, "JPEG", quality=85, exif=exif(o))
    yield "xmp7.jpg", saved(im, "JPEG", quality=85, xmp=xmp(7))
    yield "exif6_big_endian.jpg", saved(im, "JPEG", quality=85, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0")
    # 4:4:0: the sampling factors of the first component stand in the SOF marker, and 4:4:0 cannot be written by Pillow; turned 4:2:2 is it
    b = bytearray(saved(im.resize((32, 32)), "JPEG", quality=85, subsampling=1))
    at = b.index(b"\xff\xc0")
    b[at + 11] = 0x12
    yield "440.jpg", bytes(b)
    # WebP
    yield "lossless.webp", saved(im, "WEBP", lossless=True)
    yield "lossy.webp", saved(im, "WEBP", quality=80)
    yield "lossy_alpha.webp", saved(rgba, "WEBP", quality=80)
    yield "lossless_alpha.webp", saved(rgba, "WEBP", lossless=True, exact=True)
    yield "exif6.webp", saved(im, "WEBP", quality=80, exif=exif(6))
    yield "xmp4.webp", saved(im, "WEBP", quality=80, xmp=xmp(4))
    yield "animated.webp", saved(im, "WEBP", quality=80, save_all=True, append_images=[im.transpose(Image.Transpose.ROTATE_180)], duration=100)
    yield "animated_alpha.webp", saved(rgba, "WEBP", lossless=True, exact=True, save_all=True, append_images=[rgba.transpose(Image.Transpose.ROTATE_180)])
    # GIF
    yield "plain.gif", saved(pal, "GIF", interlace=False)
    yield "interlaced.gif", saved(pal, "GIF", interlace=True)
    yield "grey.gif", saved(im.convert("L"), "GIF")
    yield "transparent.gif", saved(pal, "GIF", transparency=int(index[3, 3]))
    yield "two_frames.gif", saved(pal, "GIF", save_all=True, append_images=[pal.transpose(Image.Transpose.ROTATE_180)], duration=100)
    yield "screen.gif", gif_frame_in_screen(pal, 3, 5, (50, 40))
    yield "screen_transparent.gif", gif_frame_in_screen(pal, 3, 5, (50, 40), transparent=4)
    yield "outgrown_screen.gif", gif_frame_in_screen(pal, 3, 5, (20, 20), interlace=True)
    noise = Image.fromarray(np.random.default_rng(9).integers(0, 256, (90, 90), dtype=np.uint8))
    yield "full_table.gif", saved(noise, "GIF")
    # BMP
    rgb = a[::-1]
    yield "rgb24.bmp", saved(im, "BMP")
    yield "top_down.bmp", bmp(W, H, 24, 0, b"".join(padded(r[:, ::-1].tobytes()) for r in a), top_down=True)
    yield "rgba32.bmp", bmp(W, H, 32, 0, b"".join(np.dstack([r[None, :, ::-1], np.full((1, W, 1), 77, np.uint8)]).tobytes() for r in rgb))
    five = [(r.astype(np.uint16) >> 3) for r in rgb]
    yield "rgb555.bmp", bmp(W, H, 16, 0, b"".join(padded((r[:, 0] << 10 | r[:, 1] << 5 | r[:, 2]).astype("<u2").tobytes()) for r in five))
    six = [(r[:, 0].astype(np.uint16) >> 3 << 11) | (r[:, 1].astype(np.uint16) >> 2 << 5) | (r[:, 2].astype(np.uint16) >> 3) for r in rgb]
    yield "rgb565.bmp", bmp(W, H, 16, 3, b"".join(padded(r.astype("<u2").tobytes()) for r in six), masks=struct.pack("<III", 0xF800, 0x7E0, 0x1F))
    yield "fields32.bmp", bmp(W, H, 32, 3, b"".join(np.dstack([np.full((1, W, 1), 9, np.uint8), r[None, :, ::-1]]).tobytes() for r in rgb),
                              masks=struct.pack("<III", 0xFF000000, 0xFF0000, 0xFF00))
    yield "palette8.bmp", saved(pal, "BMP")
    yield "palette4.bmp", bmp(W, H, 4, 0, b"".join(padded(r) for r in packed(index[::-1], 4)), palette=bgrx, colours=13)
    yield "palette1.bmp", bmp(W, H, 1, 0, b"".join(padded(r) for r in packed(grey[::-1] >> 7, 1)), palette=b"\x10\x20\x30\0\xf0\xe0\xd0\0")
    yield "bilevel.bmp", saved(im.convert("1"), "BMP")
    yield "grey8.bmp", saved(im.convert("L"), "BMP")
    yield "v5.bmp", saved(rgba, "BMP")
    runs = b""
    for k, r in enumerate(index[::-1]):
        x = 0
        if k % 3 == 1:                                # a stretch as it is, odd so that it is padded
            runs += bytes([0, 7]) + r[:7].tobytes() + b"\0"
            x = 7
        while x < W:
            n = 1
            while x + n < W and n < 255 and r[x + n] == r[x]:
                n += 1
            runs += bytes([n, int(r[x])])
            x += n
        runs += b"\0\0"
    yield "rle8.bmp", bmp(W, H, 8, 1, runs + b"\0\1", palette=bgrx, colours=13)
    runs4 = b""
    for k, r in enumerate(index[::-1]):
        for x in range(0, W, 2):
            pair = [int(v) for v in r[x:x + 2]] + [0]
            runs4 += bytes([min(2, W - x), pair[0] << 4 | pair[1]])
        runs4 += b"\0\0"
    yield "rle4.bmp", bmp(W, H, 4, 2, runs4 + b"\0\1", palette=bgrx, colours=13)
    # PNM
    yield "plain.ppm", b"P3\n# a comment\n%d %d\n255\n" % (W, H) + b"\n".join(b" ".join(b"%d" % v for v in r.reshape(-1)) for r in a) + b"\n"
    yield "raw.ppm", b"P6\n%d %d\n255\n" % (W, H) + a.tobytes()
    yield "raw.pgm", b"P5 %d %d 255\n" % (W, H) + grey.tobytes()
    yield "levels.pgm", b"P5 %d %d 100\n" % (W, H) + (grey.astype(int) * 100 // 255).astype(np.uint8).tobytes()
    yield "levels.ppm", b"P6 %d %d 1000\n" % (W, H) + (a.astype(int) * 1000 // 255).astype(">u2").tobytes()
    yield "plain.pgm", b"P2 %d %d 7\n" % (W, H) + b" ".join(b"%d" % (v * 7 // 255) for v in grey.reshape(-1).astype(int))
    yield "raw.pbm", saved(im.convert("1"), "PPM")
    yield "plain.pbm", b"P1\n%d %d\n" % (W, H) + b"".join(b"%d" % (v >> 7) for v in grey.reshape(-1)) + b"\n"


def main():
    out = sys.argv[1]
    os.makedirs(out, exist_ok=True)
    tensors = {}
    for name, data in files():
        path = os.path.join(out, name)
        with open(path, "wb") as f:
            f.write(data)
        tensors[name + ".rgb"] = torch.from_numpy(np.array(load_image(path)))
        print(name, len(data), Image.open(path).mode, tuple(tensors[name + ".rgb"].shape))
    save_file(tensors, os.path.join(out, "pictures.safetensors"))
    print(len(tensors), "pictures")


if __name__ == "__main__":
    main()
