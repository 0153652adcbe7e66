"""Very many sources: `python -m tests.benchmarks.scale --images 100000000`, or `--real 1000000` for files.

The first simulates the walk (names like ImageNet's, 1,000 classes); listing, index, fingerprint, plan and task are the
program's own. The second makes a folder of tiny photos, plans a run over it, and makes the set. Each part runs in a
process of its own, whose peak memory is told: what it took for itself, and that with the files it had mapped.
"""

from __future__ import annotations

import json
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np

from cutmix_gen.config import GenerateConfig
from cutmix_gen.dataset.plan import Plan
from cutmix_gen.dataset.source_index import SourceIndex, write_index
from cutmix_gen.generation.begin import begin
from cutmix_gen.sources.listing import Listing
from cutmix_gen.sources.scan import Scan, fingerprint
from tests.benchmarks.data import TINY
from tests.benchmarks.measure import Watch, run

CLASSES = 1000


def plan(images: int, place: Path) -> None:
    """Take the images of a simulated walk, write their index, and make the plan."""
    with Listing(place) as listing:
        for label, count in enumerate(class_counts(images)):
            for _ in listing.add(_found(label, listing.count, count), label):
                pass
        scanned = Scan(tuple(f"n{label:08d}" for label in range(CLASSES)), *listing.rows(), {})
    write_index(scanned, place / "0001.arrow")
    fingerprint(scanned)
    if scanned.class_counts.tolist() != class_counts(images):
        raise click.ClickException("the classes have other numbers of images than they were given")
    _plan(images)


def task(images: int, place: Path) -> None:
    """Find the sources of a task in the middle of the run, as a worker does."""
    made = _plan(images)
    work = made.task(made.num_tasks // 2)
    index = SourceIndex(place / "0001.arrow", class_counts(images))
    sources = index.rows(made.permutation(work.start, work.stop))
    if len({source.path for source in sources}) != work.stop - work.start:
        raise click.ClickException("a task has a source twice")


def real(images: int, place: Path) -> None:
    """Plan a run over files that are there."""
    begin(GenerateConfig(source=TINY.folder(place, images), output=place / "out"))


def class_counts(images: int) -> list[int]:
    """Return the images of each class, without a look at every image: they would count as memory of a task."""
    first = -(-np.arange(CLASSES + 1) * images // CLASSES)
    return np.diff(first).tolist()


def _found(label: int, first: int, count: int) -> Iterator[tuple[bytes, int]]:
    for number in range(first, first + count):
        yield b"n%08d/n%08d_%d.JPEG" % (label, label, number), 90_000 + 7 * number % 40_000


def _plan(images: int) -> Plan:
    return Plan(GenerateConfig(source=Path("src"), output=Path("out"), copies=4), images, 1, 0)


PARTS = {"plan": plan, "task": task, "real": real}


@click.command()
@click.option("--images", type=click.IntRange(2), default=100_000_000, show_default=True, help="That are not there.")
@click.option("--real", "files", type=click.IntRange(2), help="Files that are made, and a set of them.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=Path(tempfile.gettempdir(), "cutmix-gen-benchmarks"),
    show_default=True,
    help="Folder for all files: 100 bytes for each image that is not there.",
)
@click.option("--part", type=click.Choice(list(PARTS)), hidden=True)
def main(images: int, files: int | None, data: Path, part: str | None) -> None:
    """Plan a run over so many sources; print seconds and peak memory."""
    data.mkdir(parents=True, exist_ok=True)
    if part:
        click.echo(json.dumps(_measured(part, images, data)))
    elif files:
        _make(files, data)
    else:
        _simulate(images, data)


def _simulate(images: int, data: Path) -> None:
    with tempfile.TemporaryDirectory(dir=data) as folder:
        for name in ("plan", "task"):
            _tell(name, images, Path(folder))
        size = (Path(folder) / "0001.arrow").stat().st_size
    click.echo(f"index: {size / 1e9:.2f} GB of {images:,} sources")


def _make(files: int, data: Path) -> None:
    source, output = TINY.folder(data, files), data / "out"
    _tell("real", files, data)
    shutil.rmtree(output)
    command = [sys.executable, "-m", "cutmix_gen", "generate", str(source), str(output), "--json"]
    made = run([*command, "--size", "32"], watched=True)
    shutil.rmtree(output)
    samples, worker = json.loads(made.output)["new_samples"], made.worker_bytes / 1e6
    click.echo(f"generate: {samples:,} samples in {made.seconds:.0f} s, a worker had {worker:,.0f} MB at most")


def _tell(part: str, images: int, place: Path) -> None:
    command = [sys.executable, "-m", "tests.benchmarks.scale", "--images", str(images), "--part", part]
    found = json.loads(run([*command, "--data", str(place)]).output)
    memory = f"{found['own'] / 1e6:,.0f} MB of its own, {found['mapped'] / 1e6:,.0f} MB with mapped files"
    click.echo(f"{part}: {images:,} sources, {found['seconds']:.2f} s, peak memory {memory}")


def _measured(part: str, images: int, place: Path) -> dict[str, float]:
    watch, started = Watch(_own_memory, 0.05), time.perf_counter()
    PARTS[part](images, place)
    seconds, own = time.perf_counter() - started, watch.stop()
    return {"seconds": seconds, "own": own, "mapped": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10}


def _own_memory() -> int:
    """Return the memory of this process that no file backs (RssAnon): the system cannot take it back."""
    lines = Path("/proc/self/status").read_text().splitlines()
    resident = next(line for line in lines if line.startswith("RssAnon:"))
    return int(resident.split()[1]) << 10


if __name__ == "__main__":
    main(prog_name="python -m tests.benchmarks.scale")
