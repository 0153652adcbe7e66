"""The one seam to files: everything that is read or written goes through here.

A place (`Place`) is a local path or a URI of a store. What is made is made in a local file first (`atomic_file`):
beside its final place, to which it is renamed, or in a temporary folder, from which it is sent in one piece.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

from cutmix_gen.errors import IrregularFileError
from cutmix_gen.storage.folders import is_empty, new_folder
from cutmix_gen.storage.local import AtomicFile, alone, held, one_at_a_time, remedy_for, remove_local_leftovers, writing
from cutmix_gen.storage.outputs import STDOUT, is_stdout, is_stream, write_stream
from cutmix_gen.storage.path_text import checked_digest, checked_name, is_digest, is_name, path_bytes, path_text
from cutmix_gen.storage.places import Place, hide_passwords, hide_secrets, is_local, parse_place, place_beside
from cutmix_gen.storage.regular_files import open_source, read_file, regular, regular_status

__all__ = [
    "STDOUT",
    "AtomicFile",
    "Place",
    "Stamp",
    "alone",
    "atomic_file",
    "cached",
    "checked_digest",
    "checked_name",
    "file_size",
    "held",
    "hide_passwords",
    "hide_secrets",
    "is_digest",
    "is_empty",
    "is_local",
    "is_name",
    "is_stdout",
    "is_stream",
    "local_copy",
    "new_folder",
    "one_at_a_time",
    "open_source",
    "parse_place",
    "path_bytes",
    "path_text",
    "place_beside",
    "put_bytes",
    "put_new",
    "put_output",
    "read_ahead",
    "read_bytes",
    "real_place",
    "regular",
    "remedy_for",
    "remove_leftovers",
    "sha256",
    "stamps",
    "writing",
]


class Stamp(NamedTuple):
    """What a listing tells of a file."""

    size: int
    """In bytes."""
    changed: int
    """When it was written, in nanoseconds; 0 where the store does not say."""


Item = TypeVar("Item")
Result = TypeVar("Result")


def read_ahead(read: Callable[[Item], Result], items: Sequence[Item], root: Place) -> Iterator[Result]:
    """Call a function that reads for each item, and give what it returns in their order.

    In a store, some objects are read before they are asked for: the reading goes on beside the work. A local file is
    read when its turn comes.
    """
    if is_local(root):
        yield from map(read, items)
        return
    from cutmix_gen.storage.reading_ahead import in_threads  # noqa: PLC0415  local runs need none of it

    yield from in_threads(read, items)


def atomic_file(where: Place) -> AtomicFile:
    """Begin a file that appears at a place whole or never; see `AtomicFile`."""
    if isinstance(where, Path):
        return AtomicFile(where)
    from cutmix_gen.storage.sending import SentFile  # noqa: PLC0415  as above

    return SentFile(where)


def read_bytes(where: Place, limit: int) -> bytes:
    """Return the content of a regular file, or the first `limit + 1` bytes of it where it has more.

    Raises
    ------
    OSError
        If there is none.
    """
    return read_file(os.fsencode(where), limit) if isinstance(where, Path) else where.read_bytes(limit)


def file_size(where: Place) -> int:
    """Return the bytes that a regular file has.

    Raises
    ------
    OSError
        If there is none.
    """
    return regular_status(where).st_size if isinstance(where, Path) else where.stat().st_size


def put_bytes(where: Place, data: bytes) -> None:
    """Write a small file so that it is there whole or not at all."""
    file = atomic_file(where)
    try:
        with writing(file.path):
            file.temporary.write_bytes(data)
        file.commit()
    finally:
        file.discard()


def put_output(where: Place, data: bytes) -> None:
    """Write what a user names for an output.

    A file that is new or a regular one appears whole or never; a link to it stays, whether that file is there or not.
    What is neither is written to as it is: a device, a pipe, an open file of this process as `/dev/stdout` names it.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    if isinstance(where, Path):
        if is_stream(where):
            write_stream(where, data)
            return
        where = real_place(where)
    put_bytes(where, data)


def real_place(where: Place) -> Place:
    """Return a place with all links on the way to it followed, whether it is there or not."""
    return Path(os.path.realpath(where)) if isinstance(where, Path) else where


def put_new(where: Place, data: bytes) -> bool:
    """Write a small file whole, unless one is there already; tell whether it was written.

    Of several processes on one file system exactly one succeeds. Stores give no such promise through `pyarrow.fs`: of
    processes that look in the same instant the last one stays, so that the caller had better read what is there.
    """
    file = atomic_file(where)
    try:
        with writing(file.path):
            file.temporary.write_bytes(data)
        return file.commit_new()
    finally:
        file.discard()


def sha256(path: Path) -> str:
    """Return the SHA-256 of a local file in hexadecimal."""
    with open_source(os.fsencode(path)) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def local_copy(where: Place) -> Iterator[Path]:
    """Give a local file of a place's content: the file itself, or a copy for as long as it is needed."""
    if isinstance(where, Path):
        yield where
        return
    from cutmix_gen.storage.scratch import fetched  # noqa: PLC0415  as above

    with fetched(where) as copy:
        yield copy.temporary


def cached(where: Place, digest: str) -> Path:
    """Return a local file of a place's content that all processes of this user share and that stays.

    What is fetched from a store is looked at when it arrives, and once in each process that finds it there.

    Parameters
    ----------
    where : Place
    digest : str
        SHA-256 of the content, as it is on record.

    Raises
    ------
    FileNotFoundError
        If a store has no such object.
    SetError
        If that is no SHA-256, or the object has another one.
    """
    if isinstance(where, Path):
        return where
    from cutmix_gen.storage.scratch import kept  # noqa: PLC0415  as above

    return kept(where, digest)


def stamps(folder: Place) -> dict[str, Stamp]:
    """Return the files directly in a folder by their names, read in one go; none where there is no folder."""
    if not isinstance(folder, Path):
        return {name: Stamp(*facts) for name, *facts in folder.stamps()}
    found: dict[str, Stamp] = {}
    try:
        entries = os.scandir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return found
    with entries:
        for entry in entries:
            with suppress(FileNotFoundError, IrregularFileError):  # a temporary file may have got its name meanwhile
                status = regular_status(entry)
                found[entry.name] = Stamp(status.st_size, status.st_mtime_ns)
    return found


def remove_leftovers(folder: Place) -> None:
    """Remove the temporary files that no living process is writing: in a folder, or those on their way to a store."""
    if isinstance(folder, Path):
        remove_local_leftovers(folder)
        return
    from cutmix_gen.storage.scratch import scratch  # noqa: PLC0415  as above

    remove_local_leftovers(scratch())
