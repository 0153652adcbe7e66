"""The records that cross from one room of the program to another.

Those of which a sample takes several are named tuples: making one takes a third of the time of a frozen dataclass.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cutmix_gen.fields import FIELDS, Field

Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
"""An image: (H, W, 3) uint8 for RGB, (H, W) uint8 for L, (H, W) uint16 for I;16."""


class Size(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int

    @property
    def area(self) -> int:
        """Number of pixels."""
        return self.width * self.height

    def __str__(self) -> str:
        return f"{self.width} x {self.height}"


class Box(NamedTuple):
    """A rectangle of pixels, half open: columns x1 to x2 - 1, rows y1 to y2 - 1."""

    x1: int
    y1: int
    x2: int
    y2: int

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.x2 - self.x1

    @property
    def height(self) -> int:
        """Number of rows."""
        return self.y2 - self.y1

    @property
    def area(self) -> int:
        """Number of pixels."""
        return (self.x2 - self.x1) * (self.y2 - self.y1)

    def as_list(self) -> list[int]:
        """Return [x1, y1, x2, y2], the order in which a box is written to files."""
        return list(self)


NO_BOX = Box(0, 0, 0, 0)
"""The box of a donor that owns no pixel."""


@dataclass(frozen=True)  # without slots, for the cached text
class View:
    """How a source image became one side of a sample: the part that is used, and whether it was mirrored."""

    crop: Box
    """In pixels of the upright source at its full size."""
    place: Box
    """Where it lies in its frame; what is outside is padding."""
    flip: bool

    @cached_property
    def json(self) -> str:
        """The view as a recipe has it; many samples share one."""
        crop, place, flip = self.crop.as_list(), self.place.as_list(), self.flip
        return json.dumps({"crop": crop, "place": place, "flip": flip}, separators=(",", ":"))


class Source(NamedTuple):
    """One image of the source folder."""

    path: str
    """Relative to SRC, with forward slashes, as `storage.path_text` writes it."""
    label: int
    """Index of its class in the set."""
    num_bytes: int
    """Size of the file when it was scanned."""


@dataclass(frozen=True, slots=True)
class ShardSpec:
    """One shard of the plan: which copy of which part of a block it holds."""

    number: int
    """Its place in the set's one unbroken sequence."""
    copy: int
    """0 for the originals, 1, 2, ... for the CutMix copies."""
    count: int
    """How many of the block's sources serve as base, from the block's first on."""


@dataclass(frozen=True, slots=True)
class Task:
    """The unit of work: one block of sources, decoded once, and the shards that are made from it."""

    number: int
    start: int
    """First position of the block in the permutation of all sources."""
    stop: int
    shards: Sequence[ShardSpec]
    """By copy."""


@dataclass(frozen=True, slots=True)
class Skip:
    """A sample that was not made, and why."""

    path: str
    """The source, relative to SRC; the base of the sample."""
    reason: str
    """What is wrong, in words."""
    unreadable: bool = True
    """Whether the source itself is at fault: otherwise it could be read, but not be mixed as asked for."""


@dataclass(frozen=True, slots=True)
class ShardRecord:
    """The commit record of a shard: the shard exists when its record does."""

    shard: int
    file: str
    """Relative to the set's folder, e.g. `data/train-000012.parquet`."""
    run: int
    kind: str
    """`original` or `cutmix`."""
    copy: int
    samples: int
    bytes: int
    sha256: str
    class_weight: list[float]
    """Sum of the label shares of each class over the shard's samples, without smoothing."""
    lam_histogram: list[int]
    """Samples by realised lam in `LAM_BINS` equal bins over [0, 1]; all zero for originals."""
    strategies: dict[str, int]
    """Samples by strategy."""
    converted: int
    """Base images that had another pixel mode than the set; one that is a base again counts where it is so first."""
    skipped: list[Skip] = field(default_factory=list)
    animated: int = 0
    """Base images whose file holds several pictures, of which the first was taken; counted like `converted`."""


class ShardHead(NamedTuple):
    """What a reader has to know of a committed shard: the first part of its record."""

    shard: int
    file: str
    """Relative to the set's folder."""
    run: int
    kind: str
    """`original` or `cutmix`."""
    copy: int
    samples: int
    bytes: int


LAM_BINS = 20
"""Bins of the lam histogram; 20 gives steps of 0.05."""


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


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that `verify` found wrong."""

    shard: str
    """File name of the shard, relative to the set."""
    key: str
    """The sample, or empty where the whole shard is meant."""
    problem: str
    kind: str = "shard"
    """What would mend it:

    - `shard`: making the shard again
    - `card`: writing the card and the other files beside the shards again
    - `unfinished`: going on with the run
    - `description`: nothing that is in the set; a file that says what the set is, is damaged
    - `stranger`: whoever put a file there that is none of the set's
    - `source`: having the source as it was; whether the sample is right is not known
    - `copy`: dropping the copy of the commit records
    - `versions`: nothing; the sample is right, but other releases of the libraries make other bytes
    """


@dataclass(frozen=True, slots=True)
class Report:
    """What a call of `generate` did, and how its run stands at the end of the call.

    Others may have worked on the run meanwhile, other slices of it, say: what says no more is about the whole run, as
    its commit records are at that moment.
    """

    samples: int
    """In all shards of the run that are there, whoever made them."""
    shards: int
    """Shards of the run that are there."""
    bytes: int
    """Of the files of these shards."""
    new_samples: int
    """In the shards that this call had to make."""
    new_shards: int
    """Shards that this call had to make: those of its slice that were not there when it began."""
    new_bytes: int
    """Of the files of these shards."""
    seconds: float
    """That this call took."""
    converted: int
    """Source images that are the base of a sample and were turned into the set's pixel mode; each counts once."""
    animated: int
    """The same of files that hold several pictures, of which the first was taken."""
    skipped: list[Skip]
    """Source images of which samples were not made, each once, with the reason."""
    lost_samples: int
    """Samples of the plan that were not made, because of what was skipped."""
    passed_over: dict[str, int]
    """Files that the scan left out: reason to count."""
    complete: bool
    """Whether every shard of the run is there."""
    missing: int
    """Shards that the run still lacks: of other slices, that is."""
    missing_elsewhere: int
    """Shards that other runs of the set still lack."""

    @property
    def exit_code(self) -> int:
        """0 when everything was made, 3 when something had to be skipped."""
        return 3 if self.skipped else 0
