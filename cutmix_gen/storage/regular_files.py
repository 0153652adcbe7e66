"""Opening files of this machine: regular ones, never waiting, and no more of them than is asked for."""

from __future__ import annotations

import errno
import os
import stat
from io import FileIO
from pathlib import Path

from cutmix_gen.errors import IrregularFileError

_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
"""Without O_NONBLOCK, opening a pipe waits for somebody to write to it; of a regular file it changes nothing."""


def open_source(where: bytes) -> FileIO:
    """Open a regular file for reading; never wait, and never read from a device.

    Raises
    ------
    OSError
        If there is none.
    """
    handle = _opened(where)
    try:
        check_regular(os.fstat(handle))
        return os.fdopen(handle, "rb", buffering=0)
    except BaseException:
        os.close(handle)
        raise


def read_file(where: bytes, limit: int) -> bytes:
    """Return the content of a regular file, or the first `limit + 1` bytes of it where it has more.

    A file object would take as long to make as a small image takes to read.
    """
    handle = _opened(where)
    try:
        status = os.fstat(handle)
        check_regular(status)
        size = min(status.st_size, limit)
        data = os.read(handle, size + 1)  # one more, so that a file that grew shows
        while len(data) < size and (more := os.read(handle, size + 1 - len(data))):
            data += more
        return data
    finally:
        os.close(handle)


def regular(path: Path) -> bytes:
    """Return a path for libraries that open files themselves, and would wait at a pipe.

    Raises
    ------
    OSError
        If there is no regular file.
    """
    regular_status(path)
    return os.fsencode(path)


def regular_status(path: Path | os.DirEntry[str]) -> os.stat_result:
    """Return what the system knows of a regular file; raises as `regular` does."""
    try:
        status = path.stat()
    except OSError as error:
        raise _told(error) from error
    check_regular(status)
    return status


def _opened(where: bytes) -> int:
    try:
        return os.open(where, _FLAGS)
    except OSError as error:
        raise _told(error) from error


def _told(error: OSError) -> OSError:
    """Return the error of what is no file: a socket, links in a circle."""
    return IrregularFileError(_IRREGULAR) if error.errno in (errno.ENXIO, errno.ELOOP) else error


def check_regular(status: os.stat_result) -> None:
    """Raise `OSError` for what is no regular file: reading a pipe waits, and some devices never end."""
    if not stat.S_ISREG(status.st_mode):
        raise IrregularFileError(_IRREGULAR)


_IRREGULAR = "it is no regular file"


def what_is(path: Path) -> str:
    """Return what lies at a path, links followed, in a word or two; `REGULAR` for what may be read."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ELOOP):
            raise
        return "a link to nothing" if path.is_symlink() else "gone"
    return _KINDS.get(stat.S_IFMT(mode), "a special file")


REGULAR = "a regular file"
_KINDS = {
    stat.S_IFREG: REGULAR,
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
