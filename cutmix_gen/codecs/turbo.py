"""The faster codec of the extra `fast`: simplejpeg for JPEG, libdeflate for PNG, cykooz.resizer for sizes.

The rest is Pillow's.
"""

from __future__ import annotations

import re
import struct
import threading
from functools import lru_cache
from typing import ClassVar

import cykooz_resizer as resizer
import deflate
import numpy as np
import simplejpeg
from PIL.Image import Image

from cutmix_gen.codecs.base import Decoded, Encoding, Reduce, Region
from cutmix_gen.codecs.pillow import PillowCodec
from cutmix_gen.machine import lack_of
from cutmix_gen.shapes import Pixels, Size

_COLORSPACE = {"RGB": "RGB", "L": "GRAY"}
_OWN_MODE = {"YCbCr": "RGB", "RGB": "RGB", "Gray": "L", "GRAY": "L"}
_PNG_COLOUR = {2: 0, 3: 2}
"""Colour type of a PNG by the dimensions of an array: grayscale, truecolour (PNG 3rd ed., table 12)."""
_PNG_UP = 2
"""The filter that takes each row's difference to the one above: the best one without a look at the pixels."""
_PNG_LEVEL = 1

_ODD = re.compile(rb"Exif\0\0|tiff:Orientation|MPF\0")
"""What the header of a JPEG has that may be turned, or that holds several pictures."""

_START_OF_SCAN = 0xDA
"""Where the header of a JPEG ends (ITU-T T.81, table B.1)."""

_FILTERS = {
    "bilinear": resizer.ResizeAlg.convolution(resizer.FilterType.bilinear),
    "bicubic": resizer.ResizeAlg.convolution(resizer.FilterType.catmull_rom),
    "lanczos": resizer.ResizeAlg.convolution(resizer.FilterType.lanczos3),
}
_local = threading.local()


class TurboCodec(PillowCodec):
    """JPEG through libjpeg-turbo without a detour, resizing with SIMD.

    Decoded and resized pixels are Pillow's, give or take 1. Encoding below quality 96 takes libjpeg-turbo's fast
    transform: a few percent more bytes and rounding noise at the default quality than Pillow's.
    """

    name: ClassVar[str] = "turbo"

    def decode(self, data: bytes, mode: str, reduce: Reduce) -> Decoded:
        """Decode a plain JPEG through simplejpeg; leave everything else, and everything odd, to Pillow."""
        if mode in _COLORSPACE and data[:2] == b"\xff\xd8" and _is_plain(data):
            try:
                decoded = _decode_jpeg(data, mode, reduce, self.max_pixels)
            except ValueError as error:
                if lack_of(error):
                    raise  # Pillow might manage, and give other pixels
                decoded = None  # Pillow decides whether the file is broken, so that both codecs skip the same
            if decoded is not None:
                return decoded
        decoded = super().decode(data, mode, reduce)
        return decoded.shown_as(decoded.pixels)  # all that follows wants an array, and the image is in memory no longer

    def resize(self, image: Pixels | Image, region: Region, target: Size, interpolation: str) -> Pixels:
        """Resize as `Codec.resize` says; `nearest` is Pillow's, since the libraries round places differently."""
        if interpolation not in _FILTERS:
            return super().resize(image, region, target, interpolation)
        pixels = np.asarray(image)
        kind = resizer.PixelType.U16 if pixels.dtype == np.uint16 else resizer.PixelType.U8
        if pixels.ndim == 3:
            kind = resizer.PixelType.U8x3
        height, width = pixels.shape[:2]
        x1, y1, x2, y2 = region
        options = resizer.ResizeOptions(
            resize_alg=_FILTERS[interpolation], use_alpha=False, crop_box=resizer.CropBox(x1, y1, x2 - x1, y2 - y1)
        )
        result = resizer.ImageData(target.width, target.height, kind)
        _resizer().resize(resizer.ImageData(width, height, kind, pixels.tobytes()), result, options)
        shape = (target.height, target.width, *pixels.shape[2:])
        resized: Pixels = np.frombuffer(result.get_buffer(), pixels.dtype).reshape(shape)
        return resized

    def encode(self, pixels: Pixels, encoding: Encoding) -> bytes:
        """Encode as `Codec.encode` says."""
        if encoding.format == "png":
            return encode_png(pixels)
        if encoding.format != "jpeg":
            return super().encode(pixels, encoding)
        gray = pixels.ndim == 2
        data: bytes = simplejpeg.encode_jpeg(
            np.ascontiguousarray(pixels[:, :, None] if gray else pixels),
            quality=encoding.quality,
            colorspace="GRAY" if gray else "RGB",
            colorsubsampling="Gray" if gray else encoding.subsampling,
            fastdct=False,
        )
        return data


