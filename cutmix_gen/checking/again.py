"""Samples of a set, drawn at random, made again from their sources."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from cutmix_gen.checking.problem import Problem
from cutmix_gen.checking.replay import Replayer, source_of
from cutmix_gen.dataset.info import RunInfo
from cutmix_gen.dataset.reader import open_dataset
from cutmix_gen.errors import ImageError, SetError
from cutmix_gen.mixing import streams
from cutmix_gen.storage import Place


@dataclass(frozen=True, slots=True)
class Replays:
    """Which samples are made again."""

    count: int
    """All of the set where it has not more."""
    seed: int = 0
    """Of the choice."""
    source: Place | None = None
    """Where the sources are now, if that is not where they were."""


class DrawnSample(NamedTuple):
    """One of the samples to be made again."""

    number: int
    """In the set, as `open_dataset` numbers them."""
    file: str
    """Its shard."""
    run: int


def drawn_samples(output: Place, replays: Replays) -> list[DrawnSample]:
    """Draw samples of the committed shards, each equally likely, in their order."""
    dataset = open_dataset(output)
    rng = streams.generator(replays.seed, streams.CHECK)
    chosen = rng.choice(len(dataset), min(replays.count, len(dataset)), replace=False, shuffle=False)
    return [DrawnSample(number, *dataset.shard(number)) for number in sorted(chosen.tolist())]


def check_sources(output: Place, replays: Replays, runs: list[RunInfo]) -> None:
    """Raise `UsageError` where the sources of a run are in a store that the user has not named."""
    for run in runs:
        source_of(run, output, replays.source)


def replay_sample(output: Place, source: Place | None, max_pixels: int, call: str, number: int) -> Problem | None:
    """Make a sample again; return what is wrong with it, None if nothing is."""
    replayer = _replayer(output, source, max_pixels, call)
    file, _ = replayer.dataset.shard(number)
    try:
        result = replayer.replay(number)
    except ImageError as error:
        return Problem(file, replayer.dataset.row(number).key, str(error), "source")
    except SetError as error:
        return Problem(file, "", str(error), "replay")
    if result.same:
        return None
    return Problem(file, result.key, result.problem, "versions" if result.by_versions else "replay")


@lru_cache(maxsize=1)
def _replayer(output: Place, source: Place | None, max_pixels: int, _call: str) -> Replayer:
    """Return what makes the samples again, opened once in each process for each call of `verify`."""
    return Replayer(output, source, max_pixels)
