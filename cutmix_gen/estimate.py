"""What a run will take: shards, bytes and time, from a timed sample of it."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cutmix_gen.begin import begin_in, check_places, resolve
from cutmix_gen.config import GenerateConfig
from cutmix_gen.execute import usable_cores
from cutmix_gen.plan import Plan
from cutmix_gen.produce import produce
from cutmix_gen.source import Scan, scan
from cutmix_gen.tally import Tally

_SAMPLE = 96
"""Images that are tried."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run is expected to take."""

    images: int
    shards: int
    samples: int
    bytes: int
    seconds: float
    jobs: int


def estimate(config: GenerateConfig) -> Estimate:
    """Try a seeded sample of the sources in a temporary folder, and work out what all of them will take.

    Nothing is written to the output folder. One and two copies are timed, since the first shares its decoding.

    Raises
    ------
    UsageError, SourceError
        As `generate` would.
    """
    check_places(config)
    scanned = scan(config.source)
    config = resolve(config, scanned)
    plan = Plan(config, len(scanned), 1, 0)
    part = _sample(scanned, config.seed)
    one, two = (_Trial(config, part, copies) for copies in (1.0, 2.0))
    scale = len(scanned) / len(part)
    copies = config.mixed_samples(len(scanned)) / len(scanned)
    jobs = min(config.jobs or usable_cores(), plan.num_tasks)
    seconds = one.seconds + (copies - 1) * max(two.seconds - one.seconds, 0.0)
    size = one.bytes + (copies - 1) * (two.bytes - one.bytes)
    return Estimate(
        images=len(scanned),
        shards=plan.num_shards,
        samples=plan.num_samples,
        bytes=round(size * scale),
        seconds=round(seconds * scale / jobs, 1),
        jobs=jobs,
    )


def _sample(scanned: Scan, seed: int) -> Scan:
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0, 1)))
    chosen = np.sort(rng.choice(len(scanned), min(_SAMPLE, len(scanned)), replace=False, shuffle=False))
    paths = [scanned.paths[number] for number in chosen.tolist()]
    return replace(scanned, paths=paths, labels=scanned.labels[chosen], sizes=scanned.sizes[chosen])


class _Trial:
    """One timed run over a sample of the sources."""

    def __init__(self, config: GenerateConfig, sample: Scan, copies: float) -> None:
        with tempfile.TemporaryDirectory(prefix="cutmix-gen-") as folder:
            trial = replace(
                config, output=Path(folder), pairs=(), copies=copies, num_samples=None, shard_size=max(len(sample), 3)
            )
            run = begin_in(trial, sample)
            tally = Tally(len(sample.classes))
            started = time.perf_counter()
            for task in range(run.plan.num_tasks):
                for record in produce(run, task):
                    tally.add(record)
            self.seconds = time.perf_counter() - started
            self.bytes = tally.bytes
