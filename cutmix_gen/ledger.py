"""All commit records of a set, without opening as many files.

The records of a large set are copied into one Parquet file. It is a copy and nothing more: of a record that is newer
than it, of another size than then, or not in it, the file is read; a record that is gone counts as gone.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from functools import cached_property
from heapq import merge
from itertools import chain, islice
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from cutmix_gen.errors import SetError
from cutmix_gen.facts import fits
from cutmix_gen.layout import DATA, LEDGER_DIGEST, RECORDS
from cutmix_gen.manifest import Manifest, is_shard_file
from cutmix_gen.records import LAM_BINS, ShardHead, ShardRecord, Skip
from cutmix_gen.storage import Place, Stamp, atomic_file, local_copy, put_bytes, read_ahead, sha256, stamps

_log = logging.getLogger(__name__)

WORTH_IT = 1000
"""Records that the copy lacks before it is made anew: fewer are read in a moment."""
_GROUP = 1000
"""Records of a row group: so many are in memory at a time."""
_SCHEMA = pa.schema(
    [
        ("shard", pa.int64()),
        ("file", pa.string()),
        ("run", pa.int32()),
        ("kind", pa.string()),
        ("copy", pa.int32()),
        ("samples", pa.int64()),
        ("bytes", pa.int64()),
        ("sha256", pa.string()),
        ("class_weight", pa.list_(pa.float64())),
        ("lam_histogram", pa.list_(pa.int64())),
        ("strategies", pa.string()),
        ("converted", pa.int64()),
        ("animated", pa.int64()),
        ("skipped", pa.string()),
        ("record_bytes", pa.int64()),
    ]
)
_WHOLE = 1 << 53
"""Beyond it a number of JSON is not exact: no record has such a one."""
Row = TypeVar("Row", ShardRecord, ShardHead)

_AS_JSON = ("strategies", "skipped")
_LISTS = ("class_weight", "lam_histogram")
"""Of the same length in all records of a set."""


class Ledger:
    """The commit records of a set as they are when it is opened.

    Parameters
    ----------
    manifest : Manifest
    """

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._found = {
            shard: stamp
            for name, stamp in stamps(manifest.shards_home).items()
            if (shard := RECORDS.number(name)) is not None
        }

    def records(self) -> Iterator[ShardRecord]:
        """Read all records, in the order of the shards, whether their files are there or not.

        Raises
        ------
        SetError
            If a record is damaged.
        """
        return self._read(self._manifest.read_record, _records)

    def valid(self) -> Iterator[ShardRecord]:
        """Read the records whose shard file is there with the size on record, in the order of the shards."""
        return filter(self.has_file, self._read(self._undamaged, _records))

    def heads(self) -> Iterator[ShardHead]:
        """Read the first part of these records: ten times as fast as all of it."""
        return filter(self.has_file, self._read(self._manifest.head, _heads, ShardHead._fields))

    def finished_shards(self, done: str) -> list[int]:
        """Return the numbers of all shards of a set that is finished, as it must be before something is done with it.

        Raises
        ------
        SetError
            If shards are missing.
        """
        shards = self._manifest.planned_shards()
        missing = len(set(shards) - {head.shard for head in self.heads()})
        if missing:
            raise SetError(
                f"A set must be finished before it is {done}, but {missing} shards of {self._manifest.root} are "
                "missing. Run the command that made it again."
            )
        return shards

    def has_file(self, record: ShardRecord | ShardHead) -> bool:
        """Tell whether the file of a shard is there with the size on record; the folder is listed once for all."""
        shard = self._shards.get(record.file.removeprefix(f"{DATA}/"))
        return shard is not None and record.samples <= shard.size == record.bytes

    @cached_property
    def _shards(self) -> dict[str, Stamp]:
        return stamps(self._manifest.root / DATA)

    def compact(self) -> None:
        """Copy the records into one file, unless the one that is there has nearly all of them."""
        with _copy_of(self._manifest.ledger_path) as path:
            lacking = len(self._found) - len(self._copied_in(path))
        if lacking < WORTH_IT:
            return
        file = atomic_file(self._manifest.ledger_path)
        try:
            with pq.ParquetWriter(file.temporary, _SCHEMA, compression="zstd") as writer:
                for rows in _groups(map(self._row, self._read(self._undamaged, _records))):
                    writer.write_table(pa.Table.from_pylist(rows, _SCHEMA))
            digest = sha256(file.temporary)
            file.commit()
            put_bytes(self._digest_path, digest.encode())
        finally:
            file.discard()

    def _row(self, record: ShardRecord) -> dict[str, Any]:
        facts = asdict(record)
        as_json = {name: json.dumps(facts[name]) for name in _AS_JSON}
        return facts | as_json | {"record_bytes": self._found[record.shard].size}

    def _undamaged(self, shard: int) -> ShardRecord | None:
        try:
            return self._manifest.read_record(shard)
        except (FileNotFoundError, SetError):
            return None

    def _read(
        self,
        read: Callable[[int], Row | None],
        made_of: Callable[[pa.Table], Iterator[Row]],
        columns: Sequence[str] = _SCHEMA.names,
    ) -> Iterator[Row]:
        """Give what is in the copy, and what has to be read beside it."""
        with _copy_of(self._manifest.ledger_path) as path:
            copied = self._copied_in(path)
            others = [shard for shard in sorted(self._found) if shard not in copied]
            beside = (record for record in read_ahead(read, others, self._manifest.root) if record is not None)
            in_copy = _from_copy(path, copied, made_of, columns)
            yield from merge(in_copy, beside, key=attrgetter("shard"))

    def _copied_in(self, path: Path | None) -> set[int]:
        """Return the shards whose records are in the copy as they are now."""
        if path is None:
            return set()
        if not self._digest_path.is_file() or self._digest_path.read_bytes() != sha256(path).encode():
            _log.warning("%s is damaged; the commit records are read one by one.", self._manifest.ledger_path)
            return set()
        with _damage(path):
            table = pq.read_table(path, columns=["shard", "record_bytes"])
        written = stamps(self._manifest.ledger_path.parent)[self._manifest.ledger_path.name].changed
        then = zip(table["shard"].to_pylist(), table["record_bytes"].to_pylist(), strict=True)
        return {shard for shard, size in then if _is_same(self._found.get(shard), size, written)}

    @property
    def _digest_path(self) -> Place:
        return self._manifest.root / LEDGER_DIGEST


def _from_copy(
    path: Path | None, shards: set[int], made_of: Callable[[pa.Table], Iterator[Row]], columns: Sequence[str]
) -> Iterator[Row]:
    if path is None or not shards:
        return
    with _damage(path), pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=list(columns), use_threads=False)
            _check(table)
            yield from (record for record in made_of(table) if record.shard in shards)


def _check(table: pa.Table) -> None:
    """Raise `ValueError` for what no commit record holds, as `Manifest.read_record` does of a single one."""
    for name, column in zip(table.column_names, table.columns, strict=True):
        if column.type != _SCHEMA.field(name).type:
            raise ValueError(f"{name} is of type {column.type}")
        values = column.combine_chunks()
        inner = values.flatten() if name in _LISTS else values
        if values.null_count or inner.null_count:
            raise ValueError("a field is null")
        if not pa.types.is_string(inner.type):
            numbers = inner.to_numpy()
            if not ((numbers >= 0) & (numbers < _WHOLE)).all():
                raise ValueError(f"{name} has a number that no record has")
    wrong = next((file for file in table["file"].to_pylist() if not is_shard_file(file)), None)
    if wrong is not None:
        raise ValueError(f"it names the file {wrong[:100]!r}, which is no shard of this set")


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Say of a copy that holds something else where it lies: a set may come from anywhere."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise SetError(f"{path} must hold copies of commit records, but: {error}. Delete it.") from error


def _is_same(stamp: Stamp | None, size: int, written: int) -> bool:
    return stamp is not None and stamp.size == size and stamp.changed < written


@contextmanager
def _copy_of(where: Place) -> Iterator[Path | None]:
    """Give a local file of a place's content, None where there is nothing."""
    if not where.is_file():
        yield None
        return
    with local_copy(where) as path:
        yield path


