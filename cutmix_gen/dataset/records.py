"""The records of a set: sources, shards of the plan, tasks, skips and commit records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


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
