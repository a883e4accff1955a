"""Makes tests/data/awkward: small picture files of every format and trait, whole, broken and lying, with what Pillow
makes of each (expected.json). Run with Pillow, numpy, and the programs heif-enc and tiffcp:

    python tests/oracle/make_awkward_pictures.py tests/data/awkward

A row of expected.json: file, from (who says so), then either error: true, or width, height and rgb, the FNV-1a hash (64
bits) of the RGB bytes as transformers' load_image gives them; over_white, the same after blending over white; frames and
delays of an animation. Two exceptions are ours on purpose: of 16-bit grey the high byte is taken; a lossy codec that
another library decodes has a reference picture and the most that a level may differ (bound), with the reason.
"""

import json
import math
import struct
import subprocess
import sys
import tempfile
import zlib
from io import BytesIO
from pathlib import Path

import numpy
import PIL
from PIL import Image, ImageOps

OUT = Path(sys.argv[1])
WIDTH, HEIGHT = 45, 34
rows = []


def fnv1a(data):
    h = 0xCBF29CE484222325
    for byte in data:
        h = (h ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{h:016x}"


def picture(shift=0):
    """Smooth levels with an edge and a few lone pixels."""
    y, x = numpy.mgrid[0:HEIGHT, 0:WIDTH]
    rgb = numpy.stack([x * 5 + shift, y * 7, 128 + 90 * numpy.sin((x + shift) / 8) * numpy.cos(y / 6)], -1)
    rgb[8:20, 10 + shift : 25 + shift] = (250, 20, 40)
    rgb[5::9, 4::11] = (0, 255, 0)
    return Image.fromarray((rgb % 256).astype(numpy.uint8))


def with_alpha(image, hard=False):
    y, x = numpy.mgrid[0 : image.height, 0 : image.width]
    alpha = (x * 6 + y) % 256
    image = image.copy()
    image.putalpha(Image.fromarray((numpy.where(alpha > 120, 255, 0) if hard else alpha).astype(numpy.uint8)))
    return image


def saved(image, format, **options):
    out = BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def load(data):
    """transformers' load_image, without its file name."""
    image = Image.open(BytesIO(data))
    mode = image.mode
    image.load()
    high = None
    if mode.startswith("I;16"):
        high = Image.fromarray((numpy.asarray(image).astype(numpy.uint16) >> 8).astype(numpy.uint8))
    image = ImageOps.exif_transpose(image)
    return (high or image).convert("RGB"), mode


def frames_of(data):
    """Every frame, seeked to in a fresh file: what was loaded before changes what Pillow restores."""
    hashes = []
    count = getattr(Image.open(BytesIO(data)), "n_frames", 1)
    for k in range(count):
        image = Image.open(BytesIO(data))
        image.seek(k)
        hashes.append(fnv1a(image.convert("RGB").tobytes()))
    return hashes


def add(name, data, animated=False, error=False, reference=None, bound=None, reason=None):
    (OUT / name).write_bytes(data)
    row = {"file": name, "from": "Pillow"}
    if error:
        try:
            load(data)
            raise SystemExit(f"{name}: Pillow reads it")
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            row["error"] = True
    elif reference is not None:
        row["from"] = reason
        row.update(width=reference.width, height=reference.height, bound=bound, reference=name + ".png")
        reference.save(OUT / (name + ".png"))
    else:
        rgb, mode = load(data)
        row.update(width=rgb.width, height=rgb.height, rgb=fnv1a(rgb.tobytes()))
        if mode.startswith("I;16"):
            row["from"] = "the high byte of each level that Pillow reads"
        image = Image.open(BytesIO(data))
        if mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
            rgba = ImageOps.exif_transpose(image).convert("RGBA")
            white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
            row["over_white"] = fnv1a(Image.alpha_composite(white, rgba).convert("RGB").tobytes())
        if animated:
            row["frames"] = frames_of(data)
            row["delays"] = animated
    rows.append(row)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, bits, colour, raw, interlaced=0, extra=b""):
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(raw, 9))
            + chunk(b"IEND", b""))


def rows16(values):
    return b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)


def adam7(image):
    values = numpy.asarray(image)
    out = b""
    for x0, y0, dx, dy in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)):
        for row in values[y0::dy, x0::dx]:
            if len(row):
                out += b"\0" + row.tobytes()
    return png(image.width, image.height, 8, 2, out, 1)


def exif(orientation):
    out = Image.Exif()
    out[274] = orientation
    return out


def gif_with_interlace(data):
    """Marks the first frame as interlaced: the rows then lie in that order."""
    at = data.index(b",", 13 + 3 * (2 << (data[10] & 7)))
    return data[: at + 9] + bytes([data[at + 9] | 64]) + data[at + 10 :]


