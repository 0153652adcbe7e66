"""Readers with faults that the fuzz has to find: what it would count of a program that has them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import numpy as np

from cutmix_gen.errors import SetError
from tests.fuzz.reading import FINE, SKIP, Reader, Target


def _own(_data: bytes) -> str:
    raise SetError("as it should be")


def _bug(_data: bytes) -> str:
    raise KeyError("a bug")


def _busy(_data: bytes) -> str:
    end = time.process_time() + 1.5
    while time.process_time() < end:
        pass
    return FINE


def _waits(_data: bytes) -> str:
    time.sleep(3600)
    return FINE


def _fills_memory(_data: bytes) -> str:
    return FINE if np.ones(10 << 20).sum() else SKIP


def _too_much(_data: bytes) -> str:
    return FINE if np.ones(1 << 40).sum() else SKIP


def _hidden(_data: bytes) -> str:
    try:
        return _too_much(b"")
    except MemoryError as error:
        raise SetError("it is said to be the file's fault") from error


def _dies(_data: bytes) -> str:
    os.kill(os.getpid(), signal.SIGSEGV)
    return FINE


def _target(read: Reader) -> Target:
    return Target(("pairs/plain.csv",), lambda _folder: read)


READERS: dict[str, Callable[[bytes], str]] = {
    "fine": lambda _: FINE,
    "skip": lambda _: SKIP,
    "own error": _own,
    "other": _bug,
    "timeout": _waits,
    "timeout, busy": _busy,
    "memory": _fills_memory,
    "memory, refused": _too_much,
    "memory, hidden": _hidden,
    "died": _dies,
}
TARGETS = {name: _target(read) for name, read in READERS.items()}
"""By what each ends in."""
