"""What numbers may be: the range of each option once, for its help, its check and its message."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import cast


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers between two bounds.

    Examples
    --------
    >>> str(Range(3, 1_000_000)), 2 in Range(3, 1_000_000)
    ('a whole number from 3 to 1,000,000', False)
    >>> str(Range(0, 1, whole=False, below=True)), 1.0 in Range(0, 1, whole=False, below=True)
    ('a number from 0 to below 1', False)
    """

    least: float
    most: float
    whole: bool = True
    below: bool = False
    """Whether `most` itself is too much."""

    def __contains__(self, number: object) -> bool:
        """Tell whether a number is in the range; whole ones of any length are compared exactly, NaN is in none."""
        if isinstance(number, bool) or not isinstance(number, int if self.whole else Real):
            return False
        value = cast("float", number)
        return bool(self.least <= value < self.most if self.below else self.least <= value <= self.most)

    def __str__(self) -> str:
        return f"a {'whole ' if self.whole else ''}number {self.bounds}"

    @property
    def bounds(self) -> str:
        """The bounds in words."""
        return f"from {_text(self.least)} to {'below ' if self.below else ''}{_text(self.most)}"


def _text(number: float) -> str:
    if number == _LARGEST_SEED:
        return "2^63 - 1"
    return f"{int(number):,}" if number == int(number) else f"{number:f}".rstrip("0")


_LARGEST_SEED = (1 << 63) - 1

SEED = Range(0, _LARGEST_SEED)
COPIES = Range(0, 100_000, whole=False)
"""Ten images to a million samples are as many."""
SAMPLES = Range(0, 10**12)
ALPHA = Range(0.001, 1_000, whole=False)
"""Of a Beta law: below, every draw is 0 or 1; above, every draw is the mean."""
WEIGHT = Range(0.000001, 1_000_000, whole=False)
SHARE = Range(0, 1, whole=False)
PART = Range(0, 1, whole=False, below=True)
SCALE = Range(0.0001, 1, whole=False)
ASPECT = Range(0.01, 100, whole=False)
SIDE = Range(1, 16_384)
QUALITY = Range(1, 100)
SHARD_SIZE = Range(3, 1_000_000)
"""Of fewer images one might be without a partner."""
JOBS = Range(1, 4_096)
SLICES = Range(1, 1_000_000)
FAILURES = Range(0, 10**12)
PERCENT = Range(0, 100, whole=False)


def whole_number(text: str, among: Range) -> int | None:
    """Return the number of a range that a text of plain digits is; None for anything else.

    >>> whole_number("0224", SIDE), whole_number("+5", SIDE), whole_number("9" * 5000, SIDE)
    (224, None, None)
    """
    if not (text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS):
        return None
    number = int(text)
    return number if number in among else None


_MOST_DIGITS = 40
"""More is no number that anybody has written, and Python takes the square of their number to read them."""