def make_png(rgb):
    rgba = with_alpha(rgb)
    add("rgb.png", saved(rgb, "PNG"))
    add("rgba.png", saved(rgba, "PNG"))
    add("grey_alpha.png", saved(rgba.convert("LA"), "PNG"))
    add("grey.png", saved(rgb.convert("L"), "PNG"))
    add("bilevel.png", saved(rgb.convert("1"), "PNG"))
    palette = rgb.quantize(11)
    add("palette4.png", saved(palette, "PNG", bits=4))
    add("palette_transparent.png", saved(palette, "PNG", transparency=bytes(range(0, 220, 20))))
    add("colour_key.png", saved(rgb, "PNG", transparency=(250, 20, 40)))
    y, x = numpy.mgrid[0:HEIGHT, 0:WIDTH]
    add("grey16.png", saved(Image.fromarray((x * 1400 + y).astype(numpy.uint16)), "PNG"))
    wide = numpy.asarray(rgb).astype(numpy.uint16) * 257 - 77
    add("rgb16.png", png(WIDTH, HEIGHT, 16, 2, rows16(wide)))
    wide = numpy.asarray(rgba).astype(numpy.uint16) * 255 + 3
    add("rgba16.png", png(WIDTH, HEIGHT, 16, 6, rows16(wide)))
    add("interlaced.png", adam7(rgb))
    add("one_pixel.png", saved(Image.new("RGB", (1, 1), (9, 8, 7)), "PNG"))
    add("rotated.png", saved(rgb, "PNG", exif=exif(6)))
    whole = saved(rgb, "PNG")
    add("cut.png", whole[: len(whole) * 2 // 3], error=True)
    broken = bytearray(whole)
    broken[len(whole) // 2] ^= 255
    add("broken_data.png", bytes(broken), error=True)
    add("header_60000.png", png(60000, 60000, 8, 2, b"\0" * 100), error=True)
    add("no_width.png", png(0, 20, 8, 2, b"\0" * 100), error=True)
    add("no_data.png", png(20, 20, 8, 2, b""), error=True)
    for blend in (0, 1):
        for disposal in (0, 1, 2):
            several = [with_alpha(picture(k * 3)) for k in range(3)]
            data = saved(several[0], "PNG", save_all=True, append_images=several[1:], duration=[100, 250, 40],
                         blend=blend, disposal=disposal)
            add(f"frames_blend{blend}_disposal{disposal}.png", data, animated=[100, 250, 40])


def make_jpeg(rgb):
    add("plain.jpg", saved(rgb, "JPEG", quality=80))
    add("progressive.jpg", saved(rgb, "JPEG", quality=70, progressive=True))
    add("full_chroma.jpg", saved(rgb, "JPEG", quality=90, subsampling=0))
    add("grey.jpg", saved(rgb.convert("L"), "JPEG"))
    cmyk = saved(rgb.convert("CMYK"), "JPEG", quality=85)
    add("cmyk.jpg", cmyk)
    adobe = cmyk.index(b"Adobe")
    add("ycck.jpg", cmyk[: adobe + 11] + b"\2" + cmyk[adobe + 12 :])
    for orientation in (2, 3, 4, 5, 6, 7, 8):
        add(f"exif{orientation}.jpg", saved(rgb, "JPEG", quality=60, exif=exif(orientation)))
    add("exif_nonsense.jpg", saved(rgb, "JPEG", quality=60, exif=b"Exif\0\0II*\0\xff\xff\xff\x7f\1\0"))
    add("one_row.jpg", saved(rgb.crop((0, 0, WIDTH, 1)), "JPEG"))
    whole = saved(rgb, "JPEG", quality=80)
    add("cut.jpg", whole[: len(whole) * 2 // 3], error=True)
    add("header_only.jpg", whole[:200], error=True)
    add("really_jpeg.png", whole)
    frame = whole.index(b"\xff\xc0") + 5
    add("header_60000.jpg", whole[:frame] + struct.pack(">HH", 60000, 60000) + whole[frame + 4 :], error=True)


def make_webp(rgb):
    rgba = with_alpha(rgb)
    add("lossy.webp", saved(rgb, "WEBP", quality=70))
    add("lossless.webp", saved(rgb, "WEBP", lossless=True))
    add("lossy_alpha.webp", saved(rgba, "WEBP", quality=70))
    add("lossless_alpha.webp", saved(rgba, "WEBP", lossless=True, exact=True))
    add("rotated.webp", saved(rgb, "WEBP", quality=50, exif=exif(8)))
    several = [with_alpha(picture(k * 3)) for k in range(3)]
    add("frames.webp", saved(several[0], "WEBP", save_all=True, append_images=several[1:], duration=[100, 70, 300],
                             quality=60), animated=[100, 70, 300])
    whole = saved(rgb, "WEBP", quality=70)
    add("cut.webp", whole[: len(whole) // 2], error=True)
    add("header_16384.webp", b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\2\0\0\0\xff\x3f\0\xff\x3f\0", error=True)


def make_gif(rgb):
    palette = rgb.quantize(31)
    whole = saved(palette, "GIF")
    add("plain.gif", whole)
    add("interlaced.gif", gif_with_interlace(whole))
    add("transparent.gif", saved(palette, "GIF", transparency=3))
    for disposal in (0, 1, 2, 3):
        several = [with_alpha(picture(k * 3), hard=True) for k in range(3)]
        data = saved(several[0], "GIF", save_all=True, append_images=several[1:], duration=[100, 10, 200], disposal=disposal)
        add(f"frames_disposal{disposal}.gif", data, animated=[100, 100, 200])
    add("cut.gif", whole[: len(whole) // 2], error=True)
    add("header_65535.gif", b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\2\1\0\0;", error=True)


def bmp(width, height, bits, compression, pixels, masks=b"", bytes_of_header=40):
    at = 14 + bytes_of_header + (len(masks) if bytes_of_header == 40 else 0)
    info = struct.pack("<IiiHHIIiiII", bytes_of_header, width, height, 1, bits, compression, len(pixels), 2835, 2835, 0, 0)
    return b"BM" + struct.pack("<IHHI", at + len(pixels), 0, 0, at) + info + masks + pixels


def make_bmp(rgb):
    add("rgb.bmp", saved(rgb, "BMP"))
    add("palette.bmp", saved(rgb.quantize(200), "BMP"))
    add("bilevel.bmp", saved(rgb.convert("1"), "BMP"))
    values = numpy.asarray(rgb).astype(numpy.uint16)
    short = values[..., 0] >> 3 << 11 | values[..., 1] >> 2 << 5 | values[..., 2] >> 3
    pixels = b"".join(row.astype("<u2").tobytes() + b"\0" * (-2 * WIDTH % 4) for row in short)
    add("top_down_565.bmp", bmp(WIDTH, -HEIGHT, 16, 3, pixels, struct.pack("<III", 0xF800, 0x7E0, 0x1F)))
    whole = saved(rgb, "BMP")
    add("cut.bmp", whole[: len(whole) // 2], error=True)
    add("header_60000.bmp", bmp(60000, 60000, 24, 0, b"\0" * 64), error=True)


def tiffcp(data, *options):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "in.tif").write_bytes(data)
        subprocess.run(["tiffcp", *options, f"{folder}/in.tif", f"{folder}/out.tif"], check=True)
        return (Path(folder) / "out.tif").read_bytes()


def make_tiff(rgb):
    plain = saved(rgb, "TIFF")
    lzw = {"compression": "tiff_lzw"}
    add("strips_lzw.tif", saved(rgb, "TIFF", strip_size=1000, **lzw))
    add("tiled.tif", tiffcp(plain, "-t", "-w", "16", "-l", "32", "-c", "zip:2"))
    add("planes_tiled.tif", tiffcp(plain, "-t", "-w", "32", "-l", "16", "-p", "separate", "-c", "lzw:2"))
    add("big_endian.tif", tiffcp(plain, "-B", "-c", "packbits"))
    add("bigtiff.tif", tiffcp(plain, "-8", "-c", "lzw"))
    add("rgba.tif", saved(with_alpha(rgb), "TIFF", **lzw))
    add("cmyk.tif", saved(rgb.convert("CMYK"), "TIFF", **lzw))
    add("palette.tif", saved(rgb.quantize(50), "TIFF", **lzw))
    add("fax4.tif", saved(rgb.convert("1"), "TIFF", compression="group4"))
    add("jpeg.tif", saved(rgb.convert("YCbCr"), "TIFF", compression="jpeg"))
    y, x = numpy.mgrid[0:HEIGHT, 0:WIDTH]
    add("grey16.tif", saved(Image.fromarray((x * 1400 + y).astype(numpy.uint16)), "TIFF", **lzw))
    add("float.tif", saved(Image.fromarray((x * 7.3 - 20).astype(numpy.float32)), "TIFF", **lzw))
    add("rotated.tif", saved(rgb, "TIFF", tiffinfo={274: 6}, **lzw))
    add("pages.tif", saved(rgb, "TIFF", save_all=True, append_images=[rgb.convert("L")], **lzw))
    add("cut.tif", plain[: len(plain) // 2], error=True)
    huge = bytearray(plain)
    for tag in (256, 257):
        at = next(k for k in range(10, 200, 12) if struct.unpack_from("<H", huge, k)[0] == tag)
        struct.pack_into("<HI", huge, at + 2, 4, 1)
        struct.pack_into("<I", huge, at + 8, 60000)
    add("header_60000.tif", bytes(huge), error=True)


def make_pnm(rgb):
    size = f"{WIDTH} {HEIGHT}"
    add("raw.ppm", saved(rgb, "PPM"))
    add("raw.pgm", saved(rgb.convert("L"), "PPM"))
    add("raw.pbm", saved(rgb.convert("1"), "PPM"))
    levels = " ".join(str(v // 16) for v in numpy.asarray(rgb).flatten())
    add("text_levels.ppm", f"P3\n# of 16 levels\n{size}\n15\n{levels}\n".encode())
    add("cut.ppm", saved(rgb, "PPM")[:900], error=True)
    add("header_60000.ppm", b"P6 60000 60000 255\n" + b"\0" * 64, error=True)


def chroma_bound(image):
    """How far nearest and bilinear chroma may lie apart, in RGB: a quarter of the largest steps between neighbours, times
    the largest factor of the conversion (1.772), and 3 for the roundings of both."""
    ycc = numpy.asarray(image.convert("YCbCr")).astype(float)[..., 1:]
    ycc = ycc[: ycc.shape[0] // 2 * 2, : ycc.shape[1] // 2 * 2]
    half = (ycc[::2, ::2] + ycc[1::2, ::2] + ycc[::2, 1::2] + ycc[1::2, 1::2]) / 4
    step = abs(numpy.diff(half, axis=0)).max() + abs(numpy.diff(half, axis=1)).max()
    return 3 + math.ceil(1.772 / 4 * step)


def make_heif(rgb):
    full = "Pillow's AVIF decoder (libavif); libheif rounds twice on its way from YCbCr, by at most 2 levels"
    data = saved(rgb, "AVIF", quality=90, subsampling="4:4:4")
    add("full_chroma.avif", data, reference=load(data)[0], bound=2, reason=full)
    y, x = numpy.mgrid[0:70, 0:70]  # no level near 0 or 255, where clipping would hide chroma
    soft = numpy.stack([60 + x * 2, 80 + y * 1.5, 128 + 50 * numpy.sin(x / 8) * numpy.cos(y / 6)], -1)
    soft = Image.fromarray(soft.astype(numpy.uint8))
    data = saved(soft, "AVIF", quality=80, subsampling="4:2:0")
    add("half_chroma.avif", data, reference=load(data)[0], bound=chroma_bound(load(data)[0]),
        reason="Pillow's AVIF decoder (libavif) interpolates chroma, libheif repeats it: the step between neighbours bounds it")
    data = saved(rgb, "AVIF", quality=90, subsampling="4:4:4", exif=exif(6))
    add("rotated.avif", data, reference=load(data)[0], bound=2, reason=full)
    data = saved(with_alpha(rgb), "AVIF", quality=90, subsampling="4:4:4")
    add("alpha.avif", data, reference=load(data)[0], bound=2, reason=full)
    add("cut.avif", data[: len(data) // 2], error=True)
    with tempfile.TemporaryDirectory() as folder:
        rgb.crop((0, 0, 44, 34)).save(f"{folder}/in.png")
        subprocess.run(["heif-enc", "-L", "-p", "chroma=444", "--matrix_coefficients=0", f"{folder}/in.png", "-o",
                        f"{folder}/out.heic"], check=True, capture_output=True)
        data = Path(f"{folder}/out.heic").read_bytes()
    add("lossless.heic", data, reference=rgb.crop((0, 0, 44, 34)), bound=1,
        reason="the picture itself, stored by heif-enc without loss but for the rounding of its colours")
    add("cut.heic", data[: len(data) // 2], error=True)


def make_others(rgb):
    add("empty.png", b"", error=True)
    add("text.jpg", b"this is a letter, not a picture\n" * 4, error=True)
    add("page.png", b"<!DOCTYPE html><html><body>404 Not Found</body></html>", error=True)
    add("archive.webp", b"PK\3\4\x14\0\0\0\0\0" + b"\0" * 40, error=True)
    add("clip.jpg", b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + b"\0" * 40, error=True)
    add("sound.webp", b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0" + b"\0" * 20, error=True)
    add("signature_only.png", b"\x89PNG\r\n\x1a\n", error=True)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    for old in (f for f in OUT.iterdir() if f.name != "README.md"):
        old.unlink()
    rgb = picture()
    for make in (make_png, make_jpeg, make_webp, make_gif, make_bmp, make_tiff, make_pnm, make_heif, make_others):
        make(rgb)
    made = f"tests/oracle/make_awkward_pictures.py, Pillow {PIL.__version__}"
    text = ",\n".join("  " + json.dumps(row) for row in rows)
    (OUT / "expected.json").write_text(f'{{"made_by": "{made}", "files": [\n{text}\n]}}\n')
    print(len(rows), "files,", sum(f.stat().st_size for f in OUT.iterdir()), "bytes")


main()
