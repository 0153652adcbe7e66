"""Files of this machine that appear whole or never."""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cutmix_gen.errors import OutputError, StorageError

_TEMPORARY = ".cutmix-gen.tmp"
_PATIENCE = 3.0
"""Seconds to wait for others to leave: workers whose parent was killed need one to notice."""
_numbers = itertools.count()


class AtomicFile:
    """A file that is written beside its place, and appears there whole or never.

    Write to `temporary`, then call `commit` or `discard`. The file is flushed to disk before it is renamed, so that
    under its final name it is never half written, not even after a power cut. While it is written it is locked: a
    temporary file without a lock belongs to nobody any more.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.temporary = path.with_name(
            f".{path.name}.{socket.gethostname()}-{os.getpid()}-{next(_numbers)}{_TEMPORARY}"
        )
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock: int | None = _locked(self.temporary)

    def commit(self) -> None:
        """Give the file its final name.

        Raises
        ------
        OutputError
            If the disk is full, or the folder is read-only or gone.
        """
        with writing(self.path):
            _flush(self.temporary)
            self.temporary.replace(self.path)
            _flush(self.path.parent)
        self._unlock()

    def commit_new(self) -> bool:
        """Give the file its final name unless there is such a file; of several processes exactly one succeeds.

        Raises
        ------
        OutputError
            If the disk is full, or the folder is read-only or gone.
        """
        try:
            with writing(self.path):
                _flush(self.temporary)
                if not _linked(self.temporary, self.path):
                    return False
                _flush(self.path.parent)
        finally:
            self.discard()
        return True

    def discard(self) -> None:
        """Remove what was written; nothing happens after `commit`."""
        if self._lock is not None:
            with suppress(OSError):  # a folder that is gone or read-only by now: there is an error to tell already
                self.temporary.unlink(missing_ok=True)
            self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


@contextmanager
def writing(path: object) -> Iterator[None]:
    """Say in this program's words why a file cannot be written."""
    try:
        yield
    except StorageError:
        raise  # says what is wrong with a store already
    except OSError as error:
        number = error.errno or 0
        reason = os.strerror(number).lower() if number else str(error)
        raise OutputError(
            f"{path} must be written, but that failed: {reason}. {_REMEDIES.get(number, 'Look after the disk')}, and "
            "give the same command again; what is committed stays."
        ) from error


_REMEDIES = {
    errno.ENOSPC: "Make room on the disk",
    errno.EDQUOT: "Make room, or have your quota raised",
    errno.EFBIG: "Have the limit on file sizes raised (`ulimit -f`), or choose a smaller --shard-size",
    errno.EROFS: "Give another folder, or make this one writable",
    errno.EACCES: "Give another folder, or make this one writable for you",
    errno.EPERM: "Give another folder, or make this one writable for you",
    errno.ENOENT: "Somebody has moved or removed the folder: see to it",
    errno.EMFILE: "Have the limit on open files raised (`ulimit -n`)",
}


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Let one process at a time do something about a folder; the others wait.

    The lock is a temporary file: what a killed process leaves of it goes with its other leftovers.
    """
    path = folder / f".one{_TEMPORARY}"
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = _locked(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(lock)


@contextmanager
def held(path: Path) -> Iterator[str]:
    """Keep a file from being taken away by `alone`, on any machine; give what tells it from its successors.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    """
    handle = _locked(path, os.O_RDONLY, fcntl.LOCK_SH)
    try:
        status = os.fstat(handle)
        yield f"{status.st_dev}-{status.st_ino}-{status.st_mtime_ns}"
    finally:
        os.close(handle)


@contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Wait a little until nobody holds a file, and keep others from it; tell whether nobody does."""
    handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        yield _left_by_others(handle)
    finally:
        os.close(handle)


def _left_by_others(handle: int) -> bool:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        except OSError:
            return True  # a file system without locks cannot tell
        else:
            return True


def _linked(temporary: Path, path: Path) -> bool:
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    return True


def _locked(path: Path, how: int = os.O_RDWR | os.O_CREAT, lock: int = fcntl.LOCK_EX) -> int:
    """Open a file and lock it; return the handle that holds the lock as long as it is open."""
    while True:
        handle = os.open(path, how | os.O_CLOEXEC, 0o644)
        try:
            with suppress(OSError):  # a file system without locks: nobody tidies up or is kept out here either
                fcntl.flock(handle, lock)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), path.stat()):
                    return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # somebody took the file away between two calls: try the one that is there now


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
        except OSError:
            continue  # its owner has just finished it, or it is another user's
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
        except OSError:
            continue  # its owner is at work, or there are no locks here to tell
        finally:
            os.close(handle)
