"""The pool of the plain scripts: samples come back to the main process, which writes them to tar files."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from multiprocessing import Pool
from pathlib import Path
from typing import Any

from tests.benchmarks.job import PROCESSES, SHARD, Job


@dataclass(frozen=True, slots=True)
class Sources:
    """What every worker is told."""

    job: Job
    paths: list[str]
    labels: list[int]
    classes: int


@dataclass(frozen=True, slots=True)
class Sample:
    """What comes back."""

    number: int
    image: bytes
    soft_label: list[float]


Make = Callable[[Sources, int, int, bool], Sample]
"""From the sources, a sample's number, its base and whether it is mixed to the sample."""

_worker: dict[str, Any] = {}


def in_pool(make: Make, *start: Any) -> Callable[[Job], int]:
    """Return what does a job in a pool; `start` is a call for each worker: a function and its arguments."""
    return partial(_work, make, start)


def _work(make: Make, start: tuple[Any, ...], job: Job) -> int:
    paths, labels, classes = job.files()
    copies = range(not job.originals, job.copies + 1)
    items = [(base, copy > 0) for copy in copies for base in range(len(paths))]
    with Pool(PROCESSES, _begin, (make, Sources(job, paths, labels, classes), *start)) as pool:
        tar = None
        for sample in pool.imap(_make, enumerate(items), chunksize=16):
            if sample.number % SHARD == 0:
                if tar:
                    tar.close()
                tar = tarfile.open(Path(job.output) / f"{sample.number // SHARD:06d}.tar", "w")  # noqa: SIM115
            _add(tar, f"{sample.number:09d}.{job.extension}", sample.image)
            _add(tar, f"{sample.number:09d}.json", json.dumps({"soft_label": sample.soft_label}).encode())
        if tar:
            tar.close()
    return len(items)


def _begin(make: Make, sources: Sources, start: Callable[..., Any] | None = None, arguments: Any = ()) -> None:
    _worker.update(make=make, sources=sources)
    if start:
        start(*arguments)


def _make(item: tuple[int, tuple[int, bool]]) -> Sample:
    number, (base, is_mixed) = item
    return _worker["make"](_worker["sources"], number, base, is_mixed)


def _add(tar: tarfile.TarFile | None, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, BytesIO(data))
