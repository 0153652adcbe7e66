"""What a run will take: shards, bytes and time, from a timed sample of it."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cutmix_gen.archives import scan_source
from cutmix_gen.begin import begin_in, check_places
from cutmix_gen.config import GenerateConfig
from cutmix_gen.execute import usable_cores
from cutmix_gen.plan import Plan
from cutmix_gen.produce import produce
from cutmix_gen.resolution import look_at, resolve
from cutmix_gen.source import Scan

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

    Nothing is written to the output folder, and what is there already is not taken into account. One and two copies
    are timed, since the first shares its decoding.

    Raises
    ------
    UsageError, SourceError
        As `generate` would.
    """
    check_places(config)
    scanned = scan_source(config.source)
    config = resolve(config, scanned, look_at(config, scanned))
    plan = Plan(config, len(scanned), 1, 0)
    part = _sample(scanned, config.seed)
    one, two = (_Trial(config, part, copies) for copies in (1.0, 2.0))
    wanted = {"original": plan.num_samples - plan.num_mixed, "cutmix": plan.num_mixed}
    scale, copies = len(scanned) / len(part), plan.num_mixed / len(scanned)
    seconds = one.seconds + (copies - 1) * max(two.seconds - one.seconds, 0.0)
    jobs = min(config.jobs or usable_cores(), plan.num_tasks)
    return Estimate(
        images=len(scanned),
        shards=plan.num_shards,
        samples=plan.num_samples,
        bytes=round(sum(count * two.bytes_a_sample(kind) for kind, count in wanted.items())),
        seconds=round(max(seconds, 0.0) * scale / jobs, 1),
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
                config,
                output=Path(folder),
                copies=copies,
                num_samples=None,
                pairs=(),
                pairing="random",
                shard_size=max(len(sample), 3),
            )
            run = begin_in(trial, sample)
            self._bytes: Counter[str] = Counter()
            self._samples: Counter[str] = Counter()
            started = time.perf_counter()
            for task in range(run.plan.num_tasks):
                for record in produce(run, task):
                    self._bytes[record.kind] += record.bytes
                    self._samples[record.kind] += record.samples
            self.seconds = time.perf_counter() - started

    def bytes_a_sample(self, kind: str) -> float:
        """Return the bytes of a sample of a kind, 0 where none could be made."""
        return self._bytes[kind] / max(self._samples[kind], 1)
