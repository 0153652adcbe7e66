"""Parquet shards: typed columns, images as Hugging Face's `Image` feature has them."""

from __future__ import annotations

import json
import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, lru_cache
from itertools import accumulate, islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from cutmix_gen.errors import SetError
from cutmix_gen.machine import check_machine
from cutmix_gen.shards.base import DAMAGES, ShardFormat, ShardLabels, ShardReader, ShardWriter
from cutmix_gen.shards.footer import ColumnChunk, column_chunks
from cutmix_gen.shards.parquet_pages import Chunk, PlainPages, image_chunk
from cutmix_gen.shards.rows import Field, Rows, RowSchema, fields_of
from cutmix_gen.storage import regular

_ENOUGH_ROWS, _ENOUGH_BYTES = 100, 2 << 20
"""Rows and bytes of images that are enough for a row group: it ends when it has both."""
_MOST_ROWS, _MOST_BYTES = 500, 64 << 20
"""The same of a row group at most; a single image may be larger."""
_HELD_BYTES = 1024
"""Bytes a row up to which the columns of a row group, the images aside, are held as long as its file is open."""
_BELIEVED_ROWS = 1 << 20
"""Rows of a row group at most, whoever wrote the file."""
_ROW_BYTES = 1 << 16
"""Of a row, its image and the numbers for each class aside: paths and a recipe."""
_EXPANSION = 4
"""How many bytes of the file of a shard one may stand for; no more is believed."""

_PICK_BYTES = 256 << 10
"""Bytes that are read in the time that it takes to find one image in its page."""


class ParquetShards(ShardFormat):
    """One Parquet file a shard."""

    name: ClassVar[str] = "parquet"
    extension: ClassVar[str] = "parquet"

    def open_writer(self, path: Path, schema: RowSchema) -> ShardWriter:
        """Begin a shard at a path."""
        return _ParquetWriter(path, schema)

    def read(self, path: Path, schema: RowSchema) -> Iterator[Rows]:
        """Read a shard, one row group's worth at a time."""
        with _damage(path), pa.OSFile(regular(path)) as source, pq.ParquetFile(source) as file:
            _check_columns(file.schema_arrow, path, schema)
            _check_sizes(file.metadata, source.size(), schema)
            for group in range(file.num_row_groups):
                for batch in file.iter_batches(_MOST_ROWS, row_groups=[group]):
                    yield _rows(batch, schema, _texts(batch.column("image").field("bytes")))

    def open_reader(self, path: Path, schema: RowSchema, index: bytes = b"") -> ShardReader:  # noqa: ARG002
        """Open a shard for reading single rows; a Parquet file has its own index."""
        return _ParquetReader(path, schema)


