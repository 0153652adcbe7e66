"""Odd and broken image files, all made here: what a folder scraped from anywhere holds."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

from tests.images import exif_orientation, file_of, noise, photo, raw_png, with_segments

WIDTH, HEIGHT = 48, 36

Files = dict[str, bytes]
"""Content by file name."""


def readable() -> Files:
    """Return odd files that are images all the same, each with a picture of 48 x 36 pixels."""
    picture = photo(WIDTH, HEIGHT)
    image = Image.fromarray(picture)
    palette = image.quantize(16)
    files = {
        "a PNG that is called.jpg": file_of(picture, "PNG"),
        "a JPEG that is called.png": file_of(picture, "JPEG"),
        "a WebP that is called.gif": file_of(picture, "WEBP"),
        "cmyk.jpg": file_of(image.convert("CMYK"), "JPEG"),
        "adobe.jpg": with_segments(file_of(picture, "JPEG"), (0xEE, b"Adobe\0\x64\0\0\0\0\1")),
        "broken exif.jpg": with_segments(file_of(picture, "JPEG"), (0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff" * 9)),
        "no multi picture.jpg": with_segments(file_of(picture, "JPEG"), (0xE2, b"MPF\0II*\0\x08\0\0\0\x01\0")),
        "more behind the end.jpg": file_of(picture, "JPEG") + b"<html>" * 100,
        "progressive.jpg": file_of(picture, "JPEG", progressive=True),
        "16 bit.png": file_of(photo(WIDTH, HEIGHT, "I;16"), "PNG"),
        "one bit.png": file_of(image.convert("1"), "PNG"),
        "palette.png": file_of(palette, "PNG", transparency=bytes(range(0, 256, 16))),
        "turned.png": file_of(picture, "PNG", exif=exif_orientation(3)),
        "alpha.webp": file_of(image.convert("RGBA"), "WEBP"),
        "palette.bmp": file_of(palette, "BMP"),
        "gray.pgm": file_of(photo(WIDTH, HEIGHT, "L"), "PPM"),
        **animations(),
    }
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits"):
        files[f"{compression}.tif"] = file_of(picture, "TIFF", compression=compression)
    files["group4.tif"] = file_of(image.convert("1"), "TIFF", compression="group4")
    return files


def animations() -> Files:
    """Return files of several pictures, of which the first is that of `readable`."""
    frames = [Image.fromarray(photo(WIDTH, HEIGHT, seed=seed)) for seed in range(3)]
    options: dict[str, Any] = {"save_all": True, "append_images": frames[1:]}
    return {
        "animated.gif": file_of(frames[0], "GIF", **options),
        "animated.webp": file_of(frames[0], "WEBP", lossless=True, **options),
        "animated.png": file_of(frames[0], "PNG", **options),
        "pages.tif": file_of(frames[0], "TIFF", **options),
    }


def unreadable() -> Files:
    """Return files that are called images and of which none can be read."""
    picture = photo(WIDTH, HEIGHT)
    files = {
        "empty.jpg": b"",
        "zeros.png": bytes(1000),
        "text.jpg": b"not an image\n" * 20,
        "page.png": b"<!DOCTYPE html><html><body>404</body></html>",
        "script.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(r) file\n",
        "document.png": b"%PDF-1.7\n" + bytes(100),
        "drawing.png": b'<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>',
        "icon.png": file_of(Image.fromarray(picture), "ICO"),
        "psd.png": b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, HEIGHT, WIDTH, 8, 3) + bytes(200),
        "jpeg 2000.jpg": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(200),
        "fractions.tif": file_of(Image.fromarray(picture[:, :, 0].astype(np.float32)), "TIFF"),
        "beyond 16 bit.tif": file_of(Image.fromarray(picture[:, :, 0].astype(np.int32) * 70_000), "TIFF"),
        "no end.jpg": file_of(picture, "JPEG")[:-2],
        "no pixel.gif": b"GIF89a\0\0\0\0\0\0\0,\0\0\0\0\0\0\0\0\0\2\1\0;",
        "text bomb.png": with_chunk(file_of(picture, "PNG"), b"zTXt", b"Comment\0\0" + zlib.compress(bytes(80 << 20))),
        "profile bomb.png": with_chunk(file_of(picture, "PNG"), b"iCCP", b"icc\0\0" + zlib.compress(bytes(80 << 20))),
        **bombs(),
    }
    for name, data in whole_files().items():
        for part in (4, 20, len(data) // 3, 2 * len(data) // 3):
            files[f"{part} bytes, {name}"] = data[:part]
    return files


def whole_files() -> Files:
    """Return a file of each format, none of which can miss its last third."""
    picture = photo(WIDTH, HEIGHT)
    return {
        "plain.jpg": file_of(picture, "JPEG"),
        "plain.png": file_of(noise(WIDTH, HEIGHT), "PNG"),
        "plain.webp": file_of(picture, "WEBP"),
        "plain.gif": file_of(picture, "GIF"),
        "plain.bmp": file_of(picture, "BMP"),
        "plain.ppm": file_of(picture, "PPM"),
        "lzw.tif": file_of(noise(WIDTH, HEIGHT), "TIFF", compression="tiff_lzw"),
    }


def bombs() -> Files:
    """Return small files whose headers claim more pixels than any camera has."""
    jpeg, picture = file_of(photo(WIDTH, HEIGHT), "JPEG"), photo(WIDTH, HEIGHT)
    size = jpeg.index(b"\xff\xc0") + 5
    bmp = file_of(picture, "BMP")
    return {
        "huge.png": raw_png(30_000, 30_000, 8, 2, [bytes(90_000)]),
        "huge.jpg": jpeg[:size] + struct.pack(">HH", 60_000, 60_000) + jpeg[size + 4 :],
        "huge.gif": b"GIF89a" + struct.pack("<HH", 65_535, 65_535) + file_of(picture, "GIF")[10:],
        "huge frame.gif": b"GIF89a\2\0\2\0\0\0\0,\0\0\0\0" + struct.pack("<HH", 65_535, 65_535) + b"\0\2\1\0;",
        "huge.bmp": bmp[:18] + struct.pack("<ii", 40_000, 40_000) + bmp[26:],
        "huge.webp": b"RIFF\x2a\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xfe\x3f\0" * 2 + b"VP8L\x08\0\0\0" + bytes(8),
        "huge.ppm": b"P6 100000 100000 255\n" + bytes(100),
        "huge.tif": tiff(100_000, 100_000),
        "huge tile.tif": tiff(WIDTH, HEIGHT, tile=1 << 20),
    }


def tiff(width: int, height: int, tile: int = 0) -> bytes:
    """Return a TIFF of gray pixels that has next to none of them."""
    tags = [(256, width), (257, height), (258, 8), (259, 5), (262, 1), (277, 1)]
    tags += [(322, tile), (323, tile), (324, 8), (325, 16)] if tile else [(273, 8), (278, height), (279, 16)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags))
    return b"II*\0" + struct.pack("<I", 24) + bytes(16) + struct.pack("<H", len(tags)) + entries + bytes(4)


def with_chunk(png: bytes, kind: bytes, data: bytes) -> bytes:
    """Return a PNG with a chunk put before its pixels."""
    place = png.index(b"IDAT") - 4
    chunk = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return png[:place] + chunk + png[place:]


def damaged(count: int, seed: int = 0) -> Files:
    """Return files with bytes changed, put in or taken out; some can be read, most cannot."""
    rng = np.random.default_rng(seed)
    wholes = [data for data in readable().values() if len(data) < 20_000]
    files = {}
    for number in range(count):
        data = bytearray(wholes[number % len(wholes)])
        for _ in range(int(rng.choice([1, 2, 8]))):
            data[int(rng.integers(len(data)))] = int(rng.integers(256))
        if number % 3 == 0:
            place = int(rng.integers(len(data)))
            data[place : place + int(rng.integers(64))] = rng.bytes(int(rng.integers(64)))
        files[f"damaged {number:03d}.jpg"] = bytes(data)
    return files
