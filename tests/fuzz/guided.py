"""Inputs that atheris chooses: it keeps those that reach code that none before them reached."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from importlib import import_module
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import atheris

from tests.fuzz.child import Job, own_folder, slug
from tests.fuzz.mutation import MOST_BYTES, mutated

_OWN_SHARE = 0.3
"""Of the inputs, those that libFuzzer changes by itself."""
_FRESH_SHARE = 0.5
"""Those that are made of a seed: changes upon changes hardly leave a file that is read to its end."""


def run(job: Job, read: Callable[[str, int, Any, bytes], None]) -> None:
    """Read inputs of the job's one target until its time is over; libFuzzer ends the process."""
    with atheris.instrument_imports(include=["cutmix_gen"]):
        from tests.fuzz.outcomes import limit_memory  # noqa: PLC0415  not before it can be instrumented

        targets = import_module(job.table).TARGETS
    (name,) = job.names
    target = targets[name]
    reader, numbers, seeds = target.make(own_folder(job, name)), count(job.first), target.files()
    corpus = Path(job.folder, f"pool-{slug(name)}")
    corpus.mkdir(exist_ok=True)
    for number, data in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(data)

    def one_input(data: bytes) -> None:
        read(name, next(numbers), reader, data)

    def changed(data: bytes, size: int, seed: int) -> bytes:
        rng = Random(seed)
        if rng.random() < _FRESH_SHARE:
            data = rng.choice(seeds)
        data = (
            atheris.Mutate(data, len(data) + 64)
            if rng.random() < _OWN_SHARE
            else mutated(data, seeds, target.words, rng)
        )
        return (target.mend(data) if rng.random() < 0.9 else data)[:size]

    limit_memory()
    options = {
        "seed": job.seed + job.first + 1,
        "max_len": MOST_BYTES,
        "max_total_time": max(int(job.until - time.monotonic()), 1) if job.until else 0,
        "runs": -1 if job.inputs is None else max(len(seeds) + job.inputs - job.first, 1),
        "timeout": 100_000,  # the parent watches
        "rss_limit_mb": 0,
        "malloc_limit_mb": 0,
        "verbosity": 0,
        "len_control": 0,
        "detect_leaks": 0,
        **{f"handle_{signal}": 0 for signal in ("segv", "bus", "abrt", "ill", "fpe", "int", "term", "xfsz")},
    }
    arguments = [f"-{option}={value}" for option, value in options.items()]
    atheris.Setup([sys.argv[0], *arguments, str(corpus)], one_input, custom_mutator=changed)
    atheris.Fuzz()
