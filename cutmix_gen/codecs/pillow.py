"""The codec that is always there: Pillow for everything."""

from __future__ import annotations

from io import BytesIO
from typing import Any, BinaryIO, ClassVar, NamedTuple

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from cutmix_gen.codecs.base import MAX_PIXELS, Codec, Decoded, Encoding, Reduce, Region
from cutmix_gen.codecs.guard import guarded, too_large
from cutmix_gen.codecs.modes import has_transparency, pixels_of
from cutmix_gen.errors import ImageError
from cutmix_gen.machine import check_room
from cutmix_gen.shapes import Pixels, Size

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
"""The formats that are opened at all, told from a file's content; none of them runs a program or a script."""

_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation to the turn that undoes it; 1 is upright (Exif 2.32, table 6)."""

_METADATA = frozenset({"exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif"})
"""Where Pillow looks for an orientation."""

_FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "nearest": Image.Resampling.NEAREST,
}
_SUBSAMPLING = {"444": 0, "422": 1, "420": 2}
_PNG_LEVEL = 1
"""zlib level: on photos level 6 takes four times as long to save a tenth of the bytes."""


_DECODING = 32
"""Bytes a pixel that decoding takes at most: a WebP that is turned and has transparency takes 31."""


class Header(NamedTuple):
    """What an image file says of itself before its pixels."""

    format: str
    """`jpeg`, ..."""
    mode: str
    """Pillow's."""
    size: Size
    """As it is stored, turned or not."""


class PillowCodec(Codec):
    """Everything through Pillow."""

    name: ClassVar[str] = "pillow"

    def decode(self, data: bytes, mode: str, reduce: Reduce) -> Decoded:
        """Decode as `Codec.decode` says."""
        with guarded(data, self.max_pixels), _open(data) as image:
            _check_size(image, self.max_pixels)
            file_format, raw_mode, animated = _format(image), _raw_mode(image), getattr(image, "is_animated", False)
            if file_format != "jpeg":
                image.load()  # the orientation of a PNG may stand behind its pixels
            orientation = _orientation(image)
            turn, swapped = _UPRIGHT.get(orientation), 5 <= orientation <= 8
            size = Size(*(reversed(image.size) if swapped else image.size))
            own_mode = image.mode
            if file_format == "jpeg":
                factor = reduce(size)
                gray = "L" if mode == "L" and own_mode == "RGB" else own_mode
                image.draft(gray, (max(image.width // factor, 1), max(image.height // factor, 1)))
                image.load()
            upright = image
            if turn is not None:
                upright = image.transpose(turn)
                image.close()  # of a large image, two are too many in memory
            converted = own_mode != mode or has_transparency(image)
            return Decoded(
                source=pixels_of(upright, mode) if upright.mode != mode or has_transparency(image) else upright,
                size=size,
                format=file_format,
                converted=converted,
                untouched=turn is None and not converted and not animated and raw_mode in ("", mode, "I;16B"),
                animated=animated and file_format != "jpeg",
            )

    def resize(self, image: Pixels | Image.Image, region: Region, target: Size, interpolation: str) -> Pixels:
        """Resize as `Codec.resize` says."""
        picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
        return np.asarray(picture.resize((target.width, target.height), _FILTERS[interpolation], box=region))

    def encode(self, pixels: Pixels, encoding: Encoding) -> bytes:
        """Encode as `Codec.encode` says."""
        buffer = BytesIO()
        Image.fromarray(pixels).save(buffer, encoding.format, **_save_options(encoding))
        return buffer.getvalue()


def _open(data: bytes) -> Image.Image:
    try:
        return Image.open(BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:  # its text has an address of memory in it
        what = "the file is empty" if not data else f"no image of a format that is read ({', '.join(FORMATS)})"
        raise ImageError(what) from error


def _check_size(image: Image.Image, max_pixels: int) -> None:
    pixels = image.width * image.height
    if not pixels:
        raise ImageError(f"it is {Size(*image.size)} px large: it has no pixel")
    if pixels > max_pixels:
        raise too_large(pixels, max_pixels)


def _save_options(encoding: Encoding) -> dict[str, Any]:
    if encoding.format == "jpeg":
        return {"quality": encoding.quality, "subsampling": _SUBSAMPLING[encoding.subsampling]}
    if encoding.format == "webp":
        return {"quality": encoding.quality, "lossless": encoding.quality == 100, "method": 0}
    return {"compress_level": _PNG_LEVEL}


def _format(image: Image.Image) -> str:
    """Return an image's format in lower case; a camera's several pictures in one JPEG count as a JPEG."""
    name = (image.format or "").lower()
    return "jpeg" if name == "mpo" else name


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation of an image, 1 where it has none."""
    if image.format != "TIFF" and not image.info.keys() & _METADATA:
        return 1  # reading an empty EXIF block takes as long as decoding a small image
    orientation = image.getexif().get(_ORIENTATION, 1)
    return orientation if orientation in _UPRIGHT else 1


def _raw_mode(image: Image.Image) -> str:
    """Return how the pixels of a PNG are stored (`RGB;16B` becomes RGB on loading); empty for other formats."""
    if image.format != "PNG" or not isinstance(image, ImageFile.ImageFile) or not image.tile:
        return ""
    args = image.tile[0].args
    return str(args[0] if isinstance(args, tuple) else args)


def peek(file: BinaryIO, max_pixels: int = MAX_PIXELS) -> Header:
    """Read the header of an open image file.

    Raises
    ------
    Exception
        As `Codec.decode` does.
    """
    head = file.read(4)
    file.seek(0)
    with guarded(head, max_pixels), Image.open(file, formats=FORMATS) as image:
        _check_size(image, max_pixels)
        return Header(_format(image), image.mode, Size(*image.size))


def check_room_for(data: bytes, max_pixels: int, beside: int = 0) -> None:
    """Raise `MachineError` unless there is room to decode an image, before it is said to be broken.

    A decoder that gets no memory may say anything. What a file claims counts up to the limit.

    Parameters
    ----------
    data : bytes
        The file.
    max_pixels : int
    beside : int
        Pixels of what is made of the image.
    """
    check_room((_claimed_pixels(data, max_pixels) + beside) * _DECODING + len(data))


def _claimed_pixels(data: bytes, max_pixels: int) -> int:
    """Return how many pixels a file claims to have; 0 where it has no header or is beyond the limit."""
    size = _webp_size(data)  # of a WebP, Pillow needs the memory for the pixels to tell their number
    if size is None:
        try:
            size = peek(BytesIO(data), max_pixels).size
        except Exception:  # as `Codec.decode`
            return 0
    pixels = size.width * size.height
    return pixels if pixels <= max_pixels else 0


def _webp_size(data: bytes) -> Size | None:
    """Return the size that the header of a WebP claims (RFC 9649, sections 2.5 to 2.7)."""
    kind, head = data[12:16], data[:30].ljust(30, b"\0")
    if head[:4] != b"RIFF" or head[8:12] != b"WEBP":
        return None
    if kind == b"VP8X":
        return Size(int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1)
    if kind == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return Size((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    return Size(int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF)
