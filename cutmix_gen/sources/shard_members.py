"""Reading one image out of a shard that serves as a source.

Its path is that of the shard, then where it lies, then a name for people: `train-000.tar/@1536+20417/cat.jpg` for the
bytes from an offset on, `train-000.parquet/@3.17+20417/cat.jpg` for a row of a row group. A real file cannot have such
a path as long as the shard is a file.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cutmix_gen.machine import check_machine
from cutmix_gen.storage.regular_files import open_source, regular, regular_status

if TYPE_CHECKING:
    import pyarrow as pa

_MEMBER = re.compile(rb"(.+?)/@(?:(\d{1,18})|(\d{1,18})\.(\d{1,18}))\+(\d{1,18})/", re.DOTALL)

_LONGEST = 1024
"""Characters of a name in a tar file that are kept, from its end: tar sets it no limit."""

HELD_BYTES = 2 << 30
"""Bytes of the images of one row group at most, where they have to be held to read one of them."""


def member_path(shard: str, where: str, size: int, name: str) -> bytes:
    """Return the path of an image in a shard.

    Parameters
    ----------
    shard : str
        Relative to the folder of the sources.
    where : str
        An offset in bytes, or a row group and a row of it with a dot between.
    size : int
        In bytes.
    name : str
        For people.
    """
    name = name[-_LONGEST:].replace("/", "_").replace("\0", "_")
    return f"{shard}/@{where}+{size}/{name}".encode("utf-8", "surrogateescape")


def read_member(root: Path, path: bytes, limit: int) -> bytes:
    """Return the bytes of an image in a shard, or the first `limit + 1` of them where it has more.

    Raises
    ------
    OSError
        If that is no such path, or the shard cannot be read.
    """
    match = _MEMBER.match(path)
    if match is None:
        raise NotADirectoryError(f"{path!r} leads through a file")
    shard = root / os.fsdecode(match[1])
    if match[2] is None:
        images = _images(shard, regular_status(shard).st_mtime_ns, int(match[3]))
        if int(match[4]) >= len(images):
            raise OSError(f"{shard.name} has no row {int(match[4])} in row group {int(match[3])}")
        data: bytes = images[int(match[4])].as_py() or b""
        return data[: limit + 1]
    start, size = int(match[2]), int(match[5])
    with open_source(os.fsencode(shard)) as file:
        there = os.fstat(file.fileno()).st_size - start
        file.seek(start)
        return file.read(max(min(size, there, limit + 1), 0))


@lru_cache(maxsize=2)
def _images(shard: Path, _changed: int, group: int) -> Any:
    """Return the images of a row group of a Parquet file."""
    import pyarrow as pa  # noqa: PLC0415  most sources are files
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        with pa.OSFile(regular(shard)) as file, pq.ParquetFile(file) as parquet:
            column = parquet.read_row_group(group, columns=["image"], use_threads=False).column("image")
        if contents_type(column.type) is None:
            raise ValueError(f"its column image holds {column.type}")
        return pa.chunked_array([contents(chunk) for chunk in column.chunks] or [pa.array([], pa.binary())])
    except (pa.ArrowException, ValueError, LookupError, TypeError, OverflowError) as error:
        check_machine(error, shard)
        raise OSError(f"{shard.name} cannot be read as Parquet: {error}") from error


def contents_type(kind: pa.DataType) -> pa.DataType | None:
    """Return the type that the files of images have in a column of some type; None where it holds none."""
    import pyarrow as pa  # noqa: PLC0415  see `_images`

    types = pa.types
    if types.is_struct(kind):
        if len(kind.get_all_field_indices("bytes")) != 1:
            return None
        kind = kind.field("bytes").type
    plain = kind.value_type if types.is_dictionary(kind) else kind
    is_bytes = types.is_binary(plain) or types.is_large_binary(plain) or types.is_fixed_size_binary(plain)
    return kind if is_bytes or types.is_binary_view(plain) else None


def contents(column: pa.Array) -> pa.Array:
    """Return the files of images of a column whose type `contents_type` knows, as an array of bytes."""
    import pyarrow as pa  # noqa: PLC0415  see `_images`

    if pa.types.is_struct(column.type):
        column = column.flatten()[column.type.get_field_index("bytes")]
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
