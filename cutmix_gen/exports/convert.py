"""The same set in another shard format: rows move, images stay the bytes that they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from cutmix_gen.dataset.finalize import finalize
from cutmix_gen.dataset.info import RunInfo
from cutmix_gen.dataset.ledger import Ledger
from cutmix_gen.dataset.manifest import Manifest
from cutmix_gen.dataset.records import ShardRecord
from cutmix_gen.dataset.sidecars import has_sidecars
from cutmix_gen.errors import SetError, UsageError
from cutmix_gen.execute import TaskProgress, run_counted
from cutmix_gen.generation.placement import check_apart, is_remnant
from cutmix_gen.shards import checked, shard_format
from cutmix_gen.shards.rows import Rows
from cutmix_gen.storage import Place, atomic_file, local_copy, put_bytes, sha256, writing


class Conversion(NamedTuple):
    """What a set in another format has."""

    samples: int
    new_shards: int
    """Shards that were not there before."""


def convert_set(
    output: Place, new: Place, format_name: str, jobs: int | None = None, progress: TaskProgress | None = None
) -> Conversion:
    """Write a finished set in another shard format, or go on where an earlier call stopped.

    The new set is the one that `generate` would have made in that format: it can be verified, appended to and
    converted back.

    Parameters
    ----------
    output : Place
        The folder of the set.
    new : Place
        The folder of the new one.
    format_name : str
    jobs : int, optional
        Processes to work with; by default the usable cores.
    progress : TaskProgress, optional
        Told of the shards.

    Returns
    -------
    Conversion

    Raises
    ------
    SetError
        If there is no finished set, or a shard of it is damaged, or there is something else in the new folder.
    UsageError
        If the set has that format already.
    """
    manifest = Manifest(output)
    info = manifest.read_set()
    if info.shard_format == format_name:
        raise UsageError(f"{output} is a set in {format_name} already. Give another --format.")
    check_apart(manifest, new, "NEW")
    shards = Ledger(manifest).finished_shards("converted")
    _begin(manifest, new, format_name)
    with manifest.held(), Manifest(new).held():
        try:
            parts = list(run_counted(partial(_convert_shard, output, new), shards, jobs, progress))
        except BaseException:
            Manifest(new).remove_leftovers()  # of workers that were stopped
            raise
    finalize(new, license_name=manifest.read_license(), sidecars=has_sidecars(manifest))
    return Conversion(sum(part.samples for part in parts), sum(part.new_shards for part in parts))


def _begin(old: Manifest, new: Place, format_name: str) -> None:
    """Write what the new set is, and the runs that it has."""
    fresh = Manifest(new)
    info = replace(old.read_set(), shard_format=format_name)
    if not fresh.exists() and new.is_dir() and any(not is_remnant(path) for path in new.iterdir()):
        raise SetError(f"NEW must be a new or empty folder, but {new} holds other files. Give another folder.")
    fresh.check_folders()
    with fresh.beginning():
        if not fresh.write_set(info) and fresh.read_set() != info:
            raise SetError(_other_set(new))
        for run in old.runs():
            _add_run(old, fresh, run, format_name)


def _add_run(old: Manifest, fresh: Manifest, run: RunInfo, format_name: str) -> None:
    """Write a run of the new set and its source index, unless an earlier call has done that."""
    old.check_index(run)
    converted = _converted(run, old.root, format_name)
    if run.number not in fresh.run_numbers():
        with local_copy(old.index_path(run.number)) as index:
            put_bytes(fresh.index_path(run.number), index.read_bytes())
        fresh.add_run(converted)
    if fresh.read_run(run.number) != converted:
        raise SetError(_other_set(fresh.root))


def _other_set(new: Place) -> str:
    return f"{new} holds another set. Give another folder, or delete it first."


def _converted(run: RunInfo, output: Place, format_name: str) -> RunInfo:
    converted = replace(run, config=run.config | {"format": format_name})
    return replace(converted, digest=converted.config_in(output).digest())


def _convert_shard(output: Place, new: Place, shard: int) -> Conversion:
    """Convert one shard unless that was done before."""
    old, fresh = Manifest(output), Manifest(new)
    there = fresh.record(shard)
    if there is not None:
        return Conversion(there.samples, 0)
    record = old.read_record(shard)
    with local_copy(output / record.file) as path:
        if sha256(path) != record.sha256:
            raise SetError(f"{record.file} of {output} was changed or damaged. `cutmix-gen verify` says more.")
        info = old.read_set()
        _write(fresh, record, shard_format(info.shard_format).read(path, info.schema))
    return Conversion(record.samples, 1)


def _write(fresh: Manifest, record: ShardRecord, rows: Iterator[Rows]) -> None:
    """Write rows as a shard of the new set, and its record."""
    info = fresh.read_set()
    name = fresh.read_run(record.run).shard_file(record.shard, info.shard_extension)
    file = atomic_file(fresh.root / name)
    try:
        with writing(file.path):
            writer = shard_format(info.shard_format).open_writer(file.temporary, info.schema)
        try:
            for part in rows:
                sound = checked(part, info.schema, record.file)
                with writing(file.path):
                    writer.write(sound)
        finally:
            with writing(file.path):
                writer.close()
        size, digest = file.temporary.stat().st_size, sha256(file.temporary)
        file.commit()
    finally:
        file.discard()
    fresh.commit(replace(record, file=name, bytes=size, sha256=digest), writer.index())
