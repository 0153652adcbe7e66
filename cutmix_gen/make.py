"""Making a set: begin or take up a run, have its tasks done, close it."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from itertools import chain
from typing import Protocol

from cutmix_gen.begin import begin
from cutmix_gen.card import told_of, write_card
from cutmix_gen.config import GenerateConfig
from cutmix_gen.errors import SetError, TooManyFailuresError
from cutmix_gen.execute import check_installed, run_tasks
from cutmix_gen.ledger import Ledger
from cutmix_gen.manifest import Manifest
from cutmix_gen.plan import Run
from cutmix_gen.produce import produce_in
from cutmix_gen.records import Report, ShardRecord, Skip
from cutmix_gen.remaining import Remaining, remaining
from cutmix_gen.sidecars import has_sidecars, write_sidecars
from cutmix_gen.space import free_bytes, too_little
from cutmix_gen.storage import Place
from cutmix_gen.tally import Tally
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
    with run.manifest.held():
        try:
            return _made(run, config, progress, started)
        except BaseException:
            run.manifest.remove_leftovers()  # of workers that were stopped: a full disk needs the room
            raise


def _made(run: Run, config: GenerateConfig, progress: Progress | None, started: float) -> Report:
    if config.license:
        run.manifest.write_license(config.license)
    Ledger(run.manifest).compact()
    so_far, new = Tally(len(run.set.classes)), Tally(len(run.set.classes))
    done = _committed(run, so_far)
    left = remaining(run.plan, done, config.task_slice)
    if left.tasks:
        run.manifest.check_index(run.info)
    missing = left.shards.total()
    _check_space(config, so_far, left)
    _log.info("Run %d lacks %d of its %d shards.", run.info.number, missing, run.info.shards)
    if progress:
        progress.begin(so_far, so_far.total + left.samples.total(), so_far.shards + missing)
    work = partial(produce_in, config.output, run.info.number, run.config.source, run.identity)
    allowed = config.failures.of(run.info.num_images)
    _check_failures(so_far, allowed)
    with closing(run_tasks(work, left.tasks, config.backend, config.jobs, config.address)) as results:
        for record in chain.from_iterable(results):
            if record.shard not in done:
                so_far.add(record)
                new.add(record)
                _log.info("Committed %s: %d samples.", record.file, record.samples)
                if progress:
                    progress.add(record)
                _check_failures(so_far, allowed)
    return _closed(run, config, so_far, new, started)


def _closed(run: Run, config: GenerateConfig, so_far: Tally, new: Tally, started: float) -> Report:
    """Close the set if nothing is missing, and report on the run as it stands now: others may have added to it."""
    now = Tally(len(run.set.classes))
    there = _committed(run, now)
    _check_failures(now, config.failures.of(run.info.num_images))
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


def finalize(output: Place, *, license_name: str = "", sidecars: bool = False) -> list[int]:
    """Close a set: write its card and metadata if every shard of every run is there.

    Parameters
    ----------
    output : Place
    license_name : str
        Of the images, for the card; by default what was given before.
    sidecars : bool
        Write a list of the shards and index files for DALI too; once written they are kept up to date.

    Returns
    -------
    list of int
        The numbers of the shards that are missing; the card is written only if there are none.

    Raises
    ------
    SetError
        If there is no set.
    """
    manifest = Manifest(output)
    manifest.read_set()
    manifest.check_folders()
    if license_name:
        manifest.write_license(license_name)
    ledger = Ledger(manifest)
    ledger.compact()
    records = told_of(ledger.valid())
    there = {record.shard for record in records}
    missing = [shard for shard in manifest.planned_shards() if shard not in there]
    if not missing:
        manifest.remove_leftovers()
        _log.info("Writing the card.")
        write_card(manifest, records)
        if sidecars or has_sidecars(manifest):
            write_sidecars(manifest)
    return missing


def _committed(run: Run, tally: Tally) -> set[int]:
    """Return the shards of the set that are committed, and add the records of those of a run to a tally."""
    planned, shards = run.info.planned_shards, set()
    for record in Ledger(run.manifest).valid():
        shards.add(record.shard)
        if record.shard in planned:
            tally.add(record)
    return shards


def _check_space(config: GenerateConfig, tally: Tally, left: Remaining) -> None:
    """Raise an error if the disk cannot hold the rest of a run, should it be like what there is of its kind."""
    free = None if config.force or not tally.total else free_bytes(config.output)
    needed = sum(count * tally.kind_bytes[kind] / max(tally.samples[kind], 1) for kind, count in left.samples.items())
    if free is not None and needed > free:
        raise too_little(config.output, needed, free)


def _check_failures(tally: Tally, allowed: int) -> None:
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
