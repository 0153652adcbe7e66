"""Readings to words: the tables, the machine and the versions."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

from tests.benchmarks.contest import Reading, rates, ratio
from tests.benchmarks.upkeep import Fact
from tests.benchmarks.works import BEST_PEER, FLOOR, PEERS, Work

_LIBRARIES = (
    *("cutmix-gen", "numpy", "pillow", "pyarrow", "simplejpeg", "cykooz.resizer", "deflate", "joblib"),
    *("torch", "torchvision", "webdataset", "opencv-python-headless"),
)


def work_table(work: Work, readings: list[Reading], *, quick: bool = False) -> str:
    """Return the Markdown table of one work: a line a contestant, its median rate and its ratios to the others.

    Below it stands which goals are reached, but for a quick look.
    """
    found = rates(readings)
    against = [name for name in (*PEERS, FLOOR) if name in found]
    kind = "originals + " if work.originals else ""
    lines = [
        f"### {work.name}: {kind}{work.copies} {'copies' if work.copies > 1 else 'copy'}, {work.size} px",
        "",
        f"| | samples/s | rounds | {' | '.join(f'/ {name}' for name in against)} | processor us/sample | worker MB |",
        "|---|" + "---:|" * (len(against) + 4),
    ]
    for name, rate in found.items():
        own = [reading for reading in readings if reading.contestant == name]
        each = " ".join(f"{reading.rate:,.0f}" for reading in own)
        peak = max(reading.worker_bytes for reading in own) / 1e6
        processor = median(1e6 * reading.processor / reading.samples for reading in own)
        shares = " | ".join(f"{rate / found[other]:.2f}" for other in against)
        memory = f"{peak:.0f}" if peak else ""
        lines.append(f"| {name} | **{rate:,.0f}** | {each} | {shares} | {processor:,.0f} | {memory} |")
    return "\n".join([*lines, "", *([] if quick else _goal_lines(work, found))])


def _goal_lines(work: Work, found: dict[str, float]) -> list[str]:
    lines = []
    for goal in work.goals:
        value = ratio(found, goal.ours, goal.theirs)
        if value is None:
            lines.append(f"- {goal.ours} / {goal.theirs}: not measured, goal >= {goal.at_least:g}")
        else:
            lines.append(
                f"- {goal.ours} / {goal.theirs if goal.theirs != BEST_PEER else 'best plain peer'}: {value:.2f}, "
                f"goal >= {goal.at_least:g}: {'reached' if value >= goal.at_least else 'NOT reached'}"
            )
    return lines


def fact_line(fact: Fact, *, quick: bool = False) -> str:
    """Return a row of the second table as a line; of a quick look, without what it says of the goal."""
    note = f" ({fact.note})" if fact.note else ""
    line = f"- {fact.name}: {fact.value:.2f} {fact.unit}{note}"
    if quick or fact.at_most is None:
        return line
    verdict = "reached" if fact.value <= fact.at_most else "NOT reached"
    return f"{line}, goal <= {fact.at_most:g} {fact.unit}: {verdict}"


def machine() -> str:
    """Return a line about processor, cores, memory and system."""
    names = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    memory = next((int(line.split()[1]) >> 20 for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{names[0] if names else platform.machine()}, {cores} cores, {memory} GiB, {platform.platform()}"


def versions() -> str:
    """Return a line with the releases of all libraries that have a part in this."""
    found = [f"Python {platform.python_version()}"]
    for name in _LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def load() -> str:
    """Return the load of the machine over the last minute: above zero before a round, others are at work."""
    return f"{os.getloadavg()[0]:.2f}"


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text().splitlines() if file.is_file() else []
