"""From an image of Pillow to an array, some rows at a time: what is between them takes several times their bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from cutmix_gen.shapes import Pixels

if TYPE_CHECKING:
    from PIL.Image import Image

_STRIP = 1 << 22
"""Pixels that are converted at a time."""


def in_strips(image: Image, convert: Callable[[Image], Pixels] = np.asarray) -> Pixels:
    """Return what a conversion makes of an image.

    Parameters
    ----------
    image : Image
        Loaded.
    convert : callable
        Makes an array of an image, each pixel by itself.

    Returns
    -------
    (H, W[, C]) ndarray
        Not to be written to.
    """
    width, height = image.size
    rows = max(_STRIP // width, 1)
    if rows >= height:
        return convert(image)
    first = convert(image.crop((0, 0, width, rows)))
    pixels = np.empty((height, *first.shape[1:]), first.dtype)
    pixels[:rows] = first
    for top in range(rows, height, rows):
        bottom = min(top + rows, height)
        pixels[top:bottom] = convert(image.crop((0, top, width, bottom)))
    return pixels
