"""Planning a run over very many sources that are not there: `python -m tests.benchmarks.scale --images 100000000`.

The walk is simulated (names like ImageNet's, 1,000 classes); index, fingerprint, plan and task are the program's own.
Each part runs in a process of its own, whose peak memory is told.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import click
import numpy as np

from cutmix_gen.config import GenerateConfig
from cutmix_gen.plan import Plan
from cutmix_gen.source import Scan, SourceIndex, fingerprint, write_index
from tests.benchmarks.measure import run

CLASSES = 1000


@dataclass(frozen=True, slots=True)
class _Names(Sequence[bytes]):
    """The paths of a folder that is not there."""

    images: int

    def __len__(self) -> int:
        return self.images

    @overload
    def __getitem__(self, place: int) -> bytes: ...
    @overload
    def __getitem__(self, place: slice) -> list[bytes]: ...
    def __getitem__(self, place: int | slice) -> bytes | list[bytes]:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(self.images))]
        label = place * CLASSES // self.images
        return b"n%08d/n%08d_%d.JPEG" % (label, label, place)


def plan(images: int, index: Path) -> None:
    """Write the index of a simulated walk, and make the plan."""
    labels = (np.arange(images) * CLASSES // images).astype(np.int32)
    scanned = Scan(tuple(f"n{label:08d}" for label in range(CLASSES)), _Names(images), labels, _sizes(images), {})
    write_index(scanned, index)
    fingerprint(scanned)
    np.bincount(scanned.labels, minlength=CLASSES)
    _plan(images)


def task(images: int, index: Path) -> None:
    """Find the sources of a task in the middle of the run, as a worker does."""
    made = _plan(images)
    work = made.task(made.num_tasks // 2)
    sources = SourceIndex(index, class_counts(images)).rows(made.permutation(work.start, work.stop))
    if len({source.path for source in sources}) != work.stop - work.start:
        raise click.ClickException("a task has a source twice")


def class_counts(images: int) -> list[int]:
    """Return the images of each class, without a look at every image: they would count as memory of a task."""
    first = -(-np.arange(CLASSES + 1) * images // CLASSES)
    return np.diff(first).tolist()


def _sizes(images: int) -> np.ndarray:
    return np.resize(np.arange(90_000, 130_000, 7, dtype=np.int64), images)


def _plan(images: int) -> Plan:
    return Plan(GenerateConfig(source=Path("src"), output=Path("out"), copies=4), images, 1, 0)


PARTS = {"plan": plan, "task": task}


@click.command()
@click.option("--images", type=click.IntRange(2), default=100_000_000, show_default=True)
@click.option("--part", type=click.Choice(list(PARTS)), hidden=True)
@click.option("--index", type=click.Path(path_type=Path), hidden=True)
def main(images: int, part: str | None, index: Path | None) -> None:
    """Plan a run over so many sources; print seconds and peak memory."""
    if part and index:
        started = time.perf_counter()
        PARTS[part](images, index)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
        click.echo(json.dumps({"seconds": time.perf_counter() - started, "peak": peak}))
        return
    with tempfile.TemporaryDirectory() as folder:
        index = Path(folder) / "0001.arrow"
        for name in PARTS:
            command = [sys.executable, "-m", "tests.benchmarks.scale", "--images", str(images), "--part", name]
            found = json.loads(run([*command, "--index", str(index)]).output)
            click.echo(f"{name}: {found['seconds']:.2f} s, peak memory {found['peak'] / 1e6:,.0f} MB")
        click.echo(f"index: {index.stat().st_size / 1e9:.2f} GB of {images:,} sources")


if __name__ == "__main__":
    main(prog_name="python -m tests.benchmarks.scale")
