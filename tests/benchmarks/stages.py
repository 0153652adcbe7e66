"""Where the time of one process goes: run `python -m tests.benchmarks.stages photos-5`.

The functions at the borders of the stages are wrapped with a clock, and the tasks of a run are done one after the other
in this process. A stage's time is its own: what it calls of another stage is counted there. The clock takes about 1 us
a call, which the stages share. Shards are hashed and flushed in threads: by the wall, that goes on beside the rest.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pyarrow as pa

from cutmix_gen.config import GenerateConfig
from cutmix_gen.dataset.run import Run
from cutmix_gen.execute.memory import keep_memory
from cutmix_gen.generation.begin import begin
from tests.benchmarks.works import WORKS, Work

_BORDERS = {
    "find the sources in the index": ["dataset.run:Run.sources"],
    "read": ["sources.images:read_source"],
    "decode": ["codecs.pillow:PillowCodec.decode", "codecs.turbo:TurboCodec.decode"],
    "crop, resize": ["codecs.base:Codec.fit"],
    "draw, realise": [
        "generation.draws:CopyDraws.__init__",
        "generation.draws:CopyDraws.boxes",
        "generation.draws:CopyDraws.draw",
    ],
    "count shares": ["generation.draws:ownership"],
    "mix": ["sources.images:Images.mix", "sources.images:Images.paste"],
    "encode": ["codecs.pillow:PillowCodec.encode", "codecs.turbo:TurboCodec.encode"],
    "recipe": ["mixing.recipe:RecipeWriter.mixed", "mixing.recipe:RecipeWriter.original"],
    "rows, labels": ["generation.sample_maker:SampleMaker._rows"],
    "count for the record": ["generation.task:_Output._count"],
    "write": ["shards.parquet:_ParquetWriter.write", "shards.webdataset:_TarWriter.write"],
    "close the shard": ["shards.parquet:_ParquetWriter.close", "shards.webdataset:_TarWriter.close"],
    "hash": ["generation.task:sha256"],
    "flush, rename": ["storage:AtomicFile.commit"],
    "record": ["dataset.manifest:Manifest.commit"],
}
"""Stage to the functions that are it, as `module:name` below `cutmix_gen`."""
_REST = "everything else"


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.thread_time()


class _Thread(threading.local):
    """A thread's own: the stages that it is in, one inside of another, and its last tick."""

    def __init__(self) -> None:
        self.stack = [_REST]
        self.last = _now()


@dataclass(slots=True)
class Clock:
    """Wall and processor time by stage."""

    wall: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    cpu: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    own: _Thread = field(default_factory=_Thread)

    def tick(self) -> None:
        """Charge this thread's time since its last tick to the stage that it is in."""
        now, own = _now(), self.own
        self.wall[own.stack[-1]] += now[0] - own.last[0]
        self.cpu[own.stack[-1]] += now[1] - own.last[1]
        own.last = now

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that charges its time to a stage."""

        @wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            self.tick()
            self.own.stack.append(stage)
            try:
                return function(*args, **kwargs)
            finally:
                self.tick()
                self.own.stack.pop()

        return wrapper

    def attach(self) -> list[str]:
        """Wrap the functions; return the names that are not there (any more)."""
        lost = []
        for stage, names in _BORDERS.items():
            for name in names:
                module, _, path = name.partition(":")
                owner, _, attribute = path.rpartition(".")
                try:
                    place = import_module(f"cutmix_gen.{module}")
                    place = getattr(place, owner) if owner else place
                    setattr(place, attribute, self.timed(stage, getattr(place, attribute)))
                except (ImportError, AttributeError):
                    lost.append(name)
        return lost


@click.command()
@click.argument("name", metavar="WORK", type=click.Choice([work.name for work in WORKS]))
@click.option("--format", "shard_format", default="parquet", show_default=True)
@click.option("--codec", default="auto", show_default=True)
@click.option("--images", type=int, default=2000, show_default=True)
@click.option("--data", type=click.Path(path_type=Path), default=Path(tempfile.gettempdir(), "cutmix-gen-benchmarks"))
def main(name: str, shard_format: str, codec: str, images: int, data: Path) -> None:
    """Print the time of each stage in microseconds a sample, one process, one work."""
    work = next(work for work in WORKS if work.name == name)
    output = data / "stages"
    shutil.rmtree(output, ignore_errors=True)
    run = begin(_config(work, data, images, shard_format, codec))
    keep_memory()  # as a worker does
    pa.set_cpu_count(1)
    clock = Clock()
    lost = clock.attach()
    try:
        samples = _work(run, clock)
    finally:
        with suppress(OSError):
            shutil.rmtree(output)
    click.echo(f"{name}, {shard_format}, {run.config.codec}: {samples:,} samples, microseconds a sample")
    for stage in [*_BORDERS, _REST]:
        wall, cpu = (1e6 * times[stage] / samples for times in (clock.wall, clock.cpu))
        click.echo(f"{stage:32} wall {wall:8.1f}   processor {cpu:8.1f}")
    total, cpu = (1e6 * sum(times.values()) / samples for times in (clock.wall, clock.cpu))
    click.echo(f"{'all':32} wall {total:8.1f}   processor {cpu:8.1f}")
    if lost:
        click.echo(f"not found, so counted elsewhere: {', '.join(lost)}")


def _config(work: Work, data: Path, images: int, shard_format: str, codec: str) -> GenerateConfig:
    return GenerateConfig(
        source=work.data.folder(data, images),
        output=data / "stages",
        format=shard_format,
        codec=codec,
        copies=work.copies,
        originals=work.originals,
        size=str(work.size),
    )


def _work(run: Run, clock: Clock) -> int:
    from cutmix_gen.generation.task import produce  # noqa: PLC0415  its names are wrapped by now

    produce(run, 0)  # libraries load at the first touch, which is not what a sample costs
    clock.wall.clear()
    clock.cpu.clear()
    clock.own.last = _now()
    made = sum(record.samples for task in range(1, run.plan.num_blocks) for record in produce(run, task))
    clock.tick()
    return made


if __name__ == "__main__":
    main()
