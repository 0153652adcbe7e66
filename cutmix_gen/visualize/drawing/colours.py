"""Colours of classes: the same class has the same colour in every picture of a set."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from itertools import count

Colour = tuple[int, int, int]
"""Red, green, blue, 0 to 255."""

INK, FAINT_INK, PAPER, TRACK = (34, 34, 34), (102, 102, 102), (255, 255, 255), (229, 229, 229)
"""Of letters, of letters that matter less, of the sheet, and of what a bar fills."""

_FIRST = ("0072b2", "c8500a", "00845f", "bd3f83", "7b5cd6", "8a6d00", "d6404e", "4f9a12", "737373", "2492a8")
"""Told apart with colour-blind eyes as well, by hue or by lightness."""
_GOLDEN = 0.618034
"""Turns of the hue from one colour to the next that keep any number of them apart."""
_LUMINANCES = (0.16, 0.22, 0.28)
"""Of further colours. Between 0.15 and 0.30 a colour has a contrast of 3 and more with white and with the dark paper of
the report, as lines and bars should have (WCAG 2.2, 1.4.11)."""


def class_colour(label: int) -> Colour:
    """Return the colour of a class, which is seen on white and on dark paper.

    >>> class_colour(0)
    (0, 114, 178)
    """
    if label < len(_FIRST):
        red, green, blue = bytes.fromhex(_FIRST[label])
        return red, green, blue
    low, high = 0.0, 1.0
    for _ in range(12):  # the luminance of a hue grows with its lightness
        lightness = (low + high) / 2
        colour = _bytes(colorsys.hls_to_rgb(label * _GOLDEN % 1.0, lightness, 0.75))
        if luminance(colour) < _LUMINANCES[label % len(_LUMINANCES)]:
            low = lightness
        else:
            high = lightness
    return colour


def colours_of(labels: Sequence[int]) -> list[Colour]:
    """Return a colour for each of some sources: that of its class, or, for a class again, one that no source has."""
    others = (class_colour(label) for label in count() if label not in labels)
    return [next(others) if label in labels[:number] else class_colour(label) for number, label in enumerate(labels)]


def luminance(colour: Colour) -> float:
    """Return the relative luminance of a colour, 0 (black) to 1 (white), as WCAG 2.2 defines it."""
    red, green, blue = (_linear(part / 255) for part in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4


def _bytes(colour: tuple[float, ...]) -> Colour:
    red, green, blue = (round(255 * part) for part in colour)
    return red, green, blue
