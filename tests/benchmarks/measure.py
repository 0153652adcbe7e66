"""Running a command: its wall time, what it printed, and the memory of its workers."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.benchmarks.job import processor_seconds

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a command."""

    seconds: float
    """By the clock on the wall."""
    processor: float
    """Seconds of processor time, of all processes below it too."""
    output: str
    worker_bytes: int
    """Peak resident memory of the process below it that had most; zero where there was none."""


class CommandError(Exception):
    """A command failed."""


def run(command: list[str], *, watched: bool = False) -> Outcome:
    """Run a command to its end; `watched` looks at the memory of its workers meanwhile."""
    started, used = time.perf_counter(), processor_seconds()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    watch = Watch(partial(_largest_below, process.pid)) if watched else None
    output, errors = process.communicate()
    seconds, processor = time.perf_counter() - started, processor_seconds() - used
    peak = watch.stop() if watch else 0
    if process.returncode:
        raise CommandError(f"{' '.join(command)} ended with code {process.returncode}:\n{errors[-2000:]}")
    return Outcome(seconds, processor, output, peak)


class Watch:
    """Keeps the largest of what a look gives, time and again until it is stopped.

    Parameters
    ----------
    look : callable
        Gives a number of bytes.
    every : float
        Seconds between two looks.
    """

    def __init__(self, look: Callable[[], int], every: float = 0.1) -> None:
        self._look = look
        self._every = every
        self._peak = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> int:
        self._stopped.set()
        self._thread.join()
        return self._peak

    def _watch(self) -> None:
        while True:
            self._peak = max(self._peak, self._look())
            if self._stopped.wait(self._every):
                return


def _largest_below(parent: int) -> int:
    """Return the peak memory (VmHWM) so far of the process below another one that had most."""
    return max(map(_high_water, _below(parent)), default=0)


def _below(parent: int) -> list[int]:
    found = []
    with suppress(OSError):
        for task in Path(f"/proc/{parent}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *_below(int(child))]
    return found


def _high_water(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) << 10
    return 0
