"""Deleting a set: the files that are its own, and no others."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress

from cutmix_gen.dataset.info import RunInfo
from cutmix_gen.dataset.layout import (
    CARD,
    DATA,
    FOLDERS,
    INDEXES,
    LEDGER,
    LEDGER_DIGEST,
    LICENSE,
    METADATA,
    RECORDS,
    RUNS,
    SET,
    SHARD_LIST,
    SIDECAR,
    DataFile,
)
from cutmix_gen.dataset.manifest import Manifest, is_planned
from cutmix_gen.errors import SetError
from cutmix_gen.shards import shard_format
from cutmix_gen.storage import Place, stamps, writing

_log = logging.getLogger(__name__)

_NAMED = 5
"""Files of others that are named at most; the rest are counted."""


def delete_set(manifest: Manifest) -> None:
    """Delete a set: what its runs and records name. What else lies in its folders stays, and is named in the log.

    `dataset.json` goes last, so that a deletion that was cut short can be taken up again.

    Raises
    ------
    SetError
        If another process is at work on the set, or a folder of it is a link.
    """
    with manifest.left_alone("replaced"):
        for path in list(_own_files(manifest)):
            with writing(path):
                path.unlink(missing_ok=True)
        left = sorted(set(_visible_files(manifest)) - {SET})
        if left:
            more = f" and {len(left) - _NAMED:,} more" if len(left) > _NAMED else ""
            _log.warning(
                "%s holds files that are none of the set's; they stay: %s%s.",
                manifest.root,
                ", ".join(left[:_NAMED]),
                more,
            )
        with writing(manifest.root / SET):
            (manifest.root / SET).unlink(missing_ok=True)


def _own_files(manifest: Manifest) -> Iterator[Place]:
    """Give all files of a set but `dataset.json`; shards before what names them."""
    runs = list(_sound_runs(manifest))
    extensions = [shard_format(run.config_in(manifest.root).format).extension for run in runs]
    named = set(_named_by_records(manifest, runs))
    for path in manifest.data_files():
        planned = any(is_planned(path.name, [run], each) for run, each in zip(runs, extensions, strict=True))
        if planned or f"{DATA}/{path.name}" in named:
            yield path
    for files in (RECORDS, RUNS, INDEXES):
        yield from (path for path in (manifest.root / files.folder).glob("*") if files.number(path.name) is not None)
    for name in (CARD, METADATA, SHARD_LIST, LICENSE, LEDGER, LEDGER_DIGEST):
        yield manifest.root / name


def _sound_runs(manifest: Manifest) -> Iterator[RunInfo]:
    for number in manifest.run_numbers():
        with suppress(SetError):  # a damaged set is one of the reasons to replace it
            yield manifest.read_run(number)


def _named_by_records(manifest: Manifest, runs: list[RunInfo]) -> Iterator[str]:
    """Give the files of the shards that no sound run speaks of."""
    for shard in manifest.record_numbers():
        head = None if any(shard in run.planned_shards for run in runs) else manifest.head(shard)
        file = DataFile.parse(head.file) if head else None
        if file:
            yield from (file.path, file.shard.path(SIDECAR))


def _visible_files(manifest: Manifest) -> Iterator[str]:
    for folder in FOLDERS:
        yield from (f"{folder}/{name}" for name in stamps(manifest.root / folder) if not name.startswith("."))
