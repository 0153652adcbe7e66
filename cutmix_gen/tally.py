"""Adding up commit records: what generate's summary, the card and `info` all say comes from here."""

from __future__ import annotations

from collections import Counter

import numpy as np

from cutmix_gen.errors import SetError
from cutmix_gen.records import LAM_BINS, ShardRecord, Skip

KINDS = ("original", "cutmix")


class Tally:
    """Sums over commit records, in memory that does not grow with their number."""

    def __init__(self, num_classes: int) -> None:
        self._num_classes = num_classes
        self.shards = 0
        self.bytes = 0
        self.kind_bytes = dict.fromkeys(KINDS, 0)
        self.unreadable = 0
        """Sources that could not be read, each of a run once."""
        self.samples = dict.fromkeys(KINDS, 0)
        self.class_weight = {kind: np.zeros(num_classes) for kind in KINDS}
        self.lam_histogram = np.zeros(LAM_BINS, np.int64)
        self.strategies: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        """Samples that were skipped, by kind."""
        self._skips: dict[tuple[int, str], Skip] = {}
        self._converted: Counter[tuple[int, int]] = Counter()
        self._animated: Counter[tuple[int, int]] = Counter()

    def add(self, record: ShardRecord) -> None:
        """Add a record.

        Raises
        ------
        SetError
            If it is that of another set.
        """
        if record.kind not in KINDS or len(record.class_weight) != self._num_classes:
            raise SetError(f"The record of {record.file} is of another kind, or of other classes, than the set.")
        self.shards += 1
        self.bytes += record.bytes
        self.kind_bytes[record.kind] += record.bytes
        self.samples[record.kind] += record.samples
        self.class_weight[record.kind] += record.class_weight
        self.lam_histogram += record.lam_histogram
        self.strategies.update(record.strategies)
        self.lost[record.kind] += len(record.skipped)
        for skip in record.skipped:
            before = self._skips.get((record.run, skip.path))
            self.unreadable += skip.unreadable - (before is not None and before.unreadable)
            self._skips[record.run, skip.path] = skip
        self._converted[record.run, record.copy] += record.converted
        self._animated[record.run, record.copy] += record.animated

    @property
    def total(self) -> int:
        """Samples of both kinds."""
        return sum(self.samples.values())

    @property
    def skipped(self) -> list[Skip]:
        """Each skipped source of each run once, sorted."""
        return [self._skips[key] for key in sorted(self._skips)]

    @property
    def converted(self) -> int:
        """Source images that were turned into another pixel mode, each of a run once."""
        return _of_each_run(self._converted)

    @property
    def animated(self) -> int:
        """Source images whose file holds several pictures, each of a run once."""
        return _of_each_run(self._animated)


def _of_each_run(counts: Counter[tuple[int, int]]) -> int:
    """Return the sum over runs of the most that one of their copies counts: each counts the same images."""
    most: Counter[int] = Counter()
    for (run, _), count in counts.items():
        most[run] = max(most[run], count)
    return most.total()
