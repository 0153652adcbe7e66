"""What a run will take: shards, bytes and time, from timed trials of it."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cutmix_gen.config import MIXING, GenerateConfig
from cutmix_gen.dataset.ledger import Ledger
from cutmix_gen.dataset.manifest import Manifest
from cutmix_gen.dataset.records import ShardRecord, Skip
from cutmix_gen.dataset.run import Run, open_run
from cutmix_gen.errors import UsageError
from cutmix_gen.execute import run_tasks
from cutmix_gen.execute.engines import CLUSTERS, workers_for
from cutmix_gen.generation.begin import begin_in
from cutmix_gen.generation.decide import Continue, New, decide, scan_for
from cutmix_gen.generation.remaining import Remaining, remaining
from cutmix_gen.generation.space import free_bytes
from cutmix_gen.generation.task import produce_in
from cutmix_gen.mixing import streams
from cutmix_gen.sources.scan import Scan
from cutmix_gen.storage import Place

_log = logging.getLogger(__name__)

_TASKS = 2
"""Tasks of a trial for each worker."""
_SECONDS = 1.5
"""That a task of the large trial should take."""
_IMAGES = (12, 256)
"""Images of such a task at least and at most."""
_PIXELS = 1 << 21
"""Of a sample of a trial at most: what larger ones take follows from these, for they would take minutes."""
_SORTED = 1 << 16
"""Images that are sorted by size at most, to choose among."""
_COPIES = (2.0, 8.0)
"""Copies up to which a trial makes as many as the run; beyond, the rest follows from trials of these numbers."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a call of `generate` is expected to take, beyond what OUT has already."""

    images: int
    """Source images of the run."""
    tried: int
    """Of them, images that were tried."""
    skipped: list[Skip]
    """Of those that were tried, the ones that could not be read."""
    shards: int
    """Shards that this call would make."""
    samples: int
    """Samples in them: those of the plan, less by the share of what was tried that could not be read."""
    bytes: int
    """Of the shards' files."""
    seconds: float
    """That the call would take."""
    jobs: int
    """Worker processes."""
    free: int | None
    """Bytes free on the disk of OUT, those of a set that is replaced among them; null in a store."""
    stops: bool
    """Whether more images could not be read than --max-failures allows, so that the call would stop for sure."""

    @property
    def fits(self) -> bool:
        """Whether the disk has room for it."""
        return self.free is None or self.bytes <= self.free


def estimate(config: GenerateConfig) -> Estimate:
    """Try a seeded sample of the sources in a temporary folder, and work out what the run will take.

    The trials run on as many workers as the run, since two are not twice as fast as one; on a cluster's engine, on
    those of this machine. Nothing is written to OUT; what it has already of the run is not counted.

    Raises
    ------
    UsageError, SourceError, SetError
        As `generate` would.
    """
    started = time.monotonic()
    ahead = decide(config)
    is_begun = isinstance(ahead, Continue)
    scanned = ahead.scanned if isinstance(ahead, New) else scan_for(config)
    done = {head.shard for head in Ledger(Manifest(config.output)).heads()} if is_begun else set()
    left = remaining(ahead.plan, done, config.task_slice)
    planning = time.monotonic() - started
    jobs = workers_for(left.tasks, config.jobs)
    free = free_bytes(config.output)
    bench = _Bench(ahead, scanned, jobs)
    seconds, size = _expect(bench, left) if left.shards.total() else (0.0, 0)
    skipped = [bench.unreadable[path] for path in sorted(bench.unreadable)]
    readable = 1.0 - len(skipped) / max(len(bench.tried), 1)
    return Estimate(
        images=len(scanned),
        tried=len(bench.tried),
        skipped=skipped,
        shards=left.shards.total(),
        samples=round(left.samples.total() * readable),
        bytes=round(size),
        seconds=round(planning + seconds, 2),
        jobs=jobs,
        free=None if free is None else free + (ahead.reclaimed if isinstance(ahead, New) else 0),
        stops=_reads_all(ahead) and len(skipped) > ahead.config.failures.of(len(scanned)),
    )


def _reads_all(ahead: New | Continue) -> bool:
    """Tell whether each image would be a base in this call, so that none that cannot be read is passed by."""
    config = ahead.config
    copies_all = not config.pairs and config.mixed_samples(ahead.plan.num_images) >= ahead.plan.num_images
    return (config.originals or copies_all) and config.slice is None and isinstance(ahead, New)


