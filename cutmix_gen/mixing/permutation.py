"""A seeded order of any number of things, of which any part can be computed without holding the whole."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_ROUNDS = 12
"""Luby and Rackoff prove four rounds enough for large halves; a few hundred images have halves of four bits."""


class Permutation:
    """A permutation of range(n): a balanced Feistel network over the next power of four, with cycle walking.

    The network permutes range(4^h) with 4^h >= n. A value that falls outside range(n) is sent through again until
    it falls inside, which takes fewer than four walks on average and gives a permutation of range(n) (Black and
    Rogaway, Ciphers with Arbitrary Finite Domains, 2002).

    Parameters
    ----------
    n : int
        How many things there are, at least 1.
    seed : SeedSequence
        Its state becomes the keys of the rounds.
    """

    def __init__(self, n: int, seed: np.random.SeedSequence) -> None:
        self.n = n
        self._half = np.uint64(max(1, ((n - 1).bit_length() + 1) // 2))
        self._low = np.uint64((1 << int(self._half)) - 1)
        self._keys = seed.generate_state(_ROUNDS, np.uint64)

    def __call__(self, start: int, stop: int) -> npt.NDArray[np.int64]:
        """Return what stands at the positions start to stop - 1: (stop - start,) int64, in time O(stop - start)."""
        return self.at(np.arange(start, stop))

    def at(self, positions: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return what stands at some positions: int64 of their shape."""
        values = self._network(positions.astype(np.uint64))
        outside = np.flatnonzero(values >= self.n)
        while outside.size:
            values[outside] = self._network(values[outside])
            outside = outside[values[outside] >= self.n]
        return values.astype(np.int64)

    def _network(self, values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
        left, right = values >> self._half, values & self._low
        for key in self._keys:
            left, right = right, left ^ (_mixed(right ^ key) & self._low)
        return (left << self._half) | right


def _mixed(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return 64 bits that each depend on all bits of a value (the finaliser of SplitMix64, Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
