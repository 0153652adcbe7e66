"""Checking a set: its description, its shards, its samples; and dropping what is bad, to be made again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

from cutmix_gen.checking.again import Replays, check_sources, drawn_samples, replay_sample
from cutmix_gen.checking.description import beside_problems, check_runs, copy_problems, made_shards, stranger_problems
from cutmix_gen.checking.problem import Problem
from cutmix_gen.checking.repair import repair
from cutmix_gen.checking.shard import ShardCheck, check_shard
from cutmix_gen.codecs import MAX_PIXELS
from cutmix_gen.dataset.layout import SET
from cutmix_gen.dataset.manifest import Manifest
from cutmix_gen.errors import SetError
from cutmix_gen.execute import TaskProgress, run_tasks
from cutmix_gen.execute.engines import usable_cores
from cutmix_gen.storage import Place

__all__ = ["Replays", "Verification", "repair", "verify"]


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found."""

    shards: int
    """Shards that were checked."""
    samples: int
    problems: list[Problem]
    replayed: int = 0
    """Samples that were made again and compared."""

    @property
    def ok(self) -> bool:
        """Whether nothing was found wrong."""
        return not self.problems


def verify(  # noqa: PLR0913  all but the first are named
    output: Place,
    *,
    deep: bool = False,
    jobs: int | None = None,
    replays: Replays | None = None,
    progress: TaskProgress | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Verification:
    """Check a set: that its description is whole, and that every shard is what the description says.

    Each shard is there, has the bytes and the samples that its record says, follows the schema, and the label of
    each sample is the one that its recipe gives.

    Parameters
    ----------
    output : Place
    deep : bool
        Decode every image too, and look every donor up in the source index.
    jobs : int, optional
        Processes to work with; by default the usable cores.
    replays : Replays, optional
        Samples to make again from the sources, and to compare byte for byte.
    progress : TaskProgress, optional
        Told of the shards, and of the samples that are made again.
    max_pixels : int, optional
        No larger image is decoded, whatever the set allows itself. [default: 250,000,000]

    Raises
    ------
    SetError
        If there is no set.
    UsageError
        If samples are to be made again from a store that the set alone names.
    """
    manifest = Manifest(output)
    try:
        manifest.read_set()
    except SetError as error:
        if not manifest.exists():
            raise
        return Verification(0, 0, [Problem(SET, "", str(error), "description")])
    runs, problems = check_runs(manifest)
    made, unfinished = made_shards(manifest, runs.sound)
    problems += unfinished
    drawn = drawn_samples(output, replays) if replays else []
    if replays:
        check_sources(output, replays, [run for run in runs.sound if any(each.run == run.number for each in drawn)])
    if progress:
        progress.start(len(made) + len(drawn))
    check = partial(check_shard, ShardCheck(output, deep, max_pixels, runs.unindexed, uuid4().hex))
    samples = 0
    for checked in run_tasks(check, made, "loky", jobs or usable_cores()):
        samples += checked.samples
        problems += checked.problems
        if progress:
            progress.advance(1)
    problems += stranger_problems(manifest, runs)
    problems += copy_problems(manifest)
    replayed = 0
    if replays:
        bad = {problem.shard for problem in problems}
        sound = [sample.number for sample in drawn if sample.file not in bad and sample.run not in runs.unindexed]
        again = partial(replay_sample, output, replays.source, max_pixels, uuid4().hex)
        for problem in _advancing(run_tasks(again, sound, "loky", jobs or usable_cores()), progress):
            problems += [problem] if problem else []
            replayed += problem is None or problem.kind != "source"  # without its sources nothing is compared
    if not any(problem.kind in _INCOMPLETE for problem in problems):
        problems += beside_problems(manifest)
    problems.sort(key=lambda problem: (problem.shard, problem.key))
    return Verification(len(made), samples, problems, replayed)


_INCOMPLETE = ("description", "shard", "stranger", "unfinished")
"""Kinds of problems with which a set's card need not agree with the records."""


def _advancing(results: Iterator[Problem | None], progress: TaskProgress | None) -> Iterator[Problem | None]:
    for result in results:
        if progress:
            progress.advance(1)
        yield result
