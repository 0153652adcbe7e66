"""Files of this machine that appear whole or never."""

from __future__ import annotations

import fcntl
import itertools
import os
import socket
from contextlib import suppress
from pathlib import Path

_TEMPORARY = ".cutmix-gen.tmp"
_numbers = itertools.count()


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


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_local_leftovers(folder: Path) -> None:
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
