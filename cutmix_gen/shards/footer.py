"""What the footer of a Parquet file says of its columns.

pyarrow tells it too, but ends the process where the sizes in a footer do not fit each other: it raises what no Python
code can catch (`RowGroupMetaData.column` of 26.0).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pyarrow as pa

from cutmix_gen.shards.thrift import read_struct

_ROW_GROUPS, _COLUMNS, _FACTS = 4, 1, 3
"""Fields of `FileMetaData`, `RowGroup` and `ColumnChunk` of parquet.thrift."""
_END = 8
"""Bytes of the footer's length and the mark after it."""


class ColumnChunk(NamedTuple):
    """The values of one leaf column in one row group."""

    path: str
    """As `image.bytes`."""
    codec: int
    """0 where it is not compressed (`CompressionCodec`)."""
    start: int
    """Of the first data page."""
    size: int
    """In the file."""
    uncompressed: int
    has_dictionary: bool
    nulls: int | None
    """None where nobody counted them."""


def column_chunks(file: pa.NativeFile) -> list[list[ColumnChunk]]:
    """Return the leaf columns of each row group of a file that pyarrow has opened.

    Raises
    ------
    ValueError
        If the footer does not tell.
    """
    end = file.size() - _END
    length = int.from_bytes(file.read_at(4, end), "little")
    try:
        facts, _ = read_struct(file.read_at(length, end - length), 0)
        return [[_chunk(column[_FACTS]) for column in group[_COLUMNS]] for group in facts[_ROW_GROUPS]]
    except (IndexError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("its footer does not say where its columns lie") from error


def _chunk(facts: dict[int, Any]) -> ColumnChunk:
    """Return what `ColumnMetaData` says: path (3), codec (4), sizes (6, 7), pages (9, 11), statistics (12)."""
    chunk = ColumnChunk(
        path=b".".join(facts[3]).decode(),
        codec=facts[4],
        start=facts[9],
        size=facts[7],
        uncompressed=facts[6],
        has_dictionary=11 in facts,
        nulls=facts.get(12, {}).get(3),
    )
    if not all(type(number) is int for number in (chunk.codec, chunk.start, chunk.size, chunk.uncompressed)):
        raise TypeError("a size is none")
    if min(chunk.start, chunk.size, chunk.uncompressed) < 0:
        raise ValueError("a column of its footer has a negative size")
    return chunk
