"""From sizes to rectangles: how an image is cropped to fit, and how far it may be shrunk while it is decoded."""

from __future__ import annotations

from collections.abc import Callable

from cutmix_gen.records import Box, Size


def center_crop(size: Size, target: Size) -> Box:
    """Return the largest centred part of an image that has the target's shape.

    Parameters
    ----------
    size : Size
        The upright image.
    target : Size
        What the part will be resized to.

    Returns
    -------
    Box
        In pixels of the image; at least one pixel wide and high.
    """
    if size.width * target.height > size.height * target.width:
        width = max(1, round(size.height * target.width / target.height))
        height = size.height
    else:
        width = size.width
        height = max(1, round(size.width * target.height / target.width))
    x1 = (size.width - width) // 2
    y1 = (size.height - height) // 2
    return Box(x1, y1, x1 + width, y1 + height)


def stretch(size: Size, target: Size) -> Box:  # noqa: ARG001  every fit takes both sizes
    """Return the whole image: it is resized to the target whatever its own shape."""
    return Box(0, 0, size.width, size.height)


Fit = Callable[[Size, Size], Box]

FITS: dict[str, Fit] = {
    "center-crop": center_crop,
    "stretch": stretch,
}
"""The ways to fit an image to a size: name to function."""


def reduction(crop: Box, target: Size) -> int:
    """Return by what power of two a decoder may shrink an image before the crop is resized.

    JPEG decoders can leave out high frequencies (1/2, 1/4, 1/8) far faster than they decode in full. The
    shrunken crop stays at least twice as large as the target both ways, so that the antialiased resize that
    follows decides what the result looks like.

    Parameters
    ----------
    crop : Box
        The part that is used, in pixels of the full-size image.
    target : Size
        What the crop will be resized to.

    Returns
    -------
    int
        1, 2, 4 or 8.
    """
    for factor in (8, 4, 2):
        if crop.width >= 2 * factor * target.width and crop.height >= 2 * factor * target.height:
            return factor
    return 1
