"""From labels as shards have them to the classes of a set."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cutmix_gen.errors import SourceError
from cutmix_gen.storage import Place
from cutmix_gen.text import printable

MOST_NUMBERED = 100_000
"""Classes where labels are numbers: each number up to the largest is one, so that a single wrong label makes many."""

MOST_CLASSES = 1_000_000
"""Classes of any kind: each shard's record has a number for each class."""

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_WHOLE = re.compile(r"[+-]?[0-9]+(\.0+)?")

Label = int | str


def numbered(
    labels: Sequence[Label], names: tuple[str, ...], root: Path
) -> tuple[npt.NDArray[np.int32], tuple[str, ...]]:
    """Return the number of each label, and the names of all classes.

    Numbers stay as they are, and have the names that somebody gives them; names get their place among all, sorted.

    Parameters
    ----------
    labels : sequence of int or str
        Each of them once.
    names : tuple of str
        Of the classes, in their order; empty where nobody gives any.
    root : Path
        For messages.

    Raises
    ------
    SourceError
        If a label is none of the named classes, or no number that a class may have.
    """
    named = [isinstance(label, str) for label in labels]
    if any(named) and not all(named):
        raise SourceError(
            f"{root} must have numbers as labels, or names, but some of its shards have numbers and others have names. "
            "Give a folder of shards that are alike."
        )
    if any(named):
        classes = tuple(sorted(map(str, labels)))
        number_of = {name: number for number, name in enumerate(classes)}
        return np.array([number_of[str(label)] for label in labels], np.int32), classes
    first, last = min(map(int, labels)), max(map(int, labels))
    if names and last >= len(names):
        raise SourceError(f"{root} has the label {last}, but names {len(names)} classes only.")
    if first < 0 or (last >= MOST_NUMBERED and not names):
        raise SourceError(
            f"{root} must have labels from 0 to {MOST_NUMBERED - 1:,}, but it has {first} to {last}. Each number up to "
            "the largest is a class; give other labels as names, or number them from 0."
        )
    return np.array(labels, np.int32), names or tuple(map(str, range(last + 1)))


def as_numbers(labels: Sequence[str], root: Path) -> list[Label]:
    """Return written labels as numbers where all of them are such, else as they are.

    >>> as_numbers(["07", "12"], Path()), as_numbers(["07", "cat"], Path())
    ([7, 12], ['07', 'cat'])

    Raises
    ------
    SourceError
        If all are numbers, but one has a fraction.
    """
    if not all(map(_NUMBER.fullmatch, labels)):
        return list(labels)
    broken = [label for label in labels if not _WHOLE.fullmatch(label)]
    if broken:
        raise SourceError(f"{root} must have whole numbers or names as labels, but it has {broken[0][:50]}.")
    return [int(label.partition(".")[0]) for label in labels]


def check_count(classes: int, root: Place) -> None:
    """Raise `SourceError` if there are more classes than any set has."""
    if classes > MOST_CLASSES:
        raise SourceError(
            f"{root} must have at most {MOST_CLASSES:,} classes, but it has {classes:,} or more. Are they the names of "
            "images rather than of classes?"
        )


def check_names(names: tuple[str, ...], root: Path) -> None:
    """Raise `SourceError` if two classes have the same name."""
    if len(set(names)) < len(names):
        name, count = Counter(names).most_common(1)[0]
        raise SourceError(
            f"{root} must name each class once, but {count} are called {printable(name)[:50]}: whoever reads the set "
            "could not tell them apart. Give them names of their own."
        )
