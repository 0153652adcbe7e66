"""Every stream of random numbers that this program draws from, in one table.

A stream is a seed and a key; two different keys under one seed give independent streams. Never change a key: the keys
of runs decide about the bytes of sets. Runs count from 1, so that keys that begin with 0 are free for other uses.

| key | what is drawn |
| --- | --- |
| (run,) | the order in which the sources of a run become bases |
| (run, 2^30) | the order of the samples that `--pairs` asks for |
| (run, copy, block, part, round) | samples: round 0 partners, strategies, views; from 1 on masks; 2^31 guests |
| (0,) | the image headers that decide about automatic settings |
| (0, 2) | the images of the picture of all strategies |
| (0, 3) | the samples of a grid |
| (0, 4) | the classes that a preview looks into |
| (0, 4, source, strategy) | the samples that the expected lam histogram of the report is worked out from |
| (0, 5) | the samples of the report |
| (epoch,) | which originals of an epoch are replaced by mixed samples; under the seed of the reader |
| (trial,) | the images of a trial of `--dry-run`; under the number of bytes of the sources |
| () | the images that the check of free disk space encodes |
| () | the samples that `verify --replay` makes again; under the seed of the check |
| () | the noise of a mask of `fmix`; under the seed in its recipe |
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Key = tuple[int, ...]

HEADERS: Key = (0,)
GALLERY: Key = (0, 2)
GRID: Key = (0, 3)
PREVIEW: Key = (0, 4)
REPORT: Key = (0, 5)
SPACE: Key = ()
CHECK: Key = ()
FMIX: Key = ()

GUESTS = 1 << 31
"""The round of a sample's key that stands for the choice of guests, beyond any round of draws."""


def sources_key(run: int) -> Key:
    """Return the key for the order of the sources of a run."""
    return (run,)


def pairs_key(run: int) -> Key:
    """Return the key for the samples that `--pairs` asks for."""
    return run, 1 << 30


def law_key(source: int, strategy: int) -> Key:
    """Return the key for the simulation of a strategy, for the report."""
    return 0, 4, source, strategy


def sequence(seed: int, key: Key) -> np.random.SeedSequence:
    """Return the seed sequence of a stream."""
    return np.random.SeedSequence(seed, spawn_key=key)


def generator(seed: int, key: Key) -> np.random.Generator:
    """Return the generator of a stream, at its beginning."""
    return np.random.default_rng(sequence(seed, key))


def branch(parent: np.random.SeedSequence, key: Key) -> np.random.SeedSequence:
    """Return the seed sequence of a stream below another one."""
    entropy = parent.entropy
    if isinstance(entropy, Sequence) or entropy is None:
        raise TypeError("a stream has one number as its seed")
    return sequence(entropy, (*parent.spawn_key, *key))
