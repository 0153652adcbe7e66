"""Runs that are killed in front of a certain one of their file operations.

    python -m tests.faults.step SRC OUT OPTIONS FIRST STEP

forks a process that is killed just before operation FIRST of its own, another one for FIRST + STEP, and so on until a
process ends before its turn. Each has a set OUT/NUMBER to itself; OPTIONS are JSON. An operation is what the system is
asked to do about a file below OUT that is more than reading: to make, rename, link or remove it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from tests.faults.runs import make

OPERATIONS = {"os.rename", "os.link", "os.remove", "os.mkdir", "open"}


def main(source: str, output: str, options: str, first: str, step: str) -> None:
    """Fork until a process ends by itself."""
    settings = json.loads(options)
    number, signalled = int(first), signal.SIGKILL
    while signalled:
        place = Path(output) / str(number)
        if settings.get("overwrite"):
            _forked(Path(source), place, settings | {"seed": 1}, sys.maxsize)
        signalled = _forked(Path(source), place, settings, number)
        number += int(step)


def _forked(source: Path, output: Path, settings: dict[str, Any], number: int) -> int:
    """Make a set in a process of its own; return the signal that ended it, 0 if none did."""
    pid = os.fork()
    if pid == 0:
        sys.addaudithook(_Killer(os.fspath(output), number))
        make(source, output, **settings)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status > 0:
        raise RuntimeError(f"a run failed before operation {number}")
    return -status


class _Killer:
    """Counts the operations below a folder, and kills this process in front of one of them."""

    def __init__(self, folder: str, left: int) -> None:
        self._folder = folder
        self._left = left

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in OPERATIONS or not isinstance(arguments[0], str | bytes):
            return
        if not os.fsdecode(arguments[0]).startswith(self._folder):
            return
        if event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR):
            return
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1


if __name__ == "__main__":
    main(*sys.argv[1:])
