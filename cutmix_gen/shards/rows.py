"""The rows of a shard: what a sample has, and how many of them are held together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Field:
    """A field that every sample of a set has."""

    name: str
    kind: str
    """`string`, `bool`, `int32`, `int64`, `float32`, or `image`: the bytes of an encoded image."""
    shape: tuple[str | int, ...]
    """How many values it has: none for a single one, else a number, or what it depends on: `classes`, `sources` (S),
    `donors` (S - 1), `used` (the sources that the sample was mixed of)."""
    text: str
    """What it means, in one sentence."""


FIELDS = (
    Field("key", "string", (), "Unique in the whole set."),
    Field("image", "image", (), "The encoded image."),
    Field("label", "int64", (), "Class of the largest share, a number into `classes`."),
    Field("soft_label", "float32", ("classes",), "A weight for each class, sums to 1."),
    Field("label_index", "int32", ("sources",), "Class of each source image, base first."),
    Field("label_weight", "float32", ("sources",), "Share of the pixels that each source image owns."),
    Field("synthetic", "bool", (), "False for an original."),
    Field("strategy", "string", (), "How the sample was mixed; `original` for an original."),
    Field("lam", "float32", (), "Share that the base owns."),
    Field("lam_drawn", "float32", (), "The value that was drawn for it."),
    Field("sources", "string", ("used",), "The source images, base first."),
    Field(
        "boxes",
        "int32",
        ("donors", 4),
        "For each donor the box [x1, y1, x2, y2], half open, of the pixels it owns.",
    ),
    Field("recipe", "string", (), "All that it takes to make the sample again."),
)
"""In the order in which a row has them."""


def fields_of(*, dense: bool) -> tuple[Field, ...]:
    """Return the fields of a set, which has dense labels or none."""
    return tuple(field for field in FIELDS if dense or field.name != "soft_label")


@dataclass(frozen=True, slots=True)
class RowSchema:
    """What the rows of one set have in common."""

    classes: tuple[str, ...]
    sources: int
    """S, the length of `label_index` and `label_weight`."""
    dense: bool
    """Whether there is a `soft_label`."""
    extension: str
    """Of the images: `jpg`, `png` or `webp`."""

    def lengths(self, field: Field) -> tuple[int, ...]:
        """Return how many values a field has, whose number does not differ from sample to sample."""
        known = {"classes": len(self.classes), "sources": self.sources, "donors": self.sources - 1}
        return tuple(known[length] if isinstance(length, str) else length for length in field.shape)


@dataclass(frozen=True, slots=True)
class Rows:
    """Samples in columns, n at a time, as the shard writers take them and the readers give them back."""

    key: list[str]
    image: list[bytes]
    label: npt.NDArray[np.int64]
    """(n,) class of the largest share."""
    soft_label: npt.NDArray[np.float32] | None
    """(n, C), each row sums to 1; None where dense labels are off."""
    label_index: npt.NDArray[np.int32]
    """(n, S) class of each source, base first."""
    label_weight: npt.NDArray[np.float32]
    """(n, S) share of the pixels each source owns."""
    synthetic: npt.NDArray[np.bool_]
    """(n,) false for an original."""
    strategy: list[str]
    lam: npt.NDArray[np.float32]
    """(n,) share the base owns."""
    lam_drawn: npt.NDArray[np.float32]
    """(n,) as the strategy drew it."""
    sources: list[list[str]]
    """Source paths of each sample, base first."""
    boxes: npt.NDArray[np.int32]
    """(n, S - 1, 4)"""
    recipe: list[str]

    def __len__(self) -> int:
        return len(self.key)

    def some(self, start: int, stop: int) -> Rows:
        """Return some of the samples that follow on each other."""
        columns: list[Any] = [None if column is None else column[start:stop] for column in _columns(self)]
        return Rows(*columns)

    def row(self, index: int) -> Row:
        """Return one of the samples, its single numbers as Python has them."""
        values: list[Any] = [
            None if column is None else column.item(index) if is_number else column[index]
            for column, is_number in zip(_columns(self), _ARE_NUMBERS, strict=True)
        ]
        return Row(*values)


_columns: Callable[[Rows], tuple[Any, ...]] = attrgetter(*(field.name for field in FIELDS))
_ARE_NUMBERS = [not field.shape and field.kind not in ("string", "image") for field in FIELDS]


class Row(NamedTuple):
    """One sample as it is stored."""

    key: str
    image: bytes
    """The encoded image."""
    label: int
    """Class of the largest share."""
    soft_label: npt.NDArray[np.float32] | None
    """(C,) sums to 1; None where dense labels are off."""
    label_index: npt.NDArray[np.int32]
    """(S,) class of each source, base first."""
    label_weight: npt.NDArray[np.float32]
    """(S,) share of the pixels each source owns."""
    synthetic: bool
    strategy: str
    lam: float
    lam_drawn: float
    sources: list[str]
    """Source paths, base first."""
    boxes: npt.NDArray[np.int32]
    """(S - 1, 4)"""
    recipe: str
