"""Checking what a set says of itself: its runs, their source indexes, the files beside the shards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from cutmix_gen.checking.problem import Problem
from cutmix_gen.dataset.card import card_files
from cutmix_gen.dataset.info import RunInfo
from cutmix_gen.dataset.layout import DATA, INDEXES, LEDGER, LICENSE, RECORDS, RUNS, DataFile
from cutmix_gen.dataset.ledger import Ledger
from cutmix_gen.dataset.manifest import Manifest
from cutmix_gen.dataset.run import Run
from cutmix_gen.dataset.sidecars import has_sidecars, shard_list, shard_list_text
from cutmix_gen.errors import CutMixGenError, SetError
from cutmix_gen.machine import check_machine
from cutmix_gen.storage import read_bytes, stamps


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs of a set, as far as they can be relied on."""

    sound: list[RunInfo]
    """Those whose file is whole."""
    unindexed: frozenset[int]
    """Numbers of those whose source index is damaged or gone."""
    all_sound: bool


def check_runs(manifest: Manifest) -> tuple[Runs, list[Problem]]:
    """Check the files of all runs, and that the numbers of their shards follow on each other."""
    problems: list[Problem] = []
    sound: list[RunInfo] = []
    unindexed: set[int] = set()
    numbers = manifest.run_numbers()
    if not numbers:
        problems.append(Problem(RUNS.path(1), "", "no run was begun; the generate command goes on", "unfinished"))
    next_shard = 0
    for before, number in pairwise([0, *numbers]):
        if number - before > 1:
            text = "the file of this run is gone" + (f", and those up to run {number - 1}" * (number - before > 2))
            problems.append(Problem(RUNS.path(before + 1), "", text, "description"))
        try:
            run = _checked_run(manifest, number)
            if len(sound) == number - 1 and run.first_shard != next_shard:
                raise SetError(f"its shards begin at {run.first_shard}, they must follow on {next_shard - 1}")
        except (CutMixGenError, OSError) as error:
            check_machine(error)
            problems.append(Problem(RUNS.path(number), "", str(error), "description"))
            continue
        sound.append(run)
        next_shard = run.first_shard + run.shards
        try:
            manifest.check_index(run)
        except SetError as error:
            unindexed.add(number)
            problems.append(Problem(INDEXES.path(number), "", str(error), "description"))
    return Runs(sound, frozenset(unindexed), len(sound) == max(numbers, default=0) > 0), problems


def _checked_run(manifest: Manifest, number: int) -> RunInfo:
    """Return a run that agrees with its own plan."""
    run = Run(manifest.root, number)
    if run.info.digest != run.config.digest():
        raise SetError(f"its digest is {run.info.digest}, by its configuration it is {run.config.digest()}")
    return run.info


def made_shards(manifest: Manifest, runs: list[RunInfo]) -> tuple[list[int], list[Problem]]:
    """Return the shards of which there is anything, and a problem for each run that is not finished."""
    extension = manifest.read_set().shard_extension
    records = set(manifest.record_numbers())
    files = [file for name in stamps(manifest.root / DATA) if (file := DataFile.parse(f"{DATA}/{name}"))]
    shards: list[int] = []
    problems = []
    for run in runs:
        own = {file.shard.number for file in files if file.path == run.shard_file(file.shard.number, extension)}
        made = sorted(shard for shard in records | own if shard in run.planned_shards)
        if len(made) < run.shards:
            text = f"{len(made):,} of {run.shards:,} shards of run {run.number} are made; the generate command goes on"
            problems.append(Problem(RUNS.path(run.number), "", text, "unfinished"))
        shards += made
    return shards, problems


def stranger_problems(manifest: Manifest, runs: Runs) -> Iterator[Problem]:
    """Give what belongs to no run: files in the data folder, commit records."""
    if not runs.all_sound:
        return  # nobody can say what belongs to a run that cannot be read
    for path in manifest.stray_files():
        yield Problem(f"{DATA}/{path.name}", "", "this is no shard of the set", "stranger")
    for shard in manifest.record_numbers():
        if not any(shard in run.planned_shards for run in runs.sound):
            text = "no run of the set has such a shard: is the file of a run gone?"
            yield Problem(RECORDS.path(shard), "", text, "stranger")


def copy_problems(manifest: Manifest) -> Iterator[Problem]:
    """Compare the copy of the commit records with them."""
    problem = Ledger(manifest).copy_problem()
    if problem:
        yield Problem(LEDGER, "", problem, "copy")


def beside_problems(manifest: Manifest) -> Iterator[Problem]:
    """Check the card, the metadata and the list of shards of a finished set: all follow from the records."""
    try:
        expected = dict(card_files(manifest))
        if has_sidecars(manifest):
            expected[shard_list(manifest).name] = shard_list_text(manifest)
    except SetError as error:  # the file that keeps the licence
        yield Problem(LICENSE, "", f"{error} Give the licence again: finalize --license", "card")
        return
    for name, content in expected.items():
        path = manifest.root / name
        if not path.is_file():
            yield Problem(name, "", "the file is missing", "card")
        elif read_bytes(path, len(content)) != content:
            text = "it is not what the records give: damaged, changed by hand, or written by another version"
            yield Problem(name, "", text, "card")
    if has_sidecars(manifest):
        yield from _index_problems(manifest)


def _index_problems(manifest: Manifest) -> Iterator[Problem]:
    """Give the index files that are missing beside tar shards: a run that is at work has none yet."""
    there = stamps(manifest.root / DATA)
    for record in Ledger(manifest).records():
        index = manifest.sidecar_path(record).name
        if record.file.endswith(".tar") and index not in there:
            yield Problem(f"{DATA}/{index}", "", "the file is missing", "card")
