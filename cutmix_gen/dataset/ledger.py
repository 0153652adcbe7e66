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
from itertools import chain, islice, pairwise
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from cutmix_gen.dataset.layout import DATA, LEDGER_DIGEST, RECORDS
from cutmix_gen.dataset.manifest import Manifest, is_shard_file
from cutmix_gen.dataset.records import LAM_BINS, ShardHead, ShardRecord, Skip
from cutmix_gen.errors import IrregularFileError, SetError
from cutmix_gen.machine import check_machine
from cutmix_gen.parsing import fits, parse_json
from cutmix_gen.shards.base import DAMAGES
from cutmix_gen.storage import (
    Place,
    Stamp,
    atomic_file,
    is_digest,
    local_copy,
    put_bytes,
    read_ahead,
    read_bytes,
    regular,
    sha256,
    stamps,
)

_log = logging.getLogger(__name__)

WORTH_IT = 1000
"""Records that the copy lacks before it is made anew: fewer are read in a moment."""
_GROUP = 1000
"""Records of a row group: so many are in memory at a time."""
_ANYWAY = 64 << 20
"""Bytes of a row group that are no more than a little."""
_BELIEVED_ROWS = 1 << 16
"""Rows of a row group at most, whoever wrote the file."""
_EXPANSION = 16
"""How many bytes of memory one of a record may stand for in the copy; no more is believed."""
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
        self._warned = ""
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
        runs = self._manifest.runs()
        shards = [head.shard for head in self.heads() if any(head.shard in run.planned_shards for run in runs)]
        missing = sum(run.shards for run in runs) - len(shards)
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
        """Copy the records into one file, unless the one that is there has nearly all of them; a damaged one goes."""
        with _copy_of(self._manifest.ledger_path) as path:
            lacking = len(self._found) - len(self._copied_in(path))
        if self._warned:
            self.drop_copy()
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

    def drop_copy(self) -> None:
        """Delete the copy of the records: it is made again when it is worth it."""
        for path in (self._manifest.ledger_path, self._digest_path):
            path.unlink(missing_ok=True)

    def copy_problem(self) -> str:
        """Compare the copy with the records, all of which are read; return what is wrong with it, or nothing."""
        with _copy_of(self._manifest.ledger_path) as path:
            copied = self._copied_in(path)
            for row in self._from_copy(path, copied, self._undamaged, _records, _SCHEMA.names):
                record = self._undamaged(row.shard)
                if record is not None and record != row:
                    return f"it says of shard {row.shard} what its record does not say"
        return self._warned

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
            in_copy = self._from_copy(path, copied, read, made_of, columns)
            yield from merge(in_copy, beside, key=attrgetter("shard"))

    def _copied_in(self, path: Path | None) -> set[int]:
        """Return the shards whose records are in the copy as they are now."""
        if path is None:
            return set()
        try:
            if not self._is_whole(path):
                raise ValueError("it does not have the SHA-256 that lies beside it")
            with pa.OSFile(regular(path)) as source, pq.ParquetFile(source) as file:
                if file.metadata.num_rows > 2 * len(self._found) + WORTH_IT:
                    return set()  # most of these records are gone: it is worth neither the time nor the memory
                self._check_sizes(file.metadata)
                table = file.read(["shard", "record_bytes"], use_threads=False)
            _check_columns(table)
            shards, sizes = table["shard"].to_pylist(), table["record_bytes"].to_pylist()
            if any(one >= two for one, two in pairwise(shards)):
                raise ValueError("its shards do not ascend")
        except DAMAGES as error:
            check_machine(error, path)
            self._warn(error)
            return set()
        written = stamps(self._manifest.ledger_path.parent)[self._manifest.ledger_path.name].changed
        then = zip(shards, sizes, strict=True)
        return {shard for shard, size in then if _is_same(self._found.get(shard), size, written)}

    def _from_copy(
        self,
        path: Path | None,
        shards: set[int],
        read: Callable[[int], Row | None],
        made_of: Callable[[pa.Table], Iterator[Row]],
        columns: Sequence[str],
    ) -> Iterator[Row]:
        """Give what the copy has of some shards; of a part of it that holds something else the records are read."""
        if path is None or not shards:
            return
        with pa.OSFile(regular(path)) as source, pq.ParquetFile(source) as file:
            for group in range(file.num_row_groups):
                try:
                    table = file.read_row_group(group, columns=list(columns), use_threads=False)
                    _check(table)
                    rows = [row for row in made_of(table) if row.shard in shards]
                except DAMAGES as error:
                    check_machine(error, path)
                    self._warn(error)
                    here = file.read_row_group(group, columns=["shard"], use_threads=False)["shard"].to_pylist()
                    rows = [row for shard in here if shard in shards and (row := read(shard)) is not None]
                yield from rows

    def _warn(self, error: Exception) -> None:
        if not self._warned:
            self._warned = f"it is damaged: {error}"
            _log.warning(
                "%s is damaged (%s); the commit records are read one by one.", self._manifest.ledger_path, error
            )

    def _check_sizes(self, metadata: pq.FileMetaData) -> None:
        """Raise `ValueError` where the copy says that it takes more memory than one of these records."""
        mean = sum(stamp.size for stamp in self._found.values()) / max(len(self._found), 1)
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            rows, claimed = group.num_rows, group.total_byte_size
            most = _EXPANSION * mean * min(rows, len(self._found)) + _ANYWAY
            if not 0 <= rows <= _BELIEVED_ROWS or not 0 <= claimed <= most:
                raise ValueError(f"row group {number} claims {claimed:,} bytes of {rows:,} rows")

    def _is_whole(self, path: Path) -> bool:
        """Tell whether the copy has the SHA-256 that lies beside it."""
        try:
            return read_bytes(self._digest_path, 64) == sha256(path).encode()
        except (FileNotFoundError, IrregularFileError):
            return False

    @property
    def _digest_path(self) -> Place:
        return self._manifest.root / LEDGER_DIGEST


def _check(table: pa.Table) -> None:
    """Raise `ValueError` for what no commit record holds, as `Manifest.read_record` does of a single one."""
    _check_columns(table)
    wrong = next((file for file in table["file"].to_pylist() if not is_shard_file(file)), None)
    if wrong is not None:
        raise ValueError(f"it names the file {wrong[:100]!r}, which is no shard of this set")
    if "sha256" in table.column_names and not all(map(is_digest, table["sha256"].to_pylist())):
        raise ValueError("it has a SHA-256 that is none")


def _check_columns(table: pa.Table) -> None:
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
        columns[name] = [parse_json(text) for text in columns[name]]
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
