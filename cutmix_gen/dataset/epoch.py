"""Epochs from copies made beforehand that act like CutMix while training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import index as as_index
from typing import Any, Protocol, SupportsIndex

import numpy as np

from cutmix_gen.dataset.layout import Position
from cutmix_gen.errors import SetError, UsageError
from cutmix_gen.mixing import streams
from cutmix_gen.shards.rows import Row

_WORD = (1 << 64) - 1


class Samples(Protocol):
    """What an epoch is drawn from: `Dataset`, whose methods these are."""

    @property
    def runs(self) -> frozenset[int]: ...  # noqa: D102  the data set says what these do
    def __len__(self) -> int: ...
    def __getitem__(self, number: SupportsIndex, /) -> Any: ...
    def __getitems__(self, numbers: Sequence[SupportsIndex], /) -> list[Any]: ...
    def row(self, number: SupportsIndex, /) -> Row: ...  # noqa: D102
    def position(self, number: SupportsIndex, /) -> Position: ...  # noqa: D102
    def number(self, position: Position, /) -> int | None: ...  # noqa: D102
    def variants(self, run: int, /) -> int: ...  # noqa: D102
    def originals(self) -> Samples: ...  # noqa: D102
    def copy(self, copy: int, /) -> Samples: ...  # noqa: D102
    def run(self, run: int, /) -> Samples: ...  # noqa: D102


class Epoch:
    """Each original of a set once: itself with probability 1 - mix, else a mixed sample that it is the base of.

    Of K copies, the epoch takes number 1 + epoch mod K; where it has no sample of a base (it is the unfinished last
    one, or something was skipped) the next that has one, and the original where none has. Whether a base is mixed is
    drawn anew in each epoch, from the seed, the epoch and the base's number: any sample is known without the others.

    Made by `Dataset.epoch`.

    Parameters
    ----------
    dataset : Samples
    epoch : int
    mix : float
        Probability with which a base is mixed.
    seed : int

    Raises
    ------
    UsageError
        If `mix` is no probability, or `epoch` or `seed` is below 0.
    SetError
        If there are no originals, or no mixed samples made from them where some are wanted.
    """

    def __init__(self, dataset: Samples, epoch: int, mix: float, seed: int) -> None:
        if not 0 <= mix <= 1 or epoch < 0 or seed < 0:
            raise UsageError(
                f"An epoch takes a number from 0 up, a mix from 0 to 1 and a seed from 0 up, not {epoch}, {mix}, "
                f"{seed}."
            )
        self._dataset = dataset
        self._epoch = epoch
        self._limit = round(mix * 2**53)
        sequence = streams.sequence(seed, (epoch,))
        self._key = int(sequence.generate_state(1, np.uint64)[0])
        self._originals = dataset.originals()
        self._check(mix)

    def __len__(self) -> int:
        return len(self._originals)

    def __getitem__(self, number: SupportsIndex) -> Any:
        """Return what the dataset gives for this place of the epoch."""
        return self._dataset[self.number(number)]

    def __getitems__(self, numbers: Sequence[SupportsIndex]) -> list[Any]:
        """Return several samples at once, as torch's loader asks for a batch."""
        return self._dataset.__getitems__([self.number(number) for number in numbers])

    def __iter__(self) -> Iterator[Any]:
        return map(self.__getitem__, range(len(self)))

    def row(self, number: SupportsIndex) -> Row:
        """Return the stored fields of a sample, its image not decoded."""
        return self._dataset.row(self.number(number))

    def number(self, number: SupportsIndex) -> int:
        """Return the number that a sample of the epoch has in the dataset."""
        place = as_index(number)
        base = self._originals.position(place)
        copies = [0] if _coin(self._key, place % len(self)) >= self._limit else [*self._turns(base.run), 0]
        found = (self._dataset.number(base._replace(copy=copy)) for copy in copies)
        return next(each for each in found if each is not None)

    def _turns(self, run: int) -> list[int]:
        """Return the copies of a run, in the order in which this epoch looks for a sample."""
        copies = self._dataset.variants(run)
        return [1 + (self._epoch + step) % copies for step in range(copies)]

    def _check(self, mix: float) -> None:
        runs = self._originals.runs
        if not runs:
            raise SetError(
                f"An epoch takes each original once, but {self._dataset!r} has none. "
                "Make the set without --no-originals."
            )
        if mix and not any(self._dataset.variants(run) and len(self._dataset.run(run).copy(1)) for run in runs):
            raise SetError(
                f"{self._dataset!r} has no mixed samples that go with its originals: it was made with --copies 0 or "
                "with --pairs, or they are not selected. Give mix=0, or a set with copies."
            )


def _coin(key: int, number: int) -> int:
    """Return 53 random bits for a number: SplitMix64 with the number as its counter (Steele et al., 2014)."""
    word = (key + (number + 1) * 0x9E3779B97F4A7C15) & _WORD
    word = ((word ^ word >> 30) * 0xBF58476D1CE4E5B9) & _WORD
    word = ((word ^ word >> 27) * 0x94D049BB133111EB) & _WORD
    return (word ^ word >> 31) >> 11
