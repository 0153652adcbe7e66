"""Reading one source, whatever kind it is."""

from __future__ import annotations

import os
from pathlib import Path

from cutmix_gen.storage.path_text import path_bytes
from cutmix_gen.storage.places import Place
from cutmix_gen.storage.regular_files import read_file

_ANY_SIZE = 1 << 62


def read_source(root: Place, path: str, limit: int = _ANY_SIZE) -> bytes:
    """Return the bytes of the source image at a path as `path_text` writes it, below root.

    Of a source that is larger than the limit, one byte more than that is read.

    Raises
    ------
    OSError
        If there is no regular file, or the path leads out of root.
    """
    name = path_bytes(path)
    check_below(name)
    if not isinstance(root, Path):
        return (root / os.fsdecode(name)).read_bytes(limit)
    try:
        return read_file(source_path(root, name), limit)
    except NotADirectoryError:  # the path goes on inside of a shard
        from cutmix_gen.sources.shard_members import read_member  # noqa: PLC0415  most sources are files

        return read_member(root, name, limit)


def source_path(root: Path | bytes, path: bytes) -> bytes:
    """Return where a local source lies; its name may be no text, which `pathlib` cannot carry."""
    return b"%b/%b" % (os.fsencode(root), path)


def check_below(path: bytes) -> None:
    """Raise `OSError` for a path that leads out of the folder that it is relative to; no scan gives such a one."""
    if path.startswith(b"/") or b"\0" in path or (b".." in path and b".." in path.split(b"/")):
        raise OSError("the path leads out of SRC")
