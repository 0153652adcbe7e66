"""Images and image files for tests, as plain functions."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

SHAPES = {"RGB": (3,), "L": (), "I;16": ()}


def noise(width: int, height: int, mode: str = "RGB", seed: int = 0) -> npt.NDArray[Any]:
    """Return an image of independent random pixels over the whole range of its mode."""
    kind, top = (np.uint16, 65536) if mode == "I;16" else (np.uint8, 256)
    return np.random.default_rng(seed).integers(0, top, (height, width, *SHAPES[mode]), kind)


def photo(width: int, height: int, mode: str = "RGB", seed: int = 0) -> npt.NDArray[Any]:
    """Return an image that is smooth with some grain, as a photo is: JPEG does it no harm."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / rng.uniform(5, 15) + phase) + np.cos(y / rng.uniform(5, 15)) for phase in range(3)]
    values = np.stack(waves, axis=-1) * 50 + 128 + rng.normal(0, 3, (height, width, 3))
    pixels = values.clip(0, 255).astype(np.uint8)
    if mode == "RGB":
        return pixels
    return pixels[:, :, 0] if mode == "L" else pixels[:, :, 0].astype(np.uint16) * np.uint16(257)


def file_of(image: Image.Image | npt.NDArray[Any], file_format: str, **options: Any) -> bytes:
    """Return an image file, as Pillow writes it."""
    buffer = BytesIO()
    picture = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    picture.save(buffer, file_format, **options)
    return buffer.getvalue()


def pixels_in(data: bytes) -> npt.NDArray[Any]:
    """Return the pixels of an image file, as Pillow reads them."""
    with Image.open(BytesIO(data)) as image:
        return np.asarray(image)


def raw_png(width: int, height: int, bits: int, colour: int, lines: list[bytes]) -> bytes:
    """Return a PNG of a kind that Pillow reads but does not write; `colour` is 0 for gray, 2 for RGB."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + line for line in lines))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in ((b"IHDR", header), (b"IDAT", body), (b"IEND", b""))
    )


def with_segments(jpeg: bytes, *segments: tuple[int, bytes]) -> bytes:
    """Return a JPEG with segments (marker's second byte, content) put before all others."""
    parts = [b"\xff" + bytes([marker]) + (len(data) + 2).to_bytes(2, "big") + data for marker, data in segments]
    return jpeg[:2] + b"".join(parts) + jpeg[2:]


def exif_orientation(value: int) -> Image.Exif:
    """Return EXIF data that holds an orientation and nothing else."""
    exif = Image.Exif()
    exif[0x0112] = value
    return exif
