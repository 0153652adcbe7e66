"""From any pixel mode that Pillow opens to one of the three that a set can have."""

from __future__ import annotations

from functools import partial
from typing import cast

import numpy as np
from PIL import Image

from cutmix_gen.codecs.strips import in_strips
from cutmix_gen.errors import ImageError
from cutmix_gen.shapes import Pixels

GRAY = frozenset({"1", "L", "LA"})
DEEP = frozenset({"I", "I;16", "I;16L", "I;16B", "I;16N"})
_ALPHA = frozenset({"RGBA", "RGBa", "LA", "PA"})


def pixels_of(image: Image.Image, mode: str) -> Pixels:
    """Return an image's pixels in a set's mode.

    Transparency is laid on white. From 16 to 8 bit the values are scaled (65535 becomes 255), and back likewise,
    never clipped. Colour becomes gray by the luma of ITU-R 601, as Pillow has it.

    Parameters
    ----------
    image : Image
        Loaded, of any mode.
    mode : str
        `RGB`, `L` or `I;16`.

    Raises
    ------
    ImageError
        For floating-point pixels and for integers beyond 16 bit: no range is known from which to scale them.
    """
    _check_range(image)
    return in_strips(image, partial(_converted, mode=mode))


def _converted(image: Image.Image, mode: str) -> Pixels:
    if image.mode == mode and not has_transparency(image):
        return np.asarray(image)
    if image.mode in DEEP:
        deep = _deep_pixels(image)
        if mode == "I;16":
            return deep
        gray = ((deep.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
        return gray if mode == "L" else np.repeat(gray[:, :, None], 3, axis=2)
    flat = _on_white(image) if has_transparency(image) else image
    if mode == "RGB":
        return np.asarray(flat.convert("RGB"))
    gray = np.asarray(flat.convert("L") if flat.mode in GRAY | {"RGB"} else flat.convert("RGB").convert("L"))
    return gray if mode == "L" else gray.astype(np.uint16) * np.uint16(257)


def has_transparency(image: Image.Image) -> bool:
    """Tell whether an image has an alpha channel or a transparent colour."""
    return image.mode in _ALPHA or "transparency" in image.info


def _check_range(image: Image.Image) -> None:
    if image.mode == "F":
        raise ImageError("floating-point pixels have no range to scale from; convert them to 8 or 16 bit")
    if image.mode != "I":
        return
    low, high = cast(tuple[int, int], image.getextrema())
    if low < 0 or high > 65535:
        raise ImageError(f"pixel values from {low} to {high} do not fit 16 bit; convert them to 8 or 16 bit")


def _deep_pixels(image: Image.Image) -> Pixels:
    values = np.asarray(image)
    clear = image.info.get("transparency")
    return (
        np.where(values == clear, 65535, values).astype(np.uint16)
        if isinstance(clear, int)
        else values.astype(np.uint16)
    )


def _on_white(image: Image.Image) -> Image.Image:
    rgba = image.convert("RGBA")
    white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
    flat = Image.alpha_composite(white, rgba).convert("RGB")
    return flat.convert("L") if image.mode in GRAY else flat
