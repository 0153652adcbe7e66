"""The process that reads inputs, one after the other: `watch` starts it, and watches."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

GOOD = frozenset({"fine", "own error", "skip"})


@dataclass(frozen=True)
class Job:
    """What a child has to do."""

    folder: str
    """For its files."""
    table: str
    """The module that has the targets."""
    names: tuple[str, ...]
    seed: int
    inputs: int | None = None
    """Changed ones of each target, beside its seeds; by default as many as there is time for."""
    until: float | None = None
    """When to end, by the clock `time.monotonic`, which is one for all processes."""
    first: int = 0
    """The number of the first input of the first target: those before it are done."""
    seconds: float = 5.0
    """Of the processor, for an input."""
    memory: int = 512 << 20
    """Bytes that reading an input may take at its peak, beyond what the process held before."""
    patience: float = 30.0
    """Seconds for an input, however much of them it works, before its process is stopped."""
    guided: bool = False
    """Whether atheris chooses the inputs."""
    files: tuple[str, ...] = ()
    """Inputs to read instead."""


def main() -> None:
    """Do the job that stands in the arguments; report to the file handle that stands beside it."""
    facts, handle = json.loads(sys.argv[1]), int(sys.argv[2])
    job = Job(**{name: tuple(value) if isinstance(value, list) else value for name, value in facts.items()})
    reports = _Reports(handle, job)
    if job.guided:
        from tests.fuzz.guided import run  # noqa: PLC0415  atheris need not be installed

        run(job, reports.read)
        return
    from tests.fuzz.outcomes import limit_memory  # noqa: PLC0415  a guided child imports the program later

    targets = import_module(job.table).TARGETS
    limit_memory()
    for name in job.names:
        reader = targets[name].make(own_folder(job, name))
        for number, data in _inputs(job, name, targets[name]):
            reports.read(name, number, reader, data)


def own_folder(job: Job, name: str) -> Path:
    """Return an empty folder for a target."""
    folder = Path(job.folder, f"work-{slug(name)}-{os.getpid()}")
    folder.mkdir()
    return folder


def slug(name: str) -> str:
    """Return a target's name as it stands in names of files.

    >>> slug("dataset.json, sealed")
    'dataset.json-sealed'
    """
    return name.replace(", ", "-").replace(" ", "-")


def _inputs(job: Job, name: str, target: Any) -> Iterator[tuple[int, bytes]]:
    """Give the inputs of a target: its seeds as they are, then changed ones.

    An input that ended in an error of a new kind is a seed from then on.
    """
    from tests.fuzz.mutation import mutated  # noqa: PLC0415  as above

    if job.files:
        yield from enumerate(Path(file).read_bytes() for file in job.files)
        return
    seeds, end = target.files(), job.until or float("inf")
    pool = Path(job.folder, f"pool-{slug(name)}")
    pool.mkdir(exist_ok=True)
    number = job.first if name == job.names[0] else 0
    while time.monotonic() < end and (job.inputs is None or number < len(seeds) + job.inputs):
        rng = Random(f"{job.seed} {name} {number}")
        if number < len(seeds):
            data = seeds[number]
        else:
            novel = sorted(pool.iterdir()) if rng.random() < 0.3 else []
            data = rng.choice(novel).read_bytes() if novel else rng.choice(seeds)
            data = mutated(data, seeds, target.words, rng)
            data = target.mend(data) if rng.random() < 0.9 else data
        yield number, data
        number += 1


class _Reports:
    """Tells the parent how each input ended, and keeps those that should not have ended so."""

    def __init__(self, handle: int, job: Job) -> None:
        self._handle = handle
        self._limits = job.seconds, job.memory
        self._folder = Path(job.folder)
        self._input = self._folder / "input"
        self._known: set[tuple[str, str]] = set()

    def read(self, name: str, number: int, reader: Any, data: bytes) -> None:
        from tests.fuzz.outcomes import judged  # noqa: PLC0415  a guided child imports the program later

        self._input.write_bytes(data)
        self._say({"target": name, "number": number})
        outcome = judged(reader, data, *self._limits)
        file = ""
        if (name, outcome.what) not in self._known:
            self._known.add((name, outcome.what))
            pool = self._folder / f"pool-{slug(name)}"
            if outcome.kind in GOOD and pool.is_dir():
                (pool / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
            elif outcome.kind not in GOOD:
                file = keep(self._folder, name, outcome.kind, data, outcome.trace)
        facts = asdict(outcome)
        self._say({"target": name, "number": number, "file": file} | facts)

    def _say(self, facts: dict[str, Any]) -> None:
        data = json.dumps(facts).encode() + b"\n"
        while data:
            data = data[os.write(self._handle, data) :]


def keep(folder: Path, name: str, kind: str, data: bytes, trace: str) -> str:
    """Keep an input, and where it ended beside it; return where."""
    path = folder / f"found-{slug(name)}-{kind}-{hashlib.sha256(data).hexdigest()[:12]}"
    path.write_bytes(data)
    if trace:
        path.with_name(f"{path.name}.txt").write_text(trace, errors="backslashreplace")
    return str(path)


if __name__ == "__main__":
    main()
