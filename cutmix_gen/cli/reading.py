"""Files that a person names, and pipes: what they hold, and no more of it than makes sense."""

from __future__ import annotations

from io import StringIO
from typing import BinaryIO

from cutmix_gen.errors import UsageError

_MOST_BYTES = 64 << 20
"""Exact numbers for pairs of a thousand classes are as many."""


def read_bytes(file: BinaryIO, name: str, most: int = _MOST_BYTES) -> bytes:
    """Return what a file, a pipe or a device holds.

    Raises
    ------
    UsageError
        If it is more than that, which a device never ends to be.
    """
    data = file.read(most + 1)
    if len(data) > most:
        raise UsageError(f"{name} must be a file of {most:,} bytes at most, but it has more.")
    return data


def read_lines(file: BinaryIO, name: str) -> tuple[str, ...]:
    """Return the lines of a text in UTF-8.

    Raises
    ------
    UsageError
        If it is none.
    """
    try:
        text = StringIO(read_bytes(file, name).decode("utf-8-sig"), newline=None)
    except UnicodeDecodeError as error:
        found = f"byte 0x{error.object[error.start]:02x} at {error.start:,}"
        raise UsageError(f"{name} must be text in UTF-8, but it has {found}.") from error
    return tuple(line.rstrip("\n") for line in text)
