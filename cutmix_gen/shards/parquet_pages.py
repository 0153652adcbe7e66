"""Picking single images out of a Parquet file: a row group is megabytes, and pyarrow reads no less.

Images lie in data pages as they are: uncompressed, each after its length (Parquet format 2.x, encoding PLAIN).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from cutmix_gen.shards.footer import ColumnChunk
from cutmix_gen.shards.thrift import read_struct

_COLUMN = "image.bytes"
_HEADER_BYTES = (512, 1 << 17)
"""What is read for a page header: nearly all are small, some hold the least and the greatest value."""

_DATA_PAGE = 0
"""PageType.DATA_PAGE of parquet.thrift; `PageHeader` has it as field 1, the sizes as 2 and 3, its own header as 5."""
_UNCOMPRESSED = 0
"""CompressionCodec.UNCOMPRESSED."""
_PLAIN = 0
"""Encoding.PLAIN; `DataPageHeader` has the number of values as field 1, the encoding as 2."""


class Chunk(NamedTuple):
    """Where the values of a column of one row group lie in a file."""

    start: int
    size: int


def image_chunk(columns: Sequence[ColumnChunk], schema: pq.ParquetSchema) -> Chunk | None:
    """Return where the images of a row group lie; None where they cannot be picked: compressed, or some are null.

    Parameters
    ----------
    columns : sequence of ColumnChunk
        Of the row group.
    schema : ParquetSchema
        Of the file.
    """
    for number, column in enumerate(columns):
        if column.path == _COLUMN:
            is_plain = column.codec == _UNCOMPRESSED and not column.has_dictionary
            is_plain &= _has_lengths_and_levels(schema.column(number))
            return Chunk(column.start, column.size) if is_plain and column.nulls == 0 else None
    return None


def _has_lengths_and_levels(column: pq.ColumnSchema) -> bool:
    """Tell whether each value stands after its length, and each page begins with levels, of nulls alone.

    Values of a fixed length have no length before them; where no value can be null there are no levels.
    """
    is_bytes: bool = column.physical_type == "BYTE_ARRAY"
    return is_bytes and column.max_definition_level > 0 and column.max_repetition_level == 0


class PlainPages:
    """The pages of a column of byte strings, none of them null.

    Parameters
    ----------
    file : NativeFile
    chunk : Chunk
    """

    def __init__(self, file: pa.NativeFile, chunk: Chunk) -> None:
        self._file = file
        self._start = chunk.start
        self._end = min(chunk.start + chunk.size, file.size())

    def places(self) -> Iterator[tuple[int, int]]:
        """Give for each value where it begins in the file, and its size; little more than that is read.

        Raises
        ------
        ValueError
            If the pages are not laid out as they have to be.
        """
        for values, begin, end in self._pages():
            place = begin
            for _ in range(values):
                size = self._number(place)
                place += 4
                if place + size > end:
                    raise ValueError("an image reaches beyond its page")
                yield place, size
                place += size

    def _pages(self) -> Iterator[tuple[int, int, int]]:
        """Give for each page how many values it has, where they begin and where they end."""
        place = self._start
        while place < self._end:
            header, length = self._header(place)
            body = place + length
            size, page = header.get(3), header.get(5)
            if header.get(1) != _DATA_PAGE or not isinstance(page, dict) or page.get(2) != _PLAIN:
                raise ValueError("a page of the images has another encoding")
            if type(size) is not int or type(page.get(1)) is not int:
                raise ValueError("a page of the images has no size")
            place = body + size
            if not body <= place <= self._end:
                raise ValueError("a page of the images reaches beyond its column")
            yield page[1], body + 4 + self._number(body), place  # the levels, which say that none is null, come first

    def _header(self, place: int) -> tuple[dict[int, Any], int]:
        for size in _HEADER_BYTES:
            data = self._file.read_at(size, place)
            try:
                return read_struct(data, 0)
            except IndexError:
                continue  # it is longer
            except RecursionError:
                break
        raise ValueError("a page has no header")

    def _number(self, place: int) -> int:
        return int.from_bytes(self._file.read_at(4, place), "little")
