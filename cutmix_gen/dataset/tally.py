"""Adding up commit records: what generate's summary, the card and `info` all say comes from here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from cutmix_gen.dataset.records import LAM_BINS, ShardRecord, Skip
from cutmix_gen.errors import SetError

KINDS = ("original", "cutmix")


class Tally:
    """Sums over commit records, in memory that does not grow with their number.

    Parameters
    ----------
    num_classes : int
    sources : mapping of int to str, optional
        From the number of a run to where its images are from. Images are counted, not their uses: runs over the same
        folder have the same images.
    """

    def __init__(self, num_classes: int, sources: Mapping[int, str] | None = None) -> None:
        self._num_classes = num_classes
        self._sources = sources or {}
        self.shards = 0
        self.bytes = 0
        self.kind_bytes = dict.fromkeys(KINDS, 0)
        self.unreadable = 0
        """Source images that could not be read."""
        self.samples = dict.fromkeys(KINDS, 0)
        self.class_weight = {kind: np.zeros(num_classes) for kind in KINDS}
        self.lam_histogram = np.zeros(LAM_BINS, np.int64)
        self.strategies: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        """Samples that were skipped, by kind."""
        self._skips: dict[tuple[str, str], Skip] = {}
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
            image = self._source(record.run), skip.path
            before = self._skips.get(image)
            if before is None or not before.unreadable:  # who says that it cannot be read says more
                self.unreadable += skip.unreadable
                self._skips[image] = skip
        self._converted[record.run, record.copy] += record.converted
        self._animated[record.run, record.copy] += record.animated

    @property
    def total(self) -> int:
        """Samples of both kinds."""
        return sum(self.samples.values())

    @property
    def skipped(self) -> list[Skip]:
        """Each source image of which a sample was skipped once, sorted."""
        return [self._skips[key] for key in sorted(self._skips)]

    @property
    def converted(self) -> int:
        """Source images that are a base and were turned into another pixel mode."""
        return self._images(self._converted)

    @property
    def animated(self) -> int:
        """Source images that are a base and whose file holds several pictures."""
        return self._images(self._animated)

    def _source(self, run: int) -> str:
        return self._sources.get(run, str(run))

    def _images(self, counts: Counter[tuple[int, int]]) -> int:
        """Return how many images were counted, by run and copy: every copy of every run over a folder has the same."""
        most: Counter[str] = Counter()
        for (run, _), count in counts.items():
            most[self._source(run)] = max(most[self._source(run)], count)
        return most.total()
