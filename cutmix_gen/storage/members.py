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
from typing import Any

from cutmix_gen.storage.sources import open_source

_MEMBER = re.compile(rb"(.+?)/@(?:(\d+)|(\d+)\.(\d+))\+(\d+)/")


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
    return f"{shard}/@{where}+{size}/{name.replace('/', '_')}".encode("utf-8", "surrogateescape")


def read_member(root: Path, path: bytes) -> bytes:
    """Return the bytes of an image in a shard.

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
        images = _images(shard, shard.stat().st_mtime_ns, int(match[3]))
        if int(match[4]) >= len(images):
            raise OSError(f"{shard.name} has no row {int(match[4])} in row group {int(match[3])}")
        data: bytes = images[int(match[4])].as_py() or b""
        return data
    start, size = int(match[2]), int(match[5])
    with open_source(os.fsencode(shard)) as file:
        there = os.fstat(file.fileno()).st_size - start
        file.seek(start)
        return file.read(max(min(size, there), 0))


@lru_cache(maxsize=2)
def _images(shard: Path, _changed: int, group: int) -> Any:
    """Return the images of a row group of a Parquet file."""
    import pyarrow as pa  # noqa: PLC0415  most sources are files
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        column = pq.ParquetFile(pa.OSFile(os.fsencode(shard))).read_row_group(
            group, columns=["image"], use_threads=False
        )
    except (pa.ArrowException, ValueError, IndexError) as error:
        raise OSError(f"{shard.name} cannot be read as Parquet: {error}") from error
    images = column.column("image").combine_chunks()
    return images.field("bytes") if pa.types.is_struct(images.type) else images
