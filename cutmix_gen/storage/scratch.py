"""The folder of this user where files lie on their way to a store, and what was fetched from one.

No name in it is made of what was read, but for the SHA-256 of what is kept.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cutmix_gen.errors import SetError, StorageError
from cutmix_gen.storage.local import AtomicFile
from cutmix_gen.storage.objects import ObjectPath
from cutmix_gen.storage.path_text import checked_digest
from cutmix_gen.storage.regular_files import open_source

_OTHERS = 0o077
"""What others may do with a folder, in its mode."""

_Stamp = tuple[int, int, int, int]
_known: dict[Path, _Stamp] = {}
"""What this process has looked at of what is kept, by what tells a file from one that takes its place."""


def scratch() -> Path:
    """Return the folder; `TMPDIR` moves it.

    Raises
    ------
    StorageError
        If it is not this user's alone.
    """
    folder = Path(tempfile.gettempdir()) / f"cutmix-gen-{os.getuid()}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & _OTHERS:
        raise StorageError(
            f"{folder} must be a folder that is yours alone, but others may write or look there, or it is a link. "
            "Remove it, or give another temporary folder: TMPDIR=..."
        )
    return folder


@contextmanager
def fetched(where: ObjectPath) -> Iterator[AtomicFile]:
    """Give a copy of an object's content, for as long as it is needed."""
    copy = AtomicFile(scratch() / "fetched")
    try:
        where.fetch(copy.temporary)
        yield copy
    finally:
        copy.discard()


def kept(where: ObjectPath, digest: str) -> Path:
    """Return a local file of an object's content that stays, by its SHA-256: whatever names it, it is the same.

    Raises
    ------
    SetError
        If that is no SHA-256, or the object has another one.
    """
    path = scratch() / checked_digest(digest)
    if _is_whole(path, digest):
        return path
    copy = AtomicFile(path)
    try:
        where.fetch(copy.temporary)
        found = _sha256(copy.temporary)
        if found != digest:
            raise SetError(
                f"{where} was changed or damaged: its SHA-256 is {found}, {digest} is on record. "
                "`cutmix-gen verify` says more."
            )
        copy.commit()
    finally:
        copy.discard()
    _known[path] = _stamp(path)
    return path


def _is_whole(path: Path, digest: str) -> bool:
    """Tell whether a file is there with the content that its name says; looked at once in each process."""
    try:
        stamp = _stamp(path)
        if _known.get(path) != stamp and _sha256(path) != digest:
            return False
    except OSError:  # there is none, or something that is no file
        return False
    _known[path] = stamp
    return True


def _stamp(path: Path) -> _Stamp:
    status = path.lstat()
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _sha256(path: Path) -> str:
    with open_source(os.fsencode(path)) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
