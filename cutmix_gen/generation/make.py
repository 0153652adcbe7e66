"""Making a set: begin or take up a run, have its tasks done, close it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Protocol

from cutmix_gen.config import GenerateConfig
from cutmix_gen.dataset.finalize import finalize
from cutmix_gen.dataset.ledger import Ledger
from cutmix_gen.dataset.records import ShardRecord, Skip
from cutmix_gen.dataset.run import Run
from cutmix_gen.dataset.tally import Tally
from cutmix_gen.errors import SetError, TooManyFailuresError
from cutmix_gen.execute import check_installed, run_tasks
from cutmix_gen.generation.begin import begin
from cutmix_gen.generation.remaining import Remaining, remaining
from cutmix_gen.generation.space import check_room, free_bytes
from cutmix_gen.generation.task import produce_in
from cutmix_gen.text import printable

_log = logging.getLogger(__name__)


class Progress(Protocol):
    """Who wants to know how a run comes along."""

    def begin(self, done: Tally, samples: int, shards: int) -> None:
        """Take note of what the run has already, and of the samples and shards it will have after this call."""

    def add(self, record: ShardRecord) -> None:
        """Take note of a new shard."""


def generate(config: GenerateConfig, progress: Progress | None = None) -> Report:
    """Make a set as a configuration describes it, or go on where an earlier call stopped.

    Parameters
    ----------
    config : GenerateConfig
    progress : Progress, optional

    Returns
    -------
    Report
        What the run holds now and what this call added.

    Raises
    ------
    UsageError, SourceError
        If the configuration does not fit the sources or the set that is there.
    SetError
        If the output folder holds something else, or its disk has too little room.
    TooManyFailuresError
        If more sources are unreadable than the configuration allows.
    WorkerError
        If worker processes keep dying, or the engine is not installed.
    """
    started = time.monotonic()
    check_installed(config.backend)
    run = begin(config)
    with run.manifest.held(), _tidy_after_failure(run):
        rest = _rest_of(run, config)
        new = _run_tasks(run, config, rest, progress)
        return _closed(run, config, rest.so_far, new, started)


@contextmanager
def _tidy_after_failure(run: Run) -> Iterator[None]:
    try:
        yield
    except BaseException:
        run.manifest.remove_leftovers()  # of workers that were stopped: a full disk needs the room
        raise


@dataclass(frozen=True, slots=True)
class _Rest:
    """Where a run stands, and what is left to make of it in this slice."""

    so_far: Tally
    """Of the run's shards that are there; those that are made now are added."""
    done: set[int]
    """The shards that are there, of any run."""
    left: Remaining


def _rest_of(run: Run, config: GenerateConfig) -> _Rest:
    """Work out what is left to make of a run, and check that it can be made."""
    if config.license:
        run.manifest.write_license(config.license)
    Ledger(run.manifest).compact()
    so_far = Tally(len(run.set.classes))
    done = _committed(run, so_far)
    left = remaining(run.plan, done, config.task_slice)
    if left.tasks:
        run.manifest.check_index(run.info)
    if so_far.total:  # what is left takes as much as what is there of its kind
        sizes = {kind: so_far.kind_bytes[kind] / max(count, 1) for kind, count in so_far.samples.items()}
        needed = sum(count * sizes[kind] for kind, count in left.samples.items())
        check_room(config, needed, free_bytes(config.output))
    _check_failures(run, config, so_far)
    _log.info("Run %d lacks %d of its %d shards.", run.info.number, left.shards.total(), run.info.shards)
    return _Rest(so_far, done, left)


def _run_tasks(run: Run, config: GenerateConfig, rest: _Rest, progress: Progress | None) -> Tally:
    """Have the tasks done that are left; return a tally of the new shards."""
    so_far, left, new = rest.so_far, rest.left, Tally(len(run.set.classes))
    if progress:
        progress.begin(so_far, so_far.total + left.samples.total(), so_far.shards + left.shards.total())
    work = partial(produce_in, config.output, run.info.number, run.config.source, run.identity)
    with closing(run_tasks(work, left.tasks, config.backend, config.jobs, config.address)) as results:
        for record in chain.from_iterable(results):
            if record.shard not in rest.done:
                so_far.add(record)
                new.add(record)
                _log.info("Committed %s: %d samples.", record.file, record.samples)
                if progress:
                    progress.add(record)
                _check_failures(run, config, so_far)
    return new


def _closed(run: Run, config: GenerateConfig, so_far: Tally, new: Tally, started: float) -> Report:
    """Close the set if nothing is missing, and report on the run as it stands now: others may have added to it."""
    now = Tally(len(run.set.classes))
    there = _committed(run, now)
    _check_failures(run, config, now)
    missing = [shard for shard in run.manifest.planned_shards() if shard not in there]
    is_complete = now.shards == run.info.shards
    if is_complete:
        missing = finalize(config.output, sidecars=config.sidecars)
    ours = sum(shard in run.info.planned_shards for shard in missing)
    gone = ours if is_complete else so_far.shards - now.shards
    if gone > 0:
        raise SetError(
            f"Of the shards of this run that were made, {gone} are gone from {run.manifest.root} again: files were "
            "removed there while the run was at work. Give the same command again; it makes what is missing."
        )
    return Report(
        samples=now.total,
        shards=now.shards,
        bytes=now.bytes,
        new_samples=new.total,
        new_shards=new.shards,
        new_bytes=new.bytes,
        seconds=time.monotonic() - started,
        converted=now.converted,
        animated=now.animated,
        skipped=now.skipped,
        lost_samples=now.lost.total(),
        passed_over=run.info.passed_over,
        complete=is_complete,
        missing=ours,
        missing_elsewhere=len(missing) - ours,
    )


def _committed(run: Run, tally: Tally) -> set[int]:
    """Return the shards of the set that are committed, and add the records of those of a run to a tally."""
    planned, shards = run.info.planned_shards, set()
    for record in Ledger(run.manifest).valid():
        shards.add(record.shard)
        if record.shard in planned:
            tally.add(record)
    return shards


def _check_failures(run: Run, config: GenerateConfig, tally: Tally) -> None:
    allowed = config.failures.of(run.info.num_images)
    if tally.unreadable > allowed:
        raise too_many_failures(tally.skipped, allowed)


def too_many_failures(skipped: Sequence[Skip], allowed: int) -> TooManyFailuresError:
    """Return the error for more sources that could not be read than are allowed."""
    unreadable = [skip for skip in skipped if skip.unreadable]
    first = "".join(f"\n  {printable(skip.path)}: {printable(skip.reason)}" for skip in unreadable[:5])
    which = "They are" if len(unreadable) <= 5 else "The first ones are"
    return TooManyFailuresError(
        f"{len(unreadable)} of the source images could not be read, more than --max-failures allows ({allowed}). "
        f"{which}:{first}\nAccept them with --max-failures {len(unreadable)} or more, or mend or remove them and give "
        "--overwrite to start again; until then what is committed stays."
    )


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
