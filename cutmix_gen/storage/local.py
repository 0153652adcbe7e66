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

TEMPORARY = ".cutmix-gen.tmp"
"""How the names of files and folders end while they are written; they begin with a dot."""
_PATIENCE = 3.0
"""Seconds to wait for others to leave: workers whose parent was killed need one to notice."""
_CREATED = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
"""How a file is opened that is made if need be: never outside of its folder, through a link that lies there."""
_CUT = 64
"""Bytes of a file's name that stand in that of its temporary file: the name may be as long as the disk takes it."""
_numbers = itertools.count(int.from_bytes(os.urandom(4)))
"""Of temporary files: nobody can tell beforehand what the next one is called, nor does anything lie there."""


class AtomicFile:
    """A file that is written beside its place, and appears there whole or never.

    Write to `temporary`, then call `commit` or `discard`. The file is flushed to disk before it is renamed, so that
    under its final name it is never half written, not even after a power cut. While it is written it is locked: a
    temporary file without a lock belongs to nobody any more.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.temporary = path.with_name(temporary_name(path.name))
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock: int | None = _locked(self.temporary, _CREATED | os.O_EXCL)

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


def temporary_name(name: str) -> str:
    """Return what a file is called while it is written, by the name that it gets in the end."""
    return f".{os.fsdecode(os.fsencode(name)[:_CUT])}.{socket.gethostname()}-{unique()}{TEMPORARY}"


def unique() -> str:
    """Return digits that no other process of this machine gives."""
    return f"{os.getpid()}-{next(_numbers)}"


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
            f"{path} must be written, but that failed: {reason}. {remedy_for(number)}, and give the same command "
            "again; what is committed stays."
        ) from error


def remedy_for(number: int) -> str:
    """Return what to do about an error of the system, by its number: a sentence without its end."""
    return _REMEDIES.get(number, "Look after the disk")


_REMEDIES = {
    errno.ENOSPC: "Make room on the disk",
    errno.EDQUOT: "Make room, or have your quota raised",
    errno.EFBIG: "Have the limit on file sizes raised (`ulimit -f`), or choose a smaller --shard-size",
    errno.EROFS: "Give another folder, or make this one writable",
    errno.EACCES: "Give another folder, or make this one writable for you",
    errno.EPERM: "Give another folder, or make this one writable for you",
    errno.EISDIR: "Give the name of a file: there is a folder",
    errno.ELOOP: "Remove the link that lies in its way",
    errno.EEXIST: "Remove what lies in its way",
    errno.ENAMETOOLONG: "Give a shorter name",
    errno.EBADF: "Open it for writing, or give the name of a file",
    errno.ENOTEMPTY: "Give another folder: by now there are files in this one",
    errno.ENOTDIR: "Give another name: there is a file where a folder would have to be",
    errno.ENOENT: "Somebody has moved or removed the folder: see to it",
    errno.EMFILE: "Have the limit on open files raised (`ulimit -n`)",
}


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Let one process at a time do something about a folder; the others wait.

    The lock is a temporary file: what a killed process leaves of it goes with its other leftovers.
    """
    path = folder / f".one{TEMPORARY}"
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = _locked(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(lock)


@contextmanager
def sole(path: Path) -> Iterator[bool | None]:
    """Make a lock file for as long as something is done; tell whether this process alone does it.

    False: another process has the lock. None: there are no locks on this file system, so that nobody can tell.
    """
    while True:
        with writing(path):
            handle = os.open(path, _CREATED | os.O_CLOEXEC, 0o644)
        locked = lock_now(handle)
        if not locked or _is_at(handle, path):
            break
        os.close(handle)  # of a process that has just ended
    try:
        yield locked
    finally:
        if locked is not False:
            path.unlink(missing_ok=True)
        os.close(handle)


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
    while lock_now(handle) is False:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def lock_now(handle: int) -> bool | None:
    """Lock an open file; return whether it worked: False where somebody holds it, None where there are no locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _linked(temporary: Path, path: Path) -> bool:
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    return True


def _locked(path: Path, how: int = _CREATED, lock: int = fcntl.LOCK_EX) -> int:
    """Open a file and lock it; return the handle that holds the lock as long as it is open."""
    while True:
        handle = os.open(path, how | os.O_CLOEXEC, 0o644)
        try:
            with suppress(OSError):  # a file system without locks: nobody tidies up or is kept out here either
                fcntl.flock(handle, lock)
            if _is_at(handle, path):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # somebody took the file away between two calls: try the one that is there now


def _is_at(handle: int, path: Path) -> bool:
    """Tell whether an open file still lies at its path."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_local_leftovers(folder: Path) -> None:
    """Remove the temporary files in a folder that no living process is writing, on this machine or another."""
    for path in folder.glob(f".*{TEMPORARY}"):
        try:
            handle = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue  # its owner has just finished it, or it is another user's
        try:
            if lock_now(handle):
                path.unlink(missing_ok=True)
        except OSError:
            continue  # of a folder that is read-only
        finally:
            os.close(handle)
