"""Who is mixed with whom: every sample's donors, chosen among the images that are in memory together.

Most ways of pairing do with the images of the block itself. Where these cannot serve (no other image of the class, too
few of a rare one), a way of pairing asks for guests: images that are decoded for this block as donors only.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from typing import ClassVar

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]

_CANDIDATES = 32
"""Partners that are drawn for each sample before the next allowed one in order is taken."""
_STRANGERS = 16
"""Images of other classes that a part should have, so that one that cannot be read is no loss."""
_CLASSMATES = 4
"""Other images of its class that an image should meet, where there are as many copies."""


@dataclass(frozen=True, slots=True)
class Census:
    """How many images of each class the whole set of sources has."""

    counts: Indices
    """(C,)"""

    @property
    def starts(self) -> Indices:
        """Place of the first image of each class in the source index, which is sorted by class: (C,)."""
        return np.concatenate(([0], np.cumsum(self.counts)[:-1]))

    def draw(self, rng: np.random.Generator, label: int, count: int, without: Indices) -> Indices:
        """Draw up to so many different images of a class, none of those that are there already."""
        first, total = int(self.starts[label]), int(self.counts[label])
        wanted = min(count, total)
        drawn = rng.permutation(total) if total <= 4 * wanted + 64 else rng.integers(0, total, 4 * wanted + 64)
        rows = drawn[np.sort(np.unique(drawn, return_index=True)[1])] + first
        return rows[~np.isin(rows, without)][:count]


@dataclass(frozen=True, slots=True)
class Members:
    """The images in memory: the bases first, then guests."""

    labels: npt.NDArray[np.int32]
    """(n,) class of each image."""
    usable: npt.NDArray[np.bool_]
    """(n,) whether it could be read."""
    bases: int
    """How many of them are bases."""
    census: Census
    rows: Indices | None = None
    """(n,) place of each in the source index, where two members may be the same image."""
    wanted: int | None = None
    """How many of the bases, from the first on, are to get a sample; None for all."""


@dataclass(frozen=True, slots=True)
class Bases:
    """The images of a part of a block that are bases, readable or not."""

    rows: Indices
    """(n,) place of each in the source index."""
    labels: npt.NDArray[np.int32]
    """(n,) class of each."""
    census: Census
    copies: int
    """How many samples each is to be the base of."""

    def more(self, rng: np.random.Generator, label: int, count: int) -> Indices:
        """Draw up to so many images of a class that are not there."""
        there = self.rows[self.labels == label]
        return self.census.draw(rng, label, count + len(there), there)[:count]


class Pairing(ABC):
    """A way to choose donors."""

    name: ClassVar[str]
    partner: ClassVar[str] = "other readable image to mix it with"
    """What a sample lacks that cannot be made, for the message."""
    room: ClassVar[int] = 1
    """Images in memory for each base, guests included, at most."""

    def guests(self, rng: np.random.Generator, bases: Bases) -> Indices:  # noqa: ARG002
        """Return the images that are wanted as donors beside the bases, by their places in the source index."""
        return np.zeros(0, np.int64)

    @abstractmethod
    def pair(self, rng: np.random.Generator, members: Members, donors: int) -> Indices:
        """Choose the donors of each base.

        The generator is asked for the same draws whatever is usable, and an image that cannot be used changes only
        the samples that would have had it as a donor.

        Parameters
        ----------
        rng : Generator
        members : Members
        donors : int
            K, how many donors a sample has.

        Returns
        -------
        (bases, K) int64 ndarray
            Places of the donors among the members, never the base itself; -1 for all of them where there is no
            partner. Where there are fewer than K partners a donor serves more than once.
        """


class RandomPairing(Pairing):
    """Each image with the next ones on a ring of random order.

    Every ordered pair of images is equally likely, and every image is a donor as often as a base.
    """

    name: ClassVar[str] = "random"

    def pair(self, rng: np.random.Generator, members: Members, donors: int) -> Indices:
        """Choose the donors of each base, as `Pairing.pair` says."""
        order = rng.permutation(members.bases)
        pairs = np.full((members.bases, donors), -1, np.int64)
        _pair_on_ring(pairs, order[members.usable[order]])
        return pairs


class SameClassPairing(Pairing):
    """Each image with the next ones of its class on a ring of random order.

    A class of which the block has few images is filled up with guests, so that a base has other donors in other copies.
    """

    name: ClassVar[str] = "same-class"
    partner: ClassVar[str] = "other readable image of its class"
    room: ClassVar[int] = 2

    def guests(self, rng: np.random.Generator, bases: Bases) -> Indices:
        """Return images of the classes of which there are few."""
        enough = 1 + min(bases.copies, _CLASSMATES)
        classes, counts = np.unique(bases.labels, return_counts=True)
        few = zip(classes.tolist(), counts.tolist(), strict=True)
        return _joined(bases.more(rng, label, enough - count) for label, count in few if count < enough)

    def pair(self, rng: np.random.Generator, members: Members, donors: int) -> Indices:
        """Choose the donors of each base, as `Pairing.pair` says."""
        order = rng.permutation(len(members.labels))
        order = order[members.usable[order]]
        pairs = np.full((len(members.labels), donors), -1, np.int64)
        labels = members.labels[order]
        for label in np.unique(labels).tolist():
            _pair_on_ring(pairs, order[labels == label])
        return pairs[: members.bases]


class CrossClassPairing(Pairing):
    """Each image with images of other classes, any of them equally likely."""

    name: ClassVar[str] = "cross-class"
    partner: ClassVar[str] = "readable image of another class"

    def guests(self, rng: np.random.Generator, bases: Bases) -> Indices:
        """Return images of other classes where nearly all are of one."""
        census, counts = bases.census, np.bincount(bases.labels, minlength=len(bases.census.counts))
        common = int(counts.argmax())
        others = int(census.counts.sum() - census.counts[common])
        if len(bases.labels) - counts[common] >= _STRANGERS or not others:
            return super().guests(rng, bases)
        drawn = np.unique(rng.integers(0, others, _STRANGERS))
        first, total = int(census.starts[common]), int(census.counts[common])
        rows = np.where(drawn >= first, drawn + total, drawn)
        return rows[~np.isin(rows, bases.rows)]

    def pair(self, rng: np.random.Generator, members: Members, donors: int) -> Indices:
        """Choose the donors of each base, as `Pairing.pair` says."""
        candidates = rng.integers(0, len(members.labels), (members.bases, donors, _CANDIDATES))
        labels = members.labels.tolist()
        return _first_allowed(members, candidates, lambda base, donor: labels[base] != labels[donor])


class BalancedPairing(Pairing):
    """Each image with donors of a class drawn with probability proportional to 1 / n_class.

    Context-rich minority oversampling (Park et al., CVPR 2022): rare objects are pasted on common backgrounds. A block
    has few images of a rare class or none: guests make up for them, as many as the class is drawn in a copy.
    """

    name: ClassVar[str] = "balanced"
    room: ClassVar[int] = 2

    def guests(self, rng: np.random.Generator, bases: Bases) -> Indices:
        """Return images of the classes that the block has too few of: of each as many as a copy draws of it."""
        uses = rng.multinomial(len(bases.rows), _balanced(bases.census))
        lacking = np.minimum(uses, bases.census.counts) - np.bincount(bases.labels, minlength=len(uses))
        scarce = np.flatnonzero(lacking > 0).tolist()
        return _joined(bases.more(rng, label, int(lacking[label])) for label in scarce)

    def pair(self, rng: np.random.Generator, members: Members, donors: int) -> Indices:
        """Choose the donors of each base, as `Pairing.pair` says."""
        shape = (members.bases, donors, _CANDIDATES)
        drawn, place = rng.random(shape), rng.random(shape)
        by_class = np.argsort(members.labels, kind="stable")
        counts = np.bincount(members.labels, minlength=len(members.census.counts))
        starts = np.cumsum(counts) - counts
        classes = np.searchsorted(np.cumsum(_balanced(members.census)), drawn, side="right").clip(max=len(counts) - 1)
        # A class of which there is no image here (its guests were not to be had) is passed over.
        there = starts[classes] + (place * counts[classes]).astype(np.int64)
        candidates = np.where(counts[classes] > 0, by_class[there.clip(max=len(by_class) - 1)], -1)
        return _first_allowed(members, candidates, lambda base, donor: base != donor)


class GivenPairing(Pairing):
    """Each image with the guest of its number: who that is was decided by quotas.

    In the place of a guest that could not be read the next one of its class serves.
    """

    name: ClassVar[str] = "given"
    room: ClassVar[int] = 2
    partner: ClassVar[str] = "readable image of the class asked for"

    def pair(self, rng: np.random.Generator, members: Members, donors: int) -> Indices:  # noqa: ARG002
        """Choose the donors of each base, as `Pairing.pair` says."""
        n = members.bases
        candidates = np.arange(n, 2 * n).reshape(n, 1, 1)
        labels = members.labels.tolist()
        rows = range(2 * n) if members.rows is None else members.rows.tolist()

        def allowed(base: int, donor: int) -> bool:
            return donor >= n and labels[donor] == labels[base + n] and rows[donor] != rows[base]

        return _first_allowed(members, candidates, allowed)


PAIRINGS: dict[str, type[Pairing]] = {
    pairing.name: pairing for pairing in (RandomPairing, CrossClassPairing, SameClassPairing, BalancedPairing)
}
"""The ways to pair, by name."""


def _joined(parts: Iterable[Indices]) -> Indices:
    return np.concatenate([np.zeros(0, np.int64), *parts])


def _balanced(census: Census) -> npt.NDArray[np.float64]:
    """Return the probability of each class: proportional to 1 / n_class, 0 for a class without images."""
    inverse = np.divide(1.0, census.counts, out=np.zeros(len(census.counts)), where=census.counts > 0)
    balanced: npt.NDArray[np.float64] = inverse / inverse.sum()
    return balanced


def _pair_on_ring(pairs: Indices, ring: Indices) -> None:
    """Give each image on a ring the next ones as donors; a ring of one stays without."""
    if len(ring) >= 2:
        for donor in range(pairs.shape[1]):
            pairs[ring, donor] = np.roll(ring, -(1 + donor % (len(ring) - 1)))


def _first_allowed(members: Members, candidates: Indices, allowed: Callable[[int, int], bool]) -> Indices:
    """Give each base the first of its candidates that are allowed, one for each donor and all different.

    Parameters
    ----------
    members : Members
    candidates : (bases, K, T) int64 ndarray
        Places among the members in the order in which they are tried; -1 is nobody.
    allowed : callable
        Whether a base may have a donor.
    """
    usable, total = members.usable.tolist(), len(members.labels)
    pairs = np.full(candidates.shape[:2], -1, np.int64)
    for base, tries in enumerate(candidates.tolist()):
        chosen: list[int] = []
        for row in tries:
            # When all candidates are refused, the next one in order that is allowed serves.
            start = max(row[-1], 0)
            everyone = chain(row, range(start, total), range(start))
            fitting = (each for each in everyone if each >= 0 and usable[each] and allowed(base, each))
            found = next((each for each in fitting if each not in chosen), chosen[0] if chosen else -1)
            chosen.append(found)
        pairs[base] = chosen
    return pairs
