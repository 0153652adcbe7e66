"""Names as a page can show them: they are folder names, and may hold anything."""

from __future__ import annotations

import unicodedata

from cutmix_gen.visualize.drawing import class_colour

_LONGEST = 60
"""Characters of a name that are shown."""


def shown(name: str, longest: int = _LONGEST) -> str:
    r"""Return a name without what no page may hold, and not too long.

    >>> shown("tab\there")
    'tab�here'
    """
    text = "".join("\ufffd" if unicodedata.category(char) in ("Cc", "Cs", "Cn") else char for char in name)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def width_in_ems(name: str) -> float:
    """Return about how wide a name is in a sans-serif font, in units of its size."""
    wide = sum(unicodedata.east_asian_width(char) in ("W", "F") for char in name)
    return 0.56 * (len(name) - wide) + 1.05 * wide


def colour(label: int) -> str:
    """Return the colour of a class, as CSS has it: the one that it has in grids too."""
    return "#{:02x}{:02x}{:02x}".format(*class_colour(label))