def _groups(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while group := list(islice(rows, _GROUP)):
        yield group


def _heads(table: pa.Table) -> Iterator[ShardHead]:
    columns = (table[name].to_pylist() for name in ShardHead._fields)
    yield from map(ShardHead._make, zip(*columns, strict=True))


def _records(table: pa.Table) -> Iterator[ShardRecord]:
    columns = {name: table[name].to_pylist() for name in table.column_names if name not in (*_LISTS, "record_bytes")}
    for name in _AS_JSON:
        columns[name] = [json.loads(text) for text in columns[name]]
    if not fits(columns["strategies"], list[dict[str, int]]):
        raise ValueError("strategies are no counts")
    columns["skipped"] = [[Skip(**skip) for skip in skips] for skips in columns["skipped"]]
    if not all(
        fits([each.path, each.reason], list[str]) and fits(each.unreadable, bool)
        for each in chain.from_iterable(columns["skipped"])
    ):
        raise ValueError("a skip has no path or no reason")
    for name in _LISTS:
        values = table[name].combine_chunks()
        columns[name] = values.flatten().to_numpy().reshape(len(values), -1).tolist()
    if any(len(each) != LAM_BINS for each in columns["lam_histogram"][:1]):
        raise ValueError("a histogram of lam has other bins")
    for row in zip(*(columns[field.name] for field in fields(ShardRecord)), strict=True):
        yield ShardRecord(*row)
