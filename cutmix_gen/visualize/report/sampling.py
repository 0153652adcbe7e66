"""Samples of a set, chosen by seed and read at random: a page shows a few, whatever the set's size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cutmix_gen.dataset.reader import Dataset
from cutmix_gen.mixing import streams
from cutmix_gen.shards.rows import Row

_ROWS = 2000
"""Samples of a kind that are looked at: pairs and sizes are counted in them."""
_BYTES = 128_000_000
"""Bytes of a kind that are read at most, where images are large."""
_LOTS = 32
"""Places of a set at which neighbouring samples are read: files are opened as often at most.

Neighbours are as good as any: a set is in random order.
"""


@dataclass(frozen=True, slots=True)
class Selection:
    """Samples of one kind."""

    rows: list[Row]
    """In an order that depends on the seed alone, so that the first ones are a fair choice too."""
    total: int
    """Samples of this kind in the set."""

    @property
    def is_all(self) -> bool:
        """Whether nothing was left out."""
        return len(self.rows) == self.total


def select(dataset: Dataset, mean_bytes: float, seed: int) -> Selection:
    """Read some samples of a data set, or all of a small one.

    Parameters
    ----------
    dataset : Dataset
    mean_bytes : float
        Of a sample: of large images fewer are read.
    seed : int
    """
    rng = streams.generator(seed, streams.REPORT)
    numbers = _numbers(rng, len(dataset), int(min(_ROWS, max(_BYTES / max(mean_bytes, 1.0), _LOTS))))
    rows = dataset.rows(numbers)
    return Selection([rows[place] for place in rng.permutation(len(rows)).tolist()], len(dataset))


def _numbers(rng: np.random.Generator, total: int, wanted: int) -> list[int]:
    """Choose so many of all numbers, in a few lots of neighbours that do not overlap."""
    if total <= wanted:
        return list(range(total))
    length = wanted // _LOTS
    starts = np.sort(rng.choice(total // length, _LOTS, replace=False, shuffle=False)) * length
    return [number for start in starts.tolist() for number in range(start, start + length)]