class _ParquetReader(ShardReader):
    """Reads the row groups that hold what is asked for."""

    def __init__(self, path: Path, schema: RowSchema) -> None:
        self._path = path
        self._schema = schema
        with _damage(path):
            self._source = pa.OSFile(regular(path))
            self._file = pq.ParquetFile(self._source)
            _check_columns(self._file.schema_arrow, path, schema)
            _check_sizes(self._file.metadata, self._source.size(), schema)
        metadata = self._file.metadata
        counts = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        self._starts = [0, *accumulate(counts)]
        self._held: dict[int, pa.Table] = {}
        self._places: dict[int, list[tuple[int, int]]] = {}
        self._others = [name for name in self._file.schema_arrow.names if name != "image"]

    def __len__(self) -> int:
        return int(self._starts[-1])

    def near(self, row: int) -> range:
        group = bisect_right(self._starts, row) - 1
        return range(self._starts[group], self._starts[group + 1])

    def read(self, rows: Sequence[int]) -> Rows:
        with _damage(self._path):
            found = np.asarray(rows, np.int64)
            groups = np.searchsorted(self._starts, found, "right") - 1
            wanted = np.unique(groups)
            starts = np.asarray(self._starts)
            lengths = np.diff(starts)[wanted]
            before = np.cumsum(lengths) - lengths
            places = before[np.searchsorted(wanted, groups)] + found - starts[groups]
            images = self._picked(groups, found - starts[groups])
            if images is None:
                table = self._file.read_row_groups(wanted.tolist(), columns=["image"], use_threads=False)
                images = _texts(_chosen(table, places).column("image").field("bytes"))
            others = pa.concat_tables([self._others_of(group) for group in wanted.tolist()])
            return _rows(_chosen(others, places), self._schema, images)

    def _picked(self, groups: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]) -> list[bytes] | None:
        """Return images by row group and row in it; None if it is less work to read all images of the groups."""
        schema = self._file.schema
        chunks = {group: image_chunk(self._columns[group], schema) for group in np.unique(groups).tolist()}
        total = sum(chunk.size if chunk else 0 for chunk in chunks.values())
        held = sum(self._starts[group + 1] - self._starts[group] for group in chunks)
        if None in chunks.values() or total < len(rows) * (_PICK_BYTES + total // held):
            return None
        places = {group: self._places_of(group, chunk) for group, chunk in chunks.items() if chunk}
        wanted = [places[group][row] for group, row in zip(groups.tolist(), rows.tolist(), strict=True)]
        return [self._source.read_at(size, place) for place, size in wanted]

    @cached_property
    def _columns(self) -> list[list[ColumnChunk]]:
        return column_chunks(self._source)

    def _places_of(self, group: int, chunk: Chunk) -> list[tuple[int, int]]:
        """Return where the images of a row group lie in the file, and their sizes."""
        if group not in self._places:
            rows = self._starts[group + 1] - self._starts[group]
            places = list(islice(PlainPages(self._source, chunk).places(), rows + 1))
            if len(places) != rows:
                raise ValueError(f"row group {group} has another number of images than of rows")
            self._places[group] = places
        return self._places[group]

    def _others_of(self, group: int) -> pa.Table:
        """Return all columns of a row group but the images; small ones are held, for reading them takes its time."""
        if group in self._held:
            return self._held[group]
        table = self._file.read_row_group(group, columns=self._others, use_threads=False)
        if table.nbytes <= _HELD_BYTES * table.num_rows:
            self._held[group] = table
        return table

    def all_keys(self) -> list[str]:
        with _damage(self._path):
            return _texts(self._file.read(["key"], use_threads=False).column("key").combine_chunks())

    def all_labels(self) -> ShardLabels:
        with _damage(self._path):
            table = self._file.read(["label_index", "label_weight", "strategy"], use_threads=False).combine_chunks()
            n, sources = len(table), self._schema.sources
            index, weight, strategy = (column.combine_chunks() for column in table.columns)
            return ShardLabels(_numbers(index, n, sources), _numbers(weight, n, sources), _texts(strategy))


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Say of a shard that cannot be read which one it is."""
    try:
        yield
    except DAMAGES as error:
        check_machine(error, path)
        raise SetError(f"{path.name} cannot be read as Parquet: {error}") from error


def _check_columns(found: pa.Schema, path: Path, schema: RowSchema) -> None:
    if not found.equals(arrow_schema(schema)):
        raise SetError(f"{path.name} has other columns than the set: {', '.join(found.names)}.")


def _check_sizes(metadata: pq.FileMetaData, size: int, schema: RowSchema) -> None:
    """Raise `ValueError` where a file says that it takes more memory than any set: images do not get smaller."""
    a_row = _ROW_BYTES + 64 * len(schema.classes)
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        rows, claimed = group.num_rows, group.total_byte_size
        if group.num_columns != metadata.num_columns:
            raise ValueError(f"row group {number} has {group.num_columns} columns of {metadata.num_columns}")
        if not 0 <= rows <= _BELIEVED_ROWS or not 0 <= claimed <= _EXPANSION * size + rows * a_row:
            raise ValueError(f"row group {number} claims {claimed:,} bytes of {rows:,} rows")


def _chosen(table: pa.Table, places: npt.NDArray[np.int64]) -> pa.RecordBatch:
    """Return some rows of a table; without a copy where they follow on each other."""
    first, count = int(places[0]), len(places)
    in_a_row = (np.diff(places) == 1).all()
    chosen = table.slice(first, count) if in_a_row else table.take(pa.array(places))
    return chosen.combine_chunks().to_batches()[0]


class _ParquetWriter(ShardWriter):
    def __init__(self, path: Path, schema: RowSchema) -> None:
        self._schema = schema
        self._arrow = arrow_schema(schema)
        # An open file: looking up the file system of a path takes pyarrow longer than writing a small shard.
        self._sink = pa.OSFile(os.fsencode(path), "wb")
        self._file = pq.ParquetWriter(
            self._sink,
            self._arrow,
            compression=_compression(self._arrow),
            use_dictionary=["strategy"],
            write_page_index=True,
            store_schema=True,
        )
        self._group: list[pa.Table] = []
        self._rows = self._bytes = 0

    def write(self, rows: Rows) -> None:
        start = 0
        for end in self._ends(map(len, rows.image)):
            self._add(rows.some(start, end))
            self._write_group()
            start = end
        self._add(rows.some(start, len(rows)))

    def close(self) -> None:
        try:
            self._write_group()
        finally:
            self._group = []
            self._file.close()
            self._sink.close()

    def _ends(self, sizes: Iterable[int]) -> Iterator[int]:
        """Give the rows before which the row group so far ends, told the bytes of the images of all rows to come.

        Neither groups nor their bytes depend on how many rows are written at a time.
        """
        for row, size in enumerate(sizes):
            has_enough = self._rows >= _ENOUGH_ROWS and self._bytes >= _ENOUGH_BYTES
            if has_enough or self._rows == _MOST_ROWS or (self._rows and self._bytes + size > _MOST_BYTES):
                yield row
                self._rows = self._bytes = 0
            self._rows += 1
            self._bytes += size

    def _add(self, rows: Rows) -> None:
        """Take rows into the group; a table of a group at a time stays in the processor's cache until it is written."""
        if len(rows):
            self._group.append(_table(rows, self._schema, self._arrow))

    def _write_group(self) -> None:
        if self._group:
            table = pa.concat_tables(self._group).combine_chunks()  # where a chunk ends, Arrow may end a page
            self._file.write_table(table, row_group_size=_MOST_ROWS)
            self._group = []


@lru_cache(maxsize=8)
def arrow_schema(schema: RowSchema) -> pa.Schema:
    """Return the columns of a shard. Every field is nullable: otherwise readers do not decode the images."""
    features: dict[str, Any] = {
        "image": {"_type": "Image"},
        "label": {"names": list(schema.classes), "_type": "ClassLabel"},
    }
    if schema.dense:
        # "Sequence" loads in old and new releases of `datasets`, "List" breaks those before 4.
        features["soft_label"] = {"feature": {"dtype": "float32", "_type": "Value"}, "_type": "Sequence"}
    columns = [(field.name, _arrow_type(field)) for field in fields_of(dense=schema.dense)]
    return pa.schema(columns, metadata={"huggingface": json.dumps({"info": {"features": features}})})


_TYPES = {
    "string": pa.string(),
    "bool": pa.bool_(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float32": pa.float32(),
    "image": pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
}


def _arrow_type(field: Field) -> pa.DataType:
    kind = _TYPES[field.kind]
    for _ in field.shape:
        kind = pa.list_(kind)
    return kind


@lru_cache(maxsize=8)
def _compression(schema: pa.Schema) -> dict[str, str]:
    """Return how each leaf column is compressed, by its path as Parquet has it, e.g. `boxes.list.element`."""

    def leaves(name: str, kind: pa.DataType) -> Iterator[str]:
        if pa.types.is_struct(kind):
            for field in kind:
                yield from leaves(f"{name}.{field.name}", field.type)
        elif pa.types.is_list(kind):
            yield from leaves(f"{name}.list.element", kind.value_type)
        else:
            yield name

    columns = [leaf for field in schema for leaf in leaves(field.name, field.type)]
    return {name: "none" if name.startswith("image") else "zstd" for name in columns}


def _table(rows: Rows, schema: RowSchema, arrow: pa.Schema) -> pa.Table:
    columns = [_column(field, getattr(rows, field.name)) for field in fields_of(dense=schema.dense)]
    number = arrow.get_field_index("image")
    paths = pa.array([f"{key}.{schema.extension}" for key in rows.key], pa.string())
    columns[number] = pa.StructArray.from_arrays([columns[number], paths], fields=list(arrow.types[number]))
    return pa.Table.from_arrays(columns, schema=arrow)


def _column(field: Field, values: Any) -> pa.Array:
    """Return the values of a field as a column; the bytes of images are to become part of one."""
    if isinstance(values, np.ndarray):
        return _lists(values) if field.shape else pa.array(values)
    return pa.array(values, pa.binary() if field.kind == "image" else _arrow_type(field))


def _lists(values: npt.NDArray[Any]) -> pa.ListArray:
    """Return an (n, m, ...) array as an Arrow column of n lists, without a Python object for each number."""
    inner = _lists(values.reshape(-1, *values.shape[2:])) if values.ndim > 2 else pa.array(values.ravel())
    offsets = np.arange(len(values) + 1, dtype=np.int32) * np.int32(values.shape[1])
    return pa.ListArray.from_arrays(pa.array(offsets), inner)


def _rows(batch: pa.RecordBatch, schema: RowSchema, images: list[bytes]) -> Rows:
    columns: dict[str, Any] = {"image": images, "soft_label": None}
    for field in fields_of(dense=schema.dense):
        if field.kind == "string":
            columns[field.name] = _texts(batch.column(field.name))
        elif field.kind != "image":
            columns[field.name] = _numbers(batch.column(field.name), len(batch), *schema.lengths(field))
    return Rows(**columns)


def _texts(column: pa.Array) -> list[Any]:
    """Return a column of texts, bytes or lists of texts, none of them null."""
    if column.null_count or (pa.types.is_list(column.type) and column.flatten().null_count):
        raise ValueError("a field is null")
    values: list[Any] = column.to_pylist()
    return values


def _numbers(column: pa.Array, *shape: int) -> npt.NDArray[Any]:
    """Return a column of numbers, or of lists of lists of them, each of the length that it has to have."""
    for length in shape[1:]:
        if column.null_count or (np.diff(column.offsets.to_numpy()) != length).any():
            raise ValueError(f"a list does not have {length} values")
        column = column.flatten()
    if column.null_count:
        raise ValueError("a field is null")
    values: npt.NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return values.reshape(shape)
