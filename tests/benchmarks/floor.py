"""The codec floor: read, decode once, resize, encode, and nothing else: what no program that writes shards can beat.

JPEG goes through simplejpeg (libjpeg-turbo) and cykooz.resizer (SIMD), PNG through Pillow. A large image is decoded
DCT-scaled, to no less than twice the target. Two processes; the time is that of the work, without their start.
"""

from __future__ import annotations

from functools import partial
from io import BytesIO
from multiprocessing import Pool
from pathlib import Path

import cykooz_resizer as resizer
import numpy as np
import simplejpeg
from PIL import Image

from tests.benchmarks.job import PNG_LEVEL, PROCESSES, QUALITY, Job, answer

_BILINEAR = resizer.ResizeAlg.convolution(resizer.FilterType.bilinear)
_resizer = resizer.Resizer()
_memory = bytearray()


def work(job: Job) -> int:
    """Do it; return the number of images encoded."""
    paths, _, _ = job.files()
    parts = [paths[start : start + 100] for start in range(0, len(paths), 100)]
    with Pool(PROCESSES) as pool:
        return sum(pool.imap_unordered(partial(_part, job), parts))


def _part(job: Job, paths: list[str]) -> int:
    encodes = job.copies + job.originals
    recode = _jpeg if job.image_format == "jpeg" else _png
    for path in paths:
        recode(Path(path).read_bytes(), job.size, encodes)
    return len(paths) * encodes


def _jpeg(data: bytes, size: int, encodes: int) -> None:
    pixels = fitted(decoded(data, size), size)
    for _ in range(encodes):
        encoded(pixels)


def decoded(data: bytes, size: int) -> np.ndarray:
    """Return a JPEG's pixels, shrunk by the decoder while the short side stays twice the target or more."""
    height, width, _, _ = simplejpeg.decode_jpeg_header(data)
    factor = next((factor for factor in (8, 4, 2) if min(width, height) >= 2 * factor * size), 1)
    return simplejpeg.decode_jpeg(
        data,
        buffer=_scratch(3 * height * width),
        min_height=-(-height // factor) if factor > 1 else 0,
        min_width=-(-width // factor) if factor > 1 else 0,
        min_factor=factor,
    )


def _scratch(size: int) -> bytearray:
    """Return memory that is used again: fresh pages for each image would cost a quarter of the decoding time."""
    if len(_memory) < size:
        _memory.extend(bytes(size - len(_memory)))
    return _memory


def fitted(pixels: np.ndarray, size: int) -> np.ndarray:
    """Return the centre square of an image at the target size."""
    height, width = pixels.shape[:2]
    if height == width == size:
        return pixels
    side = min(height, width)
    crop = resizer.CropBox((width - side) // 2, (height - side) // 2, side, side)
    options = resizer.ResizeOptions(resize_alg=_BILINEAR, use_alpha=False, crop_box=crop)
    result = resizer.ImageData(size, size, resizer.PixelType.U8x3)
    _resizer.resize(resizer.ImageData(width, height, resizer.PixelType.U8x3, pixels.tobytes()), result, options)
    return np.frombuffer(result.get_buffer(), np.uint8).reshape(size, size, 3)


def encoded(pixels: np.ndarray) -> bytes:
    """Return an image as JPEG."""
    return simplejpeg.encode_jpeg(pixels, quality=QUALITY, colorsubsampling="444", fastdct=False)


def _png(data: bytes, size: int, encodes: int) -> None:
    with Image.open(BytesIO(data)) as image:
        image.load()
        if image.size != (size, size):
            image = image.resize((size, size), Image.Resampling.BILINEAR)  # noqa: PLW2901  the same image, resized
        for _ in range(encodes):
            image.save(BytesIO(), "PNG", compress_level=PNG_LEVEL)


if __name__ == "__main__":
    answer(work)
