"""Everything but the making: planning, coming back to a finished set, starting, the memory at a large set."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.benchmarks.data import PHOTOS, TINY
from tests.benchmarks.measure import run

_PROGRAM = [sys.executable, "-m", "cutmix_gen"]
_PLAN = """
import sys, time, json
from pathlib import Path
from cutmix_gen.generation.begin import begin
from cutmix_gen.config import GenerateConfig
started = time.perf_counter()
begin(GenerateConfig(source=Path(sys.argv[1]), output=Path(sys.argv[2])))
print(json.dumps(time.perf_counter() - started))
"""


@dataclass(frozen=True, slots=True)
class Fact:
    """A row of the second table."""

    name: str
    value: float
    unit: str
    at_most: float | None
    """The goal, where there is one."""
    note: str = ""


def planning(data: Path, rounds: int, quick: bool) -> list[Fact]:
    """Scan, index and begin a run over 200,000 files, against `find -type f -printf` on the same tree."""
    images = 20_000 if quick else 200_000
    folder, output = TINY.folder(data, images), data / "out"
    find, plan = [], []
    for _ in range(rounds):
        find.append(run(["find", str(folder), "-type", "f", "-printf", r"%p %s\n"]).seconds)
        plan.append(float(run([sys.executable, "-c", _PLAN, str(folder), str(output)]).output))
        shutil.rmtree(output)
    note = f"{median(plan):.2f} s, find {median(find):.2f} s"
    return [Fact(f"planning {images:,} files / find", median(plan) / median(find), "x", 3.0, note)]


def finished(data: Path, rounds: int, quick: bool) -> list[Fact]:
    """Give the command again on a finished set of 1,000 shards."""
    shards = 100 if quick else 1000
    folder, output = TINY.folder(data, 2 * shards), data / "finished"
    command = [*_PROGRAM, "generate", str(folder), str(output), "--shard-size", "4", "--json"]
    shutil.rmtree(output, ignore_errors=True)
    run(command)
    readings = [run(command) for _ in range(rounds)]
    made = json.loads(readings[-1].output)
    shutil.rmtree(output)
    seconds = median(reading.seconds for reading in readings)
    return [Fact(f"again, all {made['shards']:,} shards there", seconds, "s", 1.5)]


def start(data: Path, rounds: int, quick: bool) -> list[Fact]:  # noqa: ARG001  every row takes the same
    """Print the help."""
    seconds = [run([*_PROGRAM, "--help"]).seconds for _ in range(3 * rounds)]
    return [Fact("--help", median(seconds), "s", 0.25)]


def memory(data: Path, rounds: int, quick: bool) -> list[Fact]:  # noqa: ARG001  every row takes the same
    """Make four shards of a set of 10,000 and of one of 1,000,000 photos at 224 px; what does a worker take?"""
    facts = []
    for images in (1_000, 10_000) if quick else (10_000, 1_000_000):
        folder, output = PHOTOS.folder(data, images), data / "out"
        blocks = max(-(-images // 1000), min(16, images // 64))
        part = ["--slice", f"0/{max(blocks // 4, 1)}"]
        shutil.rmtree(output, ignore_errors=True)
        command = [*_PROGRAM, "generate", str(folder), str(output), *("--size", "224", "--jobs", "2", "--no-originals")]
        peak = run([*command, *part], watched=True).worker_bytes
        shutil.rmtree(output)
        facts.append(Fact(f"memory of a worker, {images:,} sources", peak / 1e6, "MB", 500.0))
    return facts


def reader(data: Path, rounds: int, quick: bool) -> list[Fact]:
    """Read a set of photos at 224 px: in its order and at random, beside decoding alone and two other readers."""
    folder, images = PHOTOS.folder(data, 1_000 if quick else 5_000), 500 if quick else 4_000
    facts = []
    for kind in ("parquet", "webdataset"):
        output = data / f"read-{kind}"
        shutil.rmtree(output, ignore_errors=True)
        run([*_PROGRAM, "generate", str(folder), str(output), "--size", "224", "--format", kind])
        command = [sys.executable, "-m", "tests.benchmarks.reading", str(output), str(images)]
        readings = [json.loads(run(command).output) for _ in range(rounds)]
        shutil.rmtree(output)
        times = {name: median(reading[name] for reading in readings) for name in readings[0]}
        alone = times.pop("decoding alone")
        for name, seconds in times.items():
            note = f"{seconds * 1e6:.0f} us a sample, decoding alone {alone * 1e6:.0f} us"
            facts.append(Fact(f"{kind}, {name} / decoding", seconds / alone, "x", _READING_GOALS.get(name), note))
    return facts


_READING_GOALS = {"in order": 1.3}
"""Times of decoding alone that a way of reading may take; the others are for comparison."""


UPKEEP: dict[str, Callable[[Path, int, bool], list[Fact]]] = {
    "planning": planning,
    "finished": finished,
    "start": start,
    "memory": memory,
    "reader": reader,
}
"""The rows by name."""
