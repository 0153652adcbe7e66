"""Opening source images of this machine: regular files below SRC, and no more of them than was scanned."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
"""Without O_NONBLOCK, opening a pipe waits for somebody to write to it; of a regular file it changes nothing."""


def source_path(root: Path | bytes, path: bytes) -> bytes:
    """Return where a local source lies; its name may be no text, which `pathlib` cannot carry."""
    return os.path.join(os.fsencode(root), path)  # noqa: PTH118


def check_below(path: bytes) -> None:
    """Raise `OSError` for a path that leads out of the folder that it is relative to; no scan gives such a one."""
    if path.startswith(b"/") or b"\0" in path or (b".." in path and b".." in path.split(b"/")):
        raise OSError("the path leads out of SRC")


def open_source(where: bytes) -> BinaryIO:
    """Open a regular file for reading; never wait, and never read from a device.

    Raises
    ------
    OSError
        If there is none.
    """
    handle = os.open(where, _FLAGS)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError("it is no regular file")
        return os.fdopen(handle, "rb", buffering=0)
    except BaseException:
        os.close(handle)
        raise


def read_file(where: bytes, limit: int) -> bytes:
    """Return the content of a regular file, or the first `limit + 1` bytes of it where it has more."""
    with open_source(where) as file:
        size = min(os.fstat(file.fileno()).st_size, limit) + 1  # one more, so that a file that grew shows
        parts = []
        while size > 0 and (part := file.read(size)):
            parts.append(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)
