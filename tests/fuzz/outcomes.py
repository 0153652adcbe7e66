"""How an input ended."""

from __future__ import annotations

import resource
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import click

from cutmix_gen import errors
from tests.fuzz.reading import FINE, FOUND, OWN, SKIP, Reader

OTHER, TIMEOUT, MEMORY, DIED = "other", "timeout", "memory", "died"
OUTCOMES = (FINE, FOUND, SKIP, OTHER, TIMEOUT, MEMORY, DIED)
"""How an input may end: the last four are faults."""
FAULTS = frozenset({OTHER, TIMEOUT, MEMORY, DIED})

_ROOM = 3 << 30
"""Bytes of addresses that a process may have beyond those it starts with; more is refused by the system."""

_LACKS = (MemoryError, getattr(errors, "MachineError", MemoryError))


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an input ended."""

    kind: str
    """One of `OUTCOMES`."""
    what: str
    """The error's type, and the line of this program that it came through last; empty where there is none."""
    seconds: float
    memory: int
    """Bytes at the peak, beyond those before."""
    trace: str = ""


def judged(reader: Reader, data: bytes, most_seconds: float, most_memory: int) -> Outcome:
    """Read an input, and tell how it ended; it may take so many seconds of the processor, and bytes."""
    before = _reset_peak()
    begun = time.process_time()
    what = trace = ""
    try:
        kind = reader(data)
    except BaseException as error:  # whatever it is, it is counted
        kind, what, trace = _kind_of(error), _signature(error), "".join(traceback.format_exception(error))
    seconds, memory = time.process_time() - begun, max(_status("VmHWM") - before, 0)
    if memory > most_memory:
        kind, what = MEMORY, what or "a peak of memory"
    elif seconds > most_seconds and kind not in FAULTS:
        kind, what = TIMEOUT, what or "it took too long"
    return Outcome(kind, what, seconds, memory, trace)


def limit_memory() -> None:
    """Have the system refuse memory to this process far beyond what an input may take."""
    most = _status("VmSize") + _ROOM
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _kind_of(error: BaseException) -> str:
    if any(isinstance(each, _LACKS) for each in _chain(error)):
        return MEMORY
    return FOUND if isinstance(error, (*OWN, click.ClickException)) else OTHER


def _chain(error: BaseException) -> list[BaseException]:
    """Return an error, and those that it came from."""
    found: list[BaseException] = []
    each: BaseException | None = error
    while each is not None and each not in found:
        found.append(each)
        each = each.__cause__ or each.__context__
    return found


def _signature(error: BaseException) -> str:
    frames = [each for each in traceback.extract_tb(error.__traceback__) if "/cutmix_gen/" in each.filename]
    where = f" at {frames[-1].filename.rpartition('/cutmix_gen/')[2]}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


def _reset_peak() -> int:
    """Let the peak of memory begin anew; return what is held now."""
    with suppress(OSError):  # where the system does not let it, the peak is that of all inputs so far
        Path("/proc/self/clear_refs").write_text("5")
    return _status("VmHWM")


def _status(name: str) -> int:
    """Return a figure of this process, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(f"{name}:"))