def encode_png(pixels: Pixels) -> bytes:
    """Encode an image as PNG, compressed by libdeflate: on photos twice as fast as zlib, at a smaller size.

    It gives the same bytes for the same pixels each time. ISA-L, twice as fast on photos, does not: in a few
    processes of a thousand it chooses other matches.

    Parameters
    ----------
    pixels : (H, W) uint8, (H, W) uint16 or (H, W, 3) uint8 ndarray

    Returns
    -------
    bytes
        A whole PNG file of one image (PNG 3rd edition, W3C 2025).
    """
    height, width = pixels.shape[:2]
    depth = 16 if pixels.dtype == np.uint16 else 8
    rows = np.ascontiguousarray(pixels.astype(">u2") if depth == 16 else pixels).view(np.uint8).reshape(height, -1)
    filtered = np.empty((height, rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = _PNG_UP
    filtered[:, 1:] = rows
    filtered[1:, 1:] -= rows[:-1]
    data = deflate.zlib_compress(filtered, _PNG_LEVEL)
    return _png_head(width, height, depth, _PNG_COLOUR[pixels.ndim]) + _chunk(b"IDAT", data) + _PNG_END


def _chunk(kind: bytes, data: bytes | bytearray) -> bytes:
    return b"".join(
        (len(data).to_bytes(4, "big"), kind, data, deflate.crc32(data, deflate.crc32(kind)).to_bytes(4, "big"))
    )


_PNG_END = _chunk(b"IEND", b"")


@lru_cache
def _png_head(width: int, height: int, depth: int, colour: int) -> bytes:
    """Return what a PNG file has before its pixels."""
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))


def _decode_jpeg(data: bytes, mode: str, reduce: Reduce, max_pixels: int) -> Decoded | None:
    height, width, colorspace, _ = simplejpeg.decode_jpeg_header(data)
    own_mode = _OWN_MODE.get(colorspace)
    if own_mode is None or not 0 < width * height <= max_pixels:
        return None
    factor = reduce(Size(width, height))
    pixels = simplejpeg.decode_jpeg(
        data,
        colorspace=_COLORSPACE[mode],
        fastdct=False,
        fastupsample=False,
        min_height=-(-height // factor) if factor > 1 else 0,
        min_width=-(-width // factor) if factor > 1 else 0,
        min_factor=factor,
    )
    converted = own_mode != mode
    return Decoded(
        source=pixels if mode == "RGB" else pixels[:, :, 0],
        size=Size(width, height),
        format="jpeg",
        converted=converted,
        untouched=not converted,
    )


def _is_plain(data: bytes) -> bool:
    """Tell whether nothing in the header of a JPEG asks for more than decoding."""
    end, last = 2, len(data) - 4
    while end <= last and data[end] == 0xFF and data[end + 1] != _START_OF_SCAN:
        end += 2 + (data[end + 2] << 8 | data[end + 3])
    return _ODD.search(data, 0, end) is None


def _resizer() -> resizer.Resizer:
    """Return this thread's resizer: it keeps buffers, and two threads must not share them."""
    if not hasattr(_local, "resizer"):
        _local.resizer = resizer.Resizer()
    return _local.resizer
