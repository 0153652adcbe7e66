"""Dropping what is bad, so that `generate` makes it again."""

from __future__ import annotations

from collections.abc import Sequence

from cutmix_gen.checking.problem import Problem
from cutmix_gen.dataset.card import write_card
from cutmix_gen.dataset.info import RunInfo
from cutmix_gen.dataset.layout import RECORDS, RUNS, SIDECAR, shard_at
from cutmix_gen.dataset.ledger import Ledger
from cutmix_gen.dataset.manifest import Manifest
from cutmix_gen.dataset.sidecars import has_sidecars, shard_list, shard_list_text
from cutmix_gen.storage import Place, put_bytes

RECORD_GONE = "the commit record of this shard is gone"
"""Also what a shard is like for a moment before it is committed."""
_UNTOLD = ("description", "stranger")
"""Kinds of problems with which no card can be written: nobody knows what the records say."""


def repair(output: Place, problems: Sequence[Problem]) -> list[str]:
    """Drop the records and files of shards that have problems which making them again mends, and bad index files.

    A bad copy of the records goes too.

    Nothing else is touched: what describes the set cannot be made again, files of others are others', and a shard
    whose sources are gone could not be made again.

    Parameters
    ----------
    output : Place
    problems : sequence of Problem
        As `verify` found them.

    Raises
    ------
    SetError
        If another process is at work on the set.

    Returns
    -------
    list of str
        The files of the dropped shards, and dropped index files, relative to the set.
    """
    manifest = Manifest(output)
    with manifest.left_alone("repaired"):
        return _dropped(manifest, [problem for problem in problems if not _is_mended(manifest, problem)])


def _is_mended(manifest: Manifest, problem: Problem) -> bool:
    """Tell whether a record that was gone is there: a run has committed the shard since."""
    shard = shard_at(problem.shard)
    return problem.problem == RECORD_GONE and shard is not None and manifest.record(shard) is not None


def _dropped(manifest: Manifest, problems: Sequence[Problem]) -> list[str]:
    found = {shard_at(problem.shard) for problem in problems if problem.kind == "shard"}
    shards = sorted(shard for shard in found if shard is not None)
    indexes = [
        problem.shard for problem in problems if problem.kind == "card" and problem.shard.endswith(f".{SIDECAR}")
    ]
    damaged = {problem.shard for problem in problems if problem.kind == "description"}
    numbers = [number for number in manifest.run_numbers() if RUNS.path(number) not in damaged]
    runs = [manifest.read_run(number) for number in numbers] if shards else []
    dropped = [_drop(manifest, runs, shard) for shard in shards]
    for name in indexes:
        (manifest.root / name).unlink(missing_ok=True)
    if any(problem.kind == "copy" for problem in problems):
        Ledger(manifest).drop_copy()
    if dropped and not any(problem.kind in _UNTOLD for problem in problems):
        _tell(manifest)
    return [*dropped, *indexes]


def _tell(manifest: Manifest) -> None:
    """Have the card and the list of shards, where there are such, count no shard that is gone."""
    if manifest.has_card():
        write_card(manifest)
    if has_sidecars(manifest):
        put_bytes(shard_list(manifest), shard_list_text(manifest))


def _drop(manifest: Manifest, runs: list[RunInfo], shard: int) -> str:
    """Drop a shard: its record first, so that there is never a record without its file."""
    manifest.record_path(shard).unlink(missing_ok=True)
    info = manifest.read_set()
    for run in runs:
        if shard in run.planned_shards:
            file = run.shard_file(shard, info.shard_extension)
            for name in (file, run.shard_file(shard, SIDECAR)):
                (manifest.root / name).unlink(missing_ok=True)
            return file
    return RECORDS.path(shard)
