"""What this machine lacks, memory or open files: it stops a run, and is never taken for the fault of a file.

Libraries say it in many ways, some of them in none at all: a decoder that gets no memory may call its image broken.
So whoever is about to blame a file asks first whether the machine had room to read it (`check_room`).
"""

from __future__ import annotations

import errno
import mmap
import os
import re
from contextlib import ExitStack
from pathlib import Path

from cutmix_gen.errors import CutMixGenError, MachineError

_READING = 8
"""Bytes that reading a shard takes for each byte of it, at most: images do not get smaller."""

_FILES = 16
"""Files that reading one more file, or loading a library for it, may open."""
_MEMORY = 32 << 20
"""Bytes that whatever is done next may take beside what is asked for."""
_PIECES = 8
"""Parts in which memory is tried for: in one piece systems refuse more than they refuse a program that grows."""

_NUMBERS = {errno.EMFILE: "files", errno.ENFILE: "files", errno.ENOMEM: "memory"}
_WORDS = {
    "files": re.compile(r"too many open files", re.IGNORECASE),
    "memory": re.compile(
        r"(cannot|can't|could not|unable to) allocate|out of memory|insufficient memory|allocation fail|bad_alloc"
        r"|failed to map segment|can't start new thread",
        re.IGNORECASE,
    ),
}
"""How libraries say it in errors of their own, and how the loader of libraries does."""
_LITTLE = {"files": "few files to open", "memory": "little memory"}
_REMEDIES = {
    "files": "Have the limit on open files raised (`ulimit -n 1024`), or give fewer --jobs",
    "memory": "Give fewer --jobs, have the limit on memory raised (`ulimit -v`), or take a machine with more memory; a "
    "lower --max-pixels keeps the largest images out",
}


def lack_of(error: BaseException) -> MachineError | None:
    """Return what the machine lacks if an error, or one that it came of, says so.

    >>> print(lack_of(ValueError("no such class")))
    None
    >>> print(str(lack_of(MemoryError("no 9 bytes")))[:60])
    This machine has too little memory for the work (no 9 bytes)
    """
    if isinstance(error, CutMixGenError):  # has words and a remedy of its own
        return error if isinstance(error, MachineError) else None
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in seen:
        what = _by_system(cause) or _by_words(cause)
        if what:
            return MachineError(
                f"This machine has too {_LITTLE[what]} for the work ({str(cause)[:200] or type(cause).__name__}). "
                f"{_REMEDIES[what]}. Then give the same command again; what is committed stays."
            )
        seen.append(cause)
        cause = cause.__cause__ or cause.__context__
    return None


def check_machine(error: BaseException, file: Path | None = None) -> None:
    """Raise `MachineError` if an error comes of what the machine lacks, before a file is blamed for it.

    A file may claim to be of any size: where memory was lacking, it is the machine's fault only if there is no room
    for a sound file.

    Parameters
    ----------
    error : BaseException
    file : Path, optional
        The file that is about to be blamed.
    """
    lack = lack_of(error)
    if lack is not None and (isinstance(error, MachineError) or _by_system(error)):
        raise lack from error
    if lack is not None:
        check_room(_READING * file.stat().st_size if file else 0)


def check_room(num_bytes: int = 0, files: int = _FILES) -> None:
    """Raise `MachineError` unless so much memory and so many open files are to be had.

    Nothing is kept, and no memory is touched: it takes microseconds.

    Parameters
    ----------
    num_bytes : int
        What the work takes at most, by what is known before; never a number that a file claims without a limit.
    files : int
    """
    with ExitStack() as taken:
        try:
            for _ in range(files):
                taken.callback(os.close, os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
            for _ in range(_PIECES):
                size = (num_bytes + _MEMORY) // _PIECES
                taken.enter_context(mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
        except (OSError, MemoryError) as error:
            raise lack_of(error) or error from error


def _by_system(error: BaseException) -> str:
    return _NUMBERS.get(error.errno or 0, "") if isinstance(error, OSError) else ""


def _by_words(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "memory"
    return next((what for what, words in _WORDS.items() if words.search(str(error))), "")
