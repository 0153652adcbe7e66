"""Colours of classes: the same class has the same colour in every picture of a set."""

from __future__ import annotations

import colorsys

Colour = tuple[int, int, int]
"""Red, green, blue, 0 to 255."""

INK, FAINT_INK, PAPER, TRACK = (34, 34, 34), (102, 102, 102), (255, 255, 255), (229, 229, 229)
"""Of letters, of letters that matter less, of the sheet, and of what a bar fills."""

_FIRST = ("0072b2", "c8500a", "00845f", "b3387a", "7b5cd6", "8a6d00", "8f1d2c", "4f9a12", "5c5c5c", "00356b")
"""Told apart with colour-blind eyes as well, by hue or by lightness."""
_GOLDEN = 0.618034
"""Turns of the hue from one colour to the next that keep any number of them apart."""
_CONTRAST = 3.2
"""With white, at least; bars and lines should have 3 (WCAG 2.2, 1.4.11)."""


def class_colour(label: int) -> Colour:
    """Return the colour of a class, dark enough to be seen on white.

    >>> class_colour(0)
    (0, 114, 178)
    """
    if label < len(_FIRST):
        red, green, blue = bytes.fromhex(_FIRST[label])
        return red, green, blue
    hue, lightness = label * _GOLDEN % 1.0, (0.36, 0.26, 0.44)[label % 3]
    colour = _bytes(colorsys.hls_to_rgb(hue, lightness, 0.75))
    while contrast_with_white(colour) < _CONTRAST:
        colour = _bytes(tuple(part * 0.94 / 255 for part in colour))
    return colour


def contrast_with_white(colour: Colour) -> float:
    """Return how much a colour stands out from white: 1 to 21 (WCAG 2.2)."""
    red, green, blue = (_linear(part / 255) for part in colour)
    return 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4


def _bytes(colour: tuple[float, ...]) -> Colour:
    red, green, blue = (round(255 * part) for part in colour)
    return red, green, blue
