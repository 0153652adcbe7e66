"""Text in columns of a terminal: how wide it shows, and how it is brought to a width."""

from __future__ import annotations

import unicodedata

_ZERO = frozenset({"Mn", "Me", "Cf"})
"""Categories of characters that take no room: accents on what is before them, marks of direction, joiners."""


def width_of(text: str) -> int:
    """Return how many columns a text takes; Chinese, Japanese and Korean characters take two each.

    >>> width_of("cat"), width_of("猫")
    (3, 2)
    """
    if text.isascii():
        return len(text)
    return sum(map(_width, text))


def _width(character: str) -> int:
    if unicodedata.category(character) in _ZERO:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def fitted(text: str, width: int) -> str:
    """Return a text of just so many columns: filled with spaces, or cut and ended with an ellipsis.

    >>> fitted("猫と犬", 5)
    '猫と…'
    """
    if width_of(text) > width:
        kept, room = "", width - 1
        for character in text:
            room -= _width(character)
            if room < 0:
                break
            kept += character
        text = kept + "…"
    return text + " " * (width - width_of(text))


def bar(share: float, width: int) -> str:
    """Return a bar of a share of some columns, in eighths of a column.

    >>> bar(0.5, 3)
    '█▌'
    """
    eighths = round(share * width * 8)
    if share > 0:
        eighths = max(eighths, 1)
    return "█" * (eighths // 8) + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[eighths % 8]
