"""Who is mixed with whom: every sample's donors, chosen inside one block."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]


def random_pairs(rng: np.random.Generator, usable: npt.NDArray[np.bool_], donors: int) -> Indices:
    """Pair each image of a block with the next ones on a ring of random order.

    Every ordered pair of images is equally likely, every image is a donor as often as a base, and none is paired
    with itself. An image that could not be read is left out of the ring, which changes the donors of its
    neighbour and of no other sample.

    Parameters
    ----------
    rng : Generator
        Always asked for the same number of draws, whatever is usable.
    usable : (n,) bool ndarray
        Which images of the block can be mixed.
    donors : int
        K, how many donors a sample has.

    Returns
    -------
    (n, K) int64 ndarray
        Positions of the donors in the block; -1 for all of them where there is no other image to pair with. In a
        block of fewer than K + 1 usable images a donor serves more than once.
    """
    order = rng.permutation(len(usable))
    ring = order[usable[order]]
    pairs = np.full((len(usable), donors), -1, np.int64)
    if len(ring) < 2:
        return pairs
    for donor in range(donors):
        pairs[ring, donor] = np.roll(ring, -(1 + donor % (len(ring) - 1)))
    return pairs


Pairing = Callable[[np.random.Generator, npt.NDArray[np.bool_], int], Indices]

PAIRINGS: dict[str, Pairing] = {
    "random": random_pairs,
}
"""The ways to pair: name to function."""
