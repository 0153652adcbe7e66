"""Writing on a picture: lines of text that fit into a width, in any script that this machine has a font for."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from PIL import Image, ImageDraw

from cutmix_gen.visualize.drawing.colours import Colour
from cutmix_gen.visualize.drawing.fonts import OWN, Face, Sized, faces_for, opened

ELLIPSIS = "…"

_UNSEEN = ("Cc", "Cn", "Co", "Cs", "Zl", "Zp")
"""Categories of characters that control something, or that nobody has agreed on."""


def can_write(text: str) -> bool:
    """Tell whether this machine has fonts for all of a text."""
    return bool(faces_for(text)) if text else True


def one_line(text: str) -> str:
    r"""Return a text with its line breaks, and other characters that have no shape, written out.

    >>> one_line("a\nb")
    'a\\nb'
    """
    return "".join(
        char.encode("unicode_escape").decode() if unicodedata.category(char) in _UNSEEN else char for char in text
    )


@lru_cache(maxsize=1 << 14)
def text_width(text: str, size: int) -> float:
    """Return how many pixels wide a text is at a size."""
    return sum(_width(run, opened(face, size)) for run, face in _faces(text))


@lru_cache(maxsize=1 << 14)
def shortened(text: str, width: float, size: int) -> str:
    """Return a text that is no wider than so many pixels: what is left out of a long one is its middle."""
    if text_width(text, size) <= width:
        return text
    low, high = 0, len(text) - 1
    while low < high:
        keep = (low + high + 1) // 2
        low, high = (keep, high) if text_width(_without_middle(text, keep), size) <= width else (low, keep - 1)
    return _without_middle(text, low)


def _without_middle(text: str, keep: int) -> str:
    """Return a text of which so many characters are left; the end begins with no accent that lost its letter."""
    start, end = text[: keep - keep // 2], text[len(text) - keep // 2 :]
    while end and unicodedata.category(end[0])[0] == "M":
        end = end[1:]
    return start + ELLIPSIS + end


def write(canvas: Image.Image, place: tuple[float, float], text: str, size: int, colour: Colour) -> None:
    """Write a text on a picture.

    Parameters
    ----------
    canvas : Image
        RGB.
    place : (x, y)
        The left end of the base line.
    text : str
    size : int
        Of the letters, in pixels.
    colour : Colour
    """
    x, y = place
    for run, face in _faces(text):
        sized = opened(face, size)
        if sized.scale == 1.0:
            pen = ImageDraw.Draw(canvas)
            pen.text((x, y), run, fill=colour, font=sized.font, anchor="ls")
        else:
            _paste_bitmap(canvas, (x, y), run, sized, colour)
        x += _width(run, sized)


def _paste_bitmap(canvas: Image.Image, place: tuple[float, float], text: str, sized: Sized, colour: Colour) -> None:
    """Write with a font of coloured bitmaps of another size."""
    x1, y1, x2, y2 = sized.font.getbbox(text, anchor="ls")
    glyphs = Image.new("RGBA", (max(int(x2 - x1), 1), max(int(y2 - y1), 1)))
    ImageDraw.Draw(glyphs).text((-x1, -y1), text, fill=colour, font=sized.font, anchor="ls", embedded_color=True)
    target = tuple(max(round(side * sized.scale), 1) for side in glyphs.size)
    small = glyphs.resize((target[0], target[1]), Image.Resampling.LANCZOS)
    corner = round(place[0] + x1 * sized.scale), round(place[1] + y1 * sized.scale)
    canvas.paste(small, corner, small)


def _width(run: str, sized: Sized) -> float:
    return sized.font.getlength(run) * sized.scale


def _faces(text: str) -> list[tuple[str, Face]]:
    """Return the runs of a text. What no font has was to be replaced before; it is written as it may."""
    return faces_for(text) or [(text, OWN)]
