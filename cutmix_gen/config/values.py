"""What the texts of a configuration say: sizes, bounds, slices, numbers of failures."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cutmix_gen.config.option import flag_of
from cutmix_gen.errors import UsageError
from cutmix_gen.ranges import FAILURES, PERCENT, SIDE, SLICES, Range, whole_number
from cutmix_gen.shapes import Size
from cutmix_gen.text import brief


def parse_size(text: str) -> Size | None:
    """Return the size that `--size` says; None for `keep`."""
    if text == "keep":
        return None
    first, x, second = text.lower().partition("x")
    width = whole_number(first, SIDE)
    height = whole_number(second, SIDE) if x else width
    if width is None or height is None or width * height < 2:
        raise UsageError(
            f"--size must be keep, a side like 224, or WIDTHxHEIGHT like 320x240 (2 pixels at least, sides "
            f"{SIDE.bounds}), but it is '{brief(text)}'."
        )
    return Size(width, height)


def parse_bounds(name: str, text: str, among: Range, example: str) -> tuple[float, float]:
    """Return the two numbers of an option LO,HI, where fractions like 3/4 are fine."""
    low, _, high = text.partition(",")
    bounds = (_number(low), _number(high))
    if bounds[0] is None or bounds[1] is None or not all(each in among for each in bounds) or bounds[0] > bounds[1]:
        raise UsageError(
            f"{flag_of(name)} must be two numbers {among.bounds}, the smaller first, e.g. {example}, but it is "
            f"'{brief(text)}'."
        )
    return bounds[0], bounds[1]


def _number(text: str) -> float | None:
    """Return a number or a fraction like 3/4; None for anything else."""
    over, _, under = text.partition("/")
    try:
        return float(over) / float(under or 1)
    except (ValueError, ZeroDivisionError):
        return None


def parse_slice(text: str | None) -> tuple[int, int]:
    """Return (I, N) of `--slice I/N`: of all tasks this process makes those whose number is I modulo N."""
    if text is None:
        return 0, 1
    first, _, count = text.partition("/")
    of = whole_number(count, SLICES)
    number = whole_number(first, Range(0, of - 1)) if of else None
    if of is None or number is None:
        raise UsageError(
            f"--slice must be I/N with I from 0 to N - 1 and N {SLICES.bounds}, e.g. 0/4, but it is '{brief(text)}'."
        )
    return number, of


@dataclass(frozen=True, slots=True)
class Failures:
    """How many sources may be unreadable: a number, or a percentage."""

    count: int = 0
    percent: float | None = None

    def of(self, num_images: int) -> int:
        """Return how many of so many sources that are; one broken image stops no small set."""
        return self.count if self.percent is None else math.ceil(num_images * self.percent / 100)


def parse_failures(text: str) -> Failures:
    """Return what `--max-failures N|P%` says."""
    text = text.strip()
    percent = _number(text[:-1]) if text.endswith("%") else None
    if percent is not None and percent in PERCENT:
        return Failures(percent=percent)
    count = whole_number(text, FAILURES)
    if count is None:
        raise UsageError(
            f"--max-failures must be a count or a percentage like 1% ({FAILURES.bounds}, or {PERCENT.bounds} %), "
            f"but it is '{brief(text)}'."
        )
    return Failures(count)


def is_split(text: str) -> bool:
    """Tell whether a split can be called so: what readers of dataset cards take.

    >>> is_split("train"), is_split("test.2024"), is_split("a-b"), is_split("a..b")
    (True, True, False, False)
    """
    return text.isascii() and all(part.replace("_", "x").isalnum() for part in text.split("."))
