"""What a codec does: bytes to pixels, pixels to another size, pixels to bytes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from cutmix_gen.codecs.strips import in_strips
from cutmix_gen.errors import ImageError
from cutmix_gen.shapes import Box, Pixels, Size

if TYPE_CHECKING:
    from PIL.Image import Image

Reduce = Callable[[Size], int]
"""From the size of an upright image to the power of two by which decoding may shrink it."""

MAX_PIXELS = 250_000_000
"""Pixels of an image at most unless another number is given: cameras of 2026 reach 240 million, bombs far more."""

MOST_PIXELS = 1_000_000_000
"""What that number may be at most: 3 GB of memory for one image in colour."""

MODES = ("RGB", "L", "I;16")
"""The pixel modes of a set: 8-bit colour, 8-bit grayscale, 16-bit grayscale."""

IMAGE_FORMATS = ("jpeg", "png", "webp")
"""The formats that images of a set are encoded in."""

Region = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels, fractions allowed: what both resizing libraries take."""

INTERPOLATIONS = ("bilinear", "bicubic", "lanczos", "nearest")
"""The filters for resizing; all but the last average over what they shrink."""


def image_extension(image_format: str) -> str:
    """Return the file name ending of an image format, without the dot."""
    return "jpg" if image_format == "jpeg" else image_format


@dataclass(frozen=True, slots=True)
class Encoding:
    """How the images of a set are encoded."""

    format: str
    """`jpeg`, `png` or `webp`."""
    quality: int
    """1 to 100; 100 makes WebP lossless, PNG has none."""
    subsampling: str
    """Of JPEG's colour: `444`, `422` or `420`."""

    @property
    def extension(self) -> str:
        """Ending of a file name, without the dot."""
        return image_extension(self.format)

    @property
    def max_side(self) -> int:
        """Pixels of a side at most."""
        return _MAX_SIDE[self.format]


_MAX_SIDE = {"jpeg": 65500, "png": (1 << 31) - 1, "webp": 16383}
"""As libjpeg, the PNG specification and libwebp have it."""


@dataclass(eq=False, slots=True)  # not frozen, which makes one three times as slow
class Decoded:
    """A source image in the set's mode, upright."""

    source: Pixels | Image
    """Shrunk by the decoder where it was asked for; Pillow's own form where an array of it may not be needed."""
    size: Size
    """Of the upright image before any shrinking."""
    format: str
    """`jpeg`, `png`, `webp` or another in lower case."""
    converted: bool
    """Whether its own pixel mode was another than the set's, or had transparency."""
    untouched: bool
    """Whether the file's bytes, read by any decoder, give just these pixels."""
    animated: bool = False
    """Whether the file holds several pictures, of which this is the first."""

    _array: Pixels | None = field(default=None, init=False, repr=False)

    @property
    def pixels(self) -> Pixels:
        """The image as an array: (H, W[, C])."""
        if isinstance(self.source, np.ndarray):
            return self.source
        if self._array is None:
            self._array = in_strips(self.source)
        return self._array

    def shown_as(self, pixels: Pixels) -> Decoded:
        """Return the same image with other pixels. What `dataclasses.replace` does takes four times as long."""
        return Decoded(pixels, self.size, self.format, self.converted, self.untouched, self.animated)


class Codec(ABC):
    """A way to decode, resize and encode.

    Parameters
    ----------
    max_pixels : int
        An image whose header claims more is not decoded.
    """

    name: ClassVar[str]
    """As `--codec` has it."""

    def __init__(self, max_pixels: int = MAX_PIXELS) -> None:
        self.max_pixels = max_pixels

    @abstractmethod
    def decode(self, data: bytes, mode: str, reduce: Reduce) -> Decoded:
        """Decode an image file in full, turn it upright and convert it to a mode.

        Parameters
        ----------
        data : bytes
            The file.
        mode : str
            `RGB`, `L` or `I;16`.
        reduce : callable
            Asked with the upright size; JPEG decoding may shrink by the power of two it answers.

        Raises
        ------
        Exception
            Decoders raise nearly anything on a broken file: the caller makes a skip of it.
        """

    @abstractmethod
    def resize(self, image: Pixels | Image, region: Region, target: Size, interpolation: str) -> Pixels:
        """Resize a region of an image, antialiased.

        Parameters
        ----------
        image : (H, W[, C]) ndarray or Image
        region : (x1, y1, x2, y2)
            In pixels of the image, fractions allowed.
        target : Size
        interpolation : str
            One of `INTERPOLATIONS`.

        Returns
        -------
        (target.height, target.width[, C]) ndarray
        """

    @abstractmethod
    def encode(self, pixels: Pixels, encoding: Encoding) -> bytes:
        """Encode an image; the same pixels give the same bytes."""

    def fit(self, decoded: Decoded, crop: Box, target: Size, interpolation: str) -> Pixels:
        """Return a crop of a decoded image at the target size; without a copy where it has that size already.

        The crop is in pixels of the full-size image, whatever the decoder shrank.

        Raises
        ------
        ImageError
            If an image that is next to a line would have to be held at the target's width and its own height: widths
            are resized first.
        """
        source = decoded.source
        width, height = source.shape[1::-1] if isinstance(source, np.ndarray) else source.size
        full = decoded.size
        if full == target == (width, height) and crop == (0, 0, width, height):
            return decoded.pixels
        if full == (width, height) and (crop.width, crop.height) == target:
            return decoded.pixels[crop.y1 : crop.y2, crop.x1 : crop.x2]
        region = (
            crop.x1 * width / full.width,
            crop.y1 * height / full.height,
            crop.x2 * width / full.width,
            crop.y2 * height / full.height,
        )
        between = round(target.width * (region[3] - region[1]))
        if between > max(self.max_pixels, target.width * target.height):
            raise ImageError(
                f"{crop.width} x {crop.height} px cannot become {target}: that takes {between:,} pixels on the way, "
                f"more than --max-pixels allows ({self.max_pixels:,})"
            )
        return self.resize(source, region, target, interpolation)
