"""A run that was begun: its configuration, its plan and its sources."""

from __future__ import annotations

from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from cutmix_gen.config import ResolvedConfig
from cutmix_gen.dataset.info import RunInfo, SetInfo
from cutmix_gen.dataset.manifest import Manifest
from cutmix_gen.dataset.plan import plan_of
from cutmix_gen.dataset.records import Source, Task
from cutmix_gen.dataset.source_index import SourceIndex
from cutmix_gen.errors import SetError
from cutmix_gen.mixing import streams
from cutmix_gen.mixing.pairing import Census
from cutmix_gen.mixing.quotas import QuotaPlan
from cutmix_gen.shards import shard_format
from cutmix_gen.storage import Place, cached


class Run:
    """A run that was begun: its configuration, its plan and its sources, as every worker opens it for itself.

    Parameters
    ----------
    output : Place
        The folder of the set.
    number : int
        Of the run.
    source : Place, optional
        Where the sources are now, if that is not where they were scanned.
    """

    def __init__(self, output: Place, number: int, source: Place | None = None) -> None:
        self.manifest = Manifest(output)
        self.set: SetInfo = self.manifest.read_set()
        self.info: RunInfo = self.manifest.read_run(number)
        self.plan = plan_of(self.info, output, source)
        self.config = self.plan.config
        if len(self.info.class_counts) != len(self.set.classes) or sum(self.info.class_counts) != self.info.num_images:
            raise SetError(f"Run {number} of {output} counts its images otherwise than it has them, class by class.")
        self.shard_format = shard_format(self.set.shard_format)
        self._quotas = quota_plan(self.config, self.set.classes, self.census, number)

    @cached_property
    def _index(self) -> SourceIndex:
        path = cached(self.manifest.index_path(self.info.number), self.info.index_sha256)
        return SourceIndex(path, self.info.class_counts)

    @property
    def identity(self) -> str:
        """What tells this run from any other."""
        return f"{self.info.digest}-{self.info.fingerprint}"

    @property
    def census(self) -> Census:
        """How many images each class has."""
        return Census(np.array(self.info.class_counts, np.int64))

    def rows(self, task: Task) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64] | None]:
        """Return the bases of a task by their places in the source index, and the donors where they are given."""
        if not self.plan.is_given(task):
            return self.plan.permutation(task.start, task.stop), None
        return self._quotas.rows(task.start, task.stop)

    def first_uses(self, task: Task) -> npt.NDArray[np.bool_] | None:
        """Tell of the bases of a task whether each is there for the first time; None where no base comes again."""
        return self._quotas.first_uses(task.start, task.stop) if self.plan.is_given(task) else None

    def base(self, copy: int, position: int) -> Source | None:
        """Return the base of the sample of a copy at a position in the order of the run; None where there is none."""
        task, spec = self.plan.find(copy, position)
        return self.sources(self.rows(task)[0][position - task.start :][:1])[0] if spec else None

    def find_source(self, path: str, label: int) -> Source | None:
        """Return the source of a class that has a path."""
        if not 0 <= label < len(self.info.class_counts):
            return None
        stop = sum(self.info.class_counts[: label + 1])
        found = self._index.find(path, range(stop - self.info.class_counts[label], stop))
        return found if found and found.label == label else None

    def sources(self, rows: npt.NDArray[np.int64]) -> list[Source]:
        """Return the images at some places of the source index."""
        return self._index.rows(rows)

    def shard_file(self, shard: int) -> str:
        """Return the path of a shard's file, relative to the set."""
        return self.info.shard_file(shard, self.shard_format.extension)


def quota_plan(config: ResolvedConfig, classes: tuple[str, ...], census: Census, run: int) -> QuotaPlan:
    """Return the samples that `--pairs` asks for in a run.

    Raises
    ------
    UsageError
        If it names a class of which there are no images.
    """
    seed = streams.sequence(config.seed, streams.pairs_key(run))
    return QuotaPlan(config.quotas, classes, census, seed)


@lru_cache(maxsize=4)
def open_run(output: Place, number: int, source: Place, identity: str, _state: str) -> Run:
    """Return a run, opened once in each process, and again when the state of the set is another one.

    `identity` (of configuration and sources) keeps a process that outlives a set, in whose folder another one is
    made, from working on with the old one.
    """
    try:
        run = Run(output, number, source)
    except FileNotFoundError:
        run = None
    if run is None or run.identity != identity:
        raise SetError(f"The set in {output} was replaced by another one while this run was at work on it.")
    return run
