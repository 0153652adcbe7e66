"""The contest: every contestant of a work in turn, round after round."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median

from tests.benchmarks.measure import run
from tests.benchmarks.works import BEST_PEER, FLOOR, INSTALL, NEEDS, PEERS, PROGRAM, Contestant, Work


@dataclass(frozen=True, slots=True)
class Reading:
    """One contestant's one round of one work."""

    work: str
    contestant: str
    samples: int
    seconds: float
    processor: float
    """Seconds of processor time: much the same however busy the machine is with other things."""
    worker_bytes: int
    """Peak memory of a worker of this program; zero for the others."""

    @property
    def rate(self) -> float:
        """Samples a second."""
        return self.samples / self.seconds


def missing(contestant: str) -> str:
    """Return what a contestant lacks and how to get it; empty where it lacks nothing."""
    lacking = [module for module in NEEDS.get(contestant, ()) if find_spec(module) is None]
    return f"without {contestant}: {', '.join(lacking)} not installed ({INSTALL[contestant]})" if lacking else ""


def rounds(work: Work, data: Path, count: int, quick: bool) -> Iterator[Reading]:
    """Give the readings of all contestants that are installed: A B C, A B C, ..."""
    present = [contestant for contestant in work.contestants if not missing(contestant.name)]
    for contestant in present:
        work.job(contestant, data, data / "out", quick)  # lays its images out before any clock runs
    for _ in range(count):
        for contestant in present:
            yield _read(work, contestant, data, quick)


def _read(work: Work, contestant: Contestant, data: Path, quick: bool) -> Reading:
    output = data / "out"
    shutil.rmtree(output, ignore_errors=True)
    job = work.job(contestant, data, output, quick)
    outcome = run(contestant.command(job), watched=contestant.name.startswith(PROGRAM))
    shutil.rmtree(output)
    return Reading(work.name, contestant.name, *contestant.took(outcome), outcome.worker_bytes)


def rates(readings: list[Reading]) -> dict[str, float]:
    """Return the median rate of each contestant of a work, in the order in which they came."""
    names = dict.fromkeys(reading.contestant for reading in readings)
    return {name: median(reading.rate for reading in readings if reading.contestant == name) for name in names}


def ratio(found: dict[str, float], ours: str, theirs: str) -> float | None:
    """Return how many times as fast one contestant is as another, None where one of them did not run."""
    if theirs == BEST_PEER:
        peers = [name for name in PEERS if name in found]
        theirs = max(peers, key=found.__getitem__) if peers else FLOOR
    if ours not in found or theirs not in found:
        return None
    return found[ours] / found[theirs]
