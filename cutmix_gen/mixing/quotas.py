"""Exact numbers of samples for pairs of classes: which base and which donor each of them has."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from cutmix_gen.errors import UsageError, did_you_mean
from cutmix_gen.mixing import streams
from cutmix_gen.mixing.pairing import Census
from cutmix_gen.mixing.permutation import Permutation
from cutmix_gen.ranges import SAMPLES, whole_number
from cutmix_gen.text import brief

_HEADER = ["class_a", "class_b", "count"]


@dataclass(frozen=True, slots=True)
class Quota:
    """So many samples with a base of one class and a donor of another."""

    base: str
    donor: str
    count: int


@lru_cache(maxsize=4)
def parse_quotas(lines: tuple[str, ...]) -> tuple[Quota, ...]:
    """Return the quotas that the lines of a CSV file describe: class_a, class_b, count.

    A first line with these names is passed over.

    Raises
    ------
    UsageError
        If a line is none of that, or the counts sum to more samples than can be asked for.
    """
    quotas = []
    reader = csv.reader(lines)
    try:
        for row in reader:
            fields = [field.strip() for field in row]
            if not any(fields) or (reader.line_num == 1 and fields == _HEADER):
                continue
            count = whole_number(fields[2], SAMPLES) if len(fields) == 3 else None
            if count is None:
                raise UsageError(
                    f"Line {reader.line_num:,} of --pairs must be class_a,class_b,count with {SAMPLES} as count, "
                    f"but it is '{brief(','.join(row))}'."
                )
            quotas.append(Quota(fields[0], fields[1], count))
    except csv.Error as error:
        raise UsageError(f"Line {reader.line_num:,} of --pairs must be class_a,class_b,count, but: {error}.") from error
    total = sum(quota.count for quota in quotas)
    if total not in SAMPLES:
        raise UsageError(f"--pairs must ask for {SAMPLES.bounds} samples, but its counts sum to {total:,}.")
    return tuple(quotas)


class QuotaPlan:
    """The samples that quotas ask for, any part of them computable alone.

    Within its class every image is a base as often as any other, give or take one, and a donor nearly as evenly; a
    pair of images comes again when all pairs of its classes have been.

    Parameters
    ----------
    quotas : sequence of Quota
    classes : sequence of str
        Of the set.
    census : Census
    seed : SeedSequence
    """

    def __init__(
        self, quotas: Sequence[Quota], classes: Sequence[str], census: Census, seed: np.random.SeedSequence
    ) -> None:
        numbers = {name: number for number, name in enumerate(classes)}
        self._census = census
        self._base, self._donor = (
            np.array([_number(numbers, census, name) for name in names], np.int64)
            for names in ([quota.base for quota in quotas], [quota.donor for quota in quotas])
        )
        for quota in quotas:
            if quota.base == quota.donor and census.counts[numbers[quota.base]] < 2:
                raise UsageError(f"--pairs mixes '{quota.base}' with itself, but the class has a single image.")
        self._counts = np.array([quota.count for quota in quotas], np.int64)
        self._ends = np.cumsum(self._counts)
        self._base_offsets = _before(self._base, self._counts)
        self._donor_offsets = _before(self._donor, self._counts)
        order, self._base_seed, self._donor_seed = seed.spawn(3)
        self.total = int(self._ends[-1]) if len(quotas) else 0
        self._order = Permutation(max(self.total, 1), order)

    def rows(self, start: int, stop: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the places in the source index of the bases and of the donors of some samples: (n,) each."""
        quota, nth = self._nth(start, stop)
        base_rank = self._base_offsets[quota] + nth
        base = self._image(self._base[quota], base_rank, self._base_seed)
        # Both go round their classes; when they would meet in the same pairs again, the donors go one further.
        counts = self._census.counts
        again = np.lcm(counts[self._base[quota]], counts[self._donor[quota]])
        donor = self._image(self._donor[quota], self._donor_offsets[quota] + nth + nth // again, self._donor_seed)
        # Within one class they go round together, the donor ahead: by one in the first round, by two in the next ...
        own = np.flatnonzero(self._base[quota] == self._donor[quota])
        size = counts[self._base[quota][own]]
        ahead = 1 + (nth[own] // size) % np.maximum(size - 1, 1)
        donor[own] = self._image(self._base[quota][own], base_rank[own] + ahead, self._base_seed)
        return base, donor

    def first_uses(self, start: int, stop: int) -> npt.NDArray[np.bool_]:
        """Tell of some samples whether each is the first with its base, by rank: (n,); each base has one such."""
        quota, nth = self._nth(start, stop)
        first: npt.NDArray[np.bool_] = self._base_offsets[quota] + nth < self._census.counts[self._base[quota]]
        return first

    def _nth(self, start: int, stop: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return of some samples which quota each is of, and its number in that."""
        samples = self._order(start, stop)
        quota = np.searchsorted(self._ends, samples, side="right")
        return quota, samples - (self._ends[quota] - self._counts[quota])

    def _image(
        self, labels: npt.NDArray[np.int64], ranks: npt.NDArray[np.int64], seed: np.random.SeedSequence
    ) -> npt.NDArray[np.int64]:
        """Return the image that has a rank in its class's own random order, which begins again at its end."""
        rows = np.empty(len(labels), np.int64)
        starts = self._census.starts
        for label in np.unique(labels).tolist():
            here = np.flatnonzero(labels == label)
            order = Permutation(int(self._census.counts[label]), streams.branch(seed, (label,)))
            rows[here] = starts[label] + order.at(ranks[here] % order.n)
        return rows


def _number(numbers: dict[str, int], census: Census, name: str) -> int:
    if name not in numbers or not census.counts[numbers[name]]:
        hint = did_you_mean(brief(name), numbers)
        raise UsageError(
            f"--pairs names the class '{brief(name)}', of which there are no images.{hint} "
            f"There are: {', '.join(list(numbers)[:50])}{', ...' if len(numbers) > 50 else ''}."
        )
    return numbers[name]


def _before(labels: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return for each quota how many samples of the same class come in those before it."""
    sums: dict[int, int] = {}
    before = []
    for label, count in zip(labels.tolist(), counts.tolist(), strict=True):
        before.append(sums.get(label, 0))
        sums[label] = before[-1] + count
    return np.array(before, np.int64)