Point = tuple[float, float]


class _Line(NamedTuple):
    """Something that grows with the images of a task."""

    base: float
    each: float

    def times(self, factor: float) -> _Line:
        return _Line(self.base * factor, self.each * factor)

    def at(self, images: float) -> float:
        return self.base + self.each * images


@dataclass(frozen=True, slots=True)
class _Costs:
    """What a task takes, by its images."""

    seconds: _Line
    bytes: dict[str, _Line]
    """Of a shard, by its kind and its samples."""


def _expect(bench: _Bench, left: Remaining) -> tuple[float, float]:
    """Return the seconds and the bytes of what is left."""
    mixed, images = left.samples["cutmix"], left.bases / len(left.tasks)
    starting = bench.warm_up()
    if bench.pairs:
        return _expect_pairs(bench, left, starting)
    copies = mixed / left.bases
    if 0 < copies < _COPIES[0] / 8:
        copies = _COPIES[0] / 8  # of so few a trial might make none
    if copies <= _COPIES[1]:
        costs = bench.costs(copies)
        task = costs.seconds.at(images)
    else:
        few, costs = (bench.costs(number) for number in _COPIES)
        low, high = (each.seconds.at(images) for each in (few, costs))
        task = low + (high - low) * (copies - _COPIES[0]) / (_COPIES[1] - _COPIES[0])
    rounds = -(-len(left.tasks) // bench.jobs)  # the last one may leave workers without a task
    return starting + rounds * task, _bytes(costs, left)


def _expect_pairs(bench: _Bench, left: Remaining, starting: float) -> tuple[float, float]:
    """Return the same where exact numbers for pairs are asked for: a base and a donor are read for each sample."""
    costs = bench.costs(1.0)
    plain = bench.costs(0.0)
    one, both = plain.seconds, costs.seconds
    originals = left.samples["original"]
    seconds = one.at(0) * len(left.tasks) + one.each * originals + left.samples["cutmix"] * (both.each + one.each / 2)
    return starting + seconds / bench.jobs, _bytes(costs, left)


def _bytes(costs: _Costs, left: Remaining) -> float:
    return sum(
        left.shards[kind] * costs.bytes[kind].at(left.samples[kind] / left.shards[kind])
        for kind in left.shards
        if kind in costs.bytes
    )


class _Bench:
    """Where trials are run.

    Parameters
    ----------
    ahead : New or Continue
    scanned : Scan
    jobs : int
        Workers; they stay from trial to trial.
    """

    def __init__(self, ahead: New | Continue, scanned: Scan, jobs: int) -> None:
        self.jobs = jobs
        self.pairs = bool(ahead.config.pairs)
        """Whether exact numbers for pairs are asked for."""
        self.tried: set[str] = set()
        """Images that were a base in a trial."""
        self.unreadable: dict[str, Skip] = {}
        """Those of them that could not be read, by their paths."""
        self._ahead = ahead
        self._scanned = scanned
        self._config, self._times = ahead.config.within(_PIXELS)
        self._backend = "loky" if ahead.config.backend in CLUSTERS else ahead.config.backend
        self._most = max(3, ahead.plan.num_images // max(ahead.plan.num_blocks, 1))
        self._large = _IMAGES[0]
        self._trials = 0

    def warm_up(self) -> float:
        """Start the workers; return what that took, and note how many images a task of a trial should have."""
        started = time.monotonic()
        first = self._trial(4, 1.0)
        took = time.monotonic() - started
        usual = self._trial(4, 1.0)
        self._large = int(np.clip(_SECONDS / usual.an_image, *_IMAGES))
        _log.debug("starting the workers took %.2f s; %d images a task", took, self._large)
        return max(0.0, first.wall - usual.wall)

    def costs(self, copies: float) -> _Costs:
        """Return what tasks take that make so many copies of each image."""
        large = min(self._large, self._most)
        few = self._trial(max(3, large // 5), copies)
        many = self._trial(large, copies)
        seconds = _line(few.seconds, many.seconds).times(self._times)
        sizes = {kind: _line(few.sizes[kind], many.sizes[kind]).times(self._times) for kind in many.sizes}
        return _Costs(seconds, sizes)

    def _trial(self, images: int, copies: float) -> _Trial:
        """Run tasks of about so many images."""
        self._trials += 1
        scanned = self._scanned
        sample = _sample(scanned, min(images * _TASKS * self.jobs, len(scanned)), self._trials)
        config = replace(_trial_config(self._config, copies), shard_size=max(images, 3))
        _log.info("Trying %d images.", len(sample))
        with _begun(config, sample) as run:
            work = partial(_timed, run.manifest.root, run.info.number, run.config.source, run.identity)
            tasks = range(run.plan.num_tasks)
            started = time.monotonic()
            done = list(run_tasks(work, tasks, self._backend, self.jobs))
            trial = _Trial(len(sample) / len(tasks), time.monotonic() - started, done)
            self.tried |= _bases(run)
        self.unreadable |= {skip.path: skip for skip in trial.skipped if skip.unreadable}
        return trial


class _Trial:
    """What one trial took."""

    def __init__(self, images: float, wall: float, done: list[tuple[float, list[ShardRecord]]]) -> None:
        self.wall = wall
        self.seconds = (images, sum(seconds for seconds, _ in done) / len(done))
        records = [record for _, records in done for record in records]
        self.skipped = [skip for record in records for skip in record.skipped]
        self.sizes = {
            kind: _means([record for record in records if record.kind == kind])
            for kind in {record.kind for record in records}
        }

    @property
    def an_image(self) -> float:
        """Seconds for each image of a task."""
        images, seconds = self.seconds
        return seconds / images


def _means(records: list[ShardRecord]) -> Point:
    """Return the samples that shards are planned to have, and their bytes, on average."""
    planned = sum(record.samples + len(record.skipped) for record in records)
    return planned / len(records), sum(record.bytes for record in records) / len(records)


def _bases(run: Run) -> set[str]:
    """Return the paths of the images that are a base in a run."""
    bases: set[str] = set()
    for task in map(run.plan.task, range(run.plan.num_tasks)):
        count = max((shard.count for shard in task.shards), default=0)
        if count:
            bases.update(source.path for source in run.sources(run.rows(task)[0][:count]))
    return bases


def _line(low: Point, high: Point) -> _Line:
    """Return the line through two points; where they tell no more, the one from nothing through the second."""
    (x1, y1), (x2, y2) = low, high
    each = (y2 - y1) / (x2 - x1) if x2 > x1 else 0.0
    base = y2 - each * x2
    return _Line(base, each) if each > 0 and base > 0 else _Line(0.0, y2 / max(x2, 1.0))


def _sample(scanned: Scan, count: int, trial: int) -> Scan:
    """Return some of the images: of each size as many as there are, in the order of the scan."""
    rng = streams.generator(int(scanned.sizes.sum()), (trial,))
    among = min(max(count, _SORTED), len(scanned))
    some = rng.choice(len(scanned), among, replace=False) if among < len(scanned) else np.arange(among)
    by_size = some[np.argsort(scanned.sizes[some], kind="stable")]
    steps = (np.arange(count) + rng.random()) * among / count
    chosen = np.sort(by_size[steps.astype(np.int64)])
    paths = [scanned.paths[number] for number in chosen.tolist()]
    return replace(scanned, paths=paths, labels=scanned.labels[chosen], sizes=scanned.sizes[chosen])


def _trial_config(config: GenerateConfig, copies: float) -> GenerateConfig:
    """Return a configuration that makes so many copies of each image."""
    wanted = replace(config, copies=copies or 1.0, num_samples=None, pairs=(), slice=None, force=True)
    wanted = replace(wanted, append=False, overwrite=False, license="", sidecars=False)
    if copies:
        return wanted
    mixing: dict[str, Any] = {item.name: item.default for item in fields(config) if item.name in MIXING}
    return replace(wanted, copies=0.0, **mixing)


@contextmanager
def _begun(config: GenerateConfig, sample: Scan) -> Iterator[Run]:
    """Begin a run over some images in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="cutmix-gen-") as folder:
        there = replace(config, output=Path(folder))
        try:
            run = begin_in(there, sample)
        except UsageError:  # a pairing that only the whole set can give
            run = begin_in(replace(there, pairing="random"), sample)
        yield run


def _timed(output: Place, run: int, source: Place, identity: str, task: int) -> tuple[float, list[ShardRecord]]:
    """Make the shards of a task, and tell how long that took: this is what travels to the workers."""
    with Manifest(output).held() as state:
        open_run(output, run, source, identity, state)  # what a worker of the run does once is no part of each task
    started = time.perf_counter()
    records = produce_in(output, run, source, identity, task)
    return time.perf_counter() - started, records
