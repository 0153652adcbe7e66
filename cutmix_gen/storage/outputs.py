"""What a user may name for an output that is no file to replace: a device, a pipe, standard output."""

from __future__ import annotations

import os
from pathlib import Path

from cutmix_gen.errors import OutputError
from cutmix_gen.storage.local import writing

STDOUT = Path("/dev/stdout")
_OPEN_FILES = Path("/proc/self/fd")
"""The folder of links in which `/dev/stdout`, `/dev/fd/63` and their like end."""
_LINKS = 40
"""Links on the way to a file at most, as Linux has it."""


def is_stdout(path: Path) -> bool:
    """Tell whether a path names the standard output of this process."""
    return _open_file(path) == 1


def is_stream(path: Path) -> bool:
    """Tell whether what a path names is written to as it is: there is something, no regular file and no folder."""
    return _open_file(path) is not None or (path.exists() and not path.is_file() and not path.is_dir())


def write_stream(path: Path, data: bytes) -> None:
    """Write to what is no regular file, or is open in this process already: it is not replaced, and not cut off.

    Raises
    ------
    OutputError
        If it cannot be written.
    BrokenPipeError
        If it is standard output, and nobody reads that any more.
    """
    try:
        with writing(path), os.fdopen(_opened(path), "wb") as file:
            file.write(data)
    except OutputError as error:
        if is_stdout(path) and isinstance(error.__cause__, BrokenPipeError):
            raise error.__cause__ from None
        raise


def _opened(path: Path) -> int:
    number = _open_file(path)
    return os.open(path, os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC) if number is None else os.dup(number)


def _open_file(path: Path) -> int | None:
    """Return the number of the open file of this process that a path names; None where it names none.

    To open the path of a regular file again would begin at its start, over what was written to it before.
    """
    place = path
    for _ in range(_LINKS):
        if place == STDOUT:
            return 1
        folder = Path(os.path.realpath(place.parent))
        if folder == Path(os.path.realpath(_OPEN_FILES)) and place.name.isdecimal():
            return int(place.name)
        if not place.is_symlink():
            return None
        place = folder / place.readlink()
    return None
