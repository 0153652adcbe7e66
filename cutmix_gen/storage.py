"""The one seam to files: everything that is read or written goes through here."""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import os
import socket
from contextlib import suppress
from pathlib import Path

_TEMPORARY = ".cutmix-gen.tmp"
_numbers = itertools.count()


def path_text(path: bytes) -> str:
    r"""Return a path as text that any file format can carry, and that `path_bytes` turns back.

    Valid UTF-8 without a backslash stays as it is. In other names a byte that is no UTF-8 becomes `\xNN` and a
    backslash is doubled.

    >>> path_text(b"cats/tom.jpg")
    'cats/tom.jpg'
    >>> path_bytes(path_text(b"cats/\xff.jpg"))
    b'cats/\xff.jpg'
    """
    return path.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")


def path_bytes(text: str) -> bytes:
    """Return the path that `path_text` made a text of."""
    if "\\" not in text:
        return text.encode()
    parts = text.split("\\\\")
    return b"\\".join(_unescape(part) for part in parts)


def _unescape(text: str) -> bytes:
    first, *rest = text.split("\\x")
    return first.encode() + b"".join(bytes([int(part[:2], 16)]) + part[2:].encode() for part in rest)


def source_path(root: Path | bytes, path: bytes) -> bytes:
    """Return where a source lies; its name may be no text, which `pathlib` cannot carry."""
    return os.path.join(os.fsencode(root), path)  # noqa: PTH118


def read_source(root: Path, path: str) -> bytes:
    """Return the bytes of the source image at a path as `path_text` writes it, below root."""
    with open(source_path(root, path_bytes(path)), "rb") as file:  # noqa: PTH123
        return file.read()


class AtomicFile:
    """A file that is written beside its place, and appears there whole or never.

    Write to `temporary`, then call `commit` or `discard`. The file is flushed to disk before it is renamed, so that
    under its final name it is never half written, not even after a power cut. While it is written it is locked: a
    temporary file without a lock belongs to nobody any more.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.temporary = path.with_name(
            f".{path.name}.{socket.gethostname()}-{os.getpid()}-{next(_numbers)}{_TEMPORARY}"
        )
        self._lock = _locked(self.temporary)

    def commit(self) -> None:
        """Give the file its final name."""
        _flush(self.temporary)
        self.temporary.replace(self.path)
        _flush(self.path.parent)
        self._unlock()

    def commit_new(self) -> bool:
        """Give the file its final name unless there is such a file; of several processes exactly one succeeds."""
        _flush(self.temporary)
        try:
            os.link(self.temporary, self.path)
        except FileExistsError:
            return False
        finally:
            self.discard()
        _flush(self.path.parent)
        return True

    def discard(self) -> None:
        """Remove what was written; nothing happens after `commit`."""
        if self._lock is not None:
            self.temporary.unlink(missing_ok=True)
            self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _locked(path: Path) -> int | None:
    """Create a file and lock it; return the handle that holds the lock as long as it is open."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        with suppress(OSError):  # a file system without locks: then nobody tidies up here either
            fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            if os.path.samestat(os.fstat(handle), path.stat()):
                return handle
        except FileNotFoundError:
            pass  # somebody who tidied up took the file between the two calls: make it again
        os.close(handle)


def put_bytes(path: Path, data: bytes) -> None:
    """Write a small file so that it is there whole or not at all."""
    file = AtomicFile(path)
    try:
        file.temporary.write_bytes(data)
        file.commit()
    finally:
        file.discard()


def put_new(path: Path, data: bytes) -> bool:
    """Write a small file whole, unless one is there already; tell whether it was written."""
    file = AtomicFile(path)
    try:
        file.temporary.write_bytes(data)
        return file.commit_new()
    finally:
        file.discard()


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files in a folder that no living process is writing, on this machine or another."""
    for path in folder.glob(f".*{_TEMPORARY}"):
        try:
            handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # its owner has just finished it
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
        except OSError:
            continue  # its owner is at work, or there are no locks here to tell
        finally:
            os.close(handle)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
