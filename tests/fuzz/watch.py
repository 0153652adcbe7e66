"""The parent of the fuzz: it counts how inputs end, and goes on with another child where one hangs or dies."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.fuzz.child import GOOD, Job, keep

ROOT = Path(__file__).parents[2]
_STARTING = 120.0
"""Seconds for a child to start."""


@dataclass
class Counts:
    """How the inputs ended."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By target and outcome."""
    faults: dict[tuple[str, str, str], list[str]] = field(default_factory=dict)
    """By target, outcome and what it was: the files of the inputs."""
    how_often: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    seconds: Counter[str] = field(default_factory=Counter)
    """Of the processor, by target."""
    slowest: dict[str, float] = field(default_factory=dict)
    largest: dict[str, int] = field(default_factory=dict)
    """Bytes of memory."""

    def add(self, name: str, kind: str, what: str, file: str) -> None:
        """Count an input."""
        self.outcomes[name, kind] += 1
        if kind not in GOOD:
            self.how_often[name, kind, what] += 1
            files = self.faults.setdefault((name, kind, what), [])
            if file:
                files.append(file)

    def include(self, other: Counts) -> None:
        """Add the counts of other targets."""
        for mine, theirs in ((self.outcomes, other.outcomes), (self.how_often, other.how_often)):
            mine.update(theirs)
        self.faults |= other.faults
        self.seconds.update(other.seconds)
        self.slowest |= other.slowest
        self.largest |= other.largest

    @property
    def ok(self) -> bool:
        """Whether nothing ended as it should not."""
        return not self.faults


def has_atheris() -> bool:
    """Tell whether inputs can be chosen by the code that they reach."""
    return find_spec("atheris") is not None


def fuzz(job: Job, told: Callable[[str], None] = lambda _: None) -> Counts:
    """Do a job, in as many processes as it takes.

    Parameters
    ----------
    job : Job
    told : callable
        Told of each fault of a new kind.
    """
    counts = Counts()
    names, first, end = list(job.names), job.first, job.until or float("inf")
    while names and time.monotonic() < end:
        last = _watched(replace(job, names=tuple(names), first=first), counts, told)
        if last is None:
            break
        name, number = last
        names, first = names[names.index(name) :], number + 1
        rest_of_files = job.files[first:]
        if job.files:
            job, first = replace(job, files=rest_of_files), 0
            if not rest_of_files:
                break
    return counts


def _watched(job: Job, counts: Counts, told: Callable[[str], None]) -> tuple[str, int] | None:
    """Run one child; return the input that ended it, None where it came to its own end."""
    reading, writing = os.pipe()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": job.folder}
    with (
        Path(job.folder, "log.txt").open("ab") as log,
        subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.child", json.dumps(asdict(job)), str(writing)],
            pass_fds=[writing],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=ROOT,
            env=environment,
        ) as child,
    ):
        os.close(writing)
        try:
            begun, hung = _listen(reading, job.patience, counts, told)
        finally:
            os.close(reading)
            child.kill() if child.poll() is None and _is_stuck(child) else None
        code = child.wait()
    for folder in Path(job.folder).glob(f"work-*-{child.pid}"):
        shutil.rmtree(folder, ignore_errors=True)
    if begun is None:
        if code:
            raise RuntimeError(f"A child ended with {code} beside its inputs: see {log.name}")
        return None
    name, number = begun
    kind, what = ("timeout", f"no end within {job.patience:g} s") if hung else ("died", f"exit code {code}")
    file = keep(Path(job.folder), name, kind, Path(job.folder, "input").read_bytes(), "")
    _count(counts, told, {"target": name, "kind": kind, "what": what, "file": file})
    return name, number


def _is_stuck(child: subprocess.Popen[bytes]) -> bool:
    """Tell whether a process that has nothing to say any more does not end by itself."""
    try:
        child.wait(5)
    except subprocess.TimeoutExpired:
        return True
    return False


def _listen(
    reading: int, most: float, counts: Counts, told: Callable[[str], None]
) -> tuple[tuple[str, int] | None, bool]:
    """Take in what a child reports; return the input that was begun and not ended, and whether it hangs."""
    begun: tuple[str, int] | None = None
    rest, patience = b"", _STARTING
    while True:
        if not select.select([reading], [], [], patience)[0]:
            return begun, True
        data = os.read(reading, 1 << 16)
        if not data:
            return begun, False
        patience = most
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            facts = json.loads(line)
            if "kind" in facts:
                begun = None
                _count(counts, told, facts)
            else:
                begun = facts["target"], facts["number"]


def _count(counts: Counts, told: Callable[[str], None], facts: dict[str, Any]) -> None:
    name, kind, what = facts["target"], facts["kind"], facts["what"]
    if kind not in GOOD and (name, kind, what) not in counts.faults:
        told(f"{name}: {kind}, {what}: {facts['file']}")
    counts.add(name, kind, what, facts["file"])
    counts.seconds[name] += facts.get("seconds", 0)
    counts.slowest[name] = max(counts.slowest.get(name, 0), facts.get("seconds", 0))
    counts.largest[name] = max(counts.largest.get(name, 0), facts.get("memory", 0))
