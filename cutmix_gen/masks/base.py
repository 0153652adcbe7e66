"""What a mixing strategy is: it draws size-free parameters, and realises them as a mask once the size is known.

A mask says which source shows at each pixel of the mixed image. Labels, boxes and pixels all come from the same
mask, so that they cannot disagree.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from cutmix_gen.errors import UsageError
from cutmix_gen.records import NO_BOX, Box, Pixels, Size


@dataclass(frozen=True, slots=True)
class LamLaw:
    """The law of lam, the share that the base is meant to keep: Beta(alpha, alpha), as in the papers."""

    alpha: float

    def draw(self, rng: np.random.Generator, n: int) -> npt.NDArray[np.float64]:
        """Draw n values in [0, 1], shape (n,)."""
        return rng.beta(self.alpha, self.alpha, n)


@dataclass(frozen=True, slots=True)
class Patch:
    """A rectangle of the mixed image that shows a donor."""

    source: int
    """1 for the first donor, 2 for the second, ..."""
    box: Box
    """Where it lies in the mixed image."""
    x: int
    """Left edge of the place that it is cut from, in the donor fitted to the size of the mixed image."""
    y: int
    """Top edge of that place."""


@dataclass(frozen=True, slots=True)
class Mask:
    """Patches of donors over a base; a later patch covers an earlier one.

    ::

        +-----------------+
        | 0               |     0: the base owns these pixels
        |     +------+    |     1: the first donor's patch
        |     | 1    |    |
        |     +------+    |
        +-----------------+
    """

    size: Size
    sources: int
    """Base and donors together."""
    patches: tuple[Patch, ...]

    def counts(self) -> list[int]:
        """Return how many pixels each source owns, base first; a pixel counts once, for who shows there."""
        if len(self.patches) == 1:
            area = self.patches[0].box.area
            return [self.size.area - area, area]
        owner, xs, ys = self._cells()
        areas = np.outer(np.diff(ys), np.diff(xs))
        counts = np.bincount(owner.ravel(), weights=areas.ravel(), minlength=self.sources)
        return [int(count) for count in counts]

    def bounds(self) -> list[Box]:
        """Return for each donor the smallest box that holds the pixels it owns, `NO_BOX` if it owns none."""
        if len(self.patches) == 1:
            return [self.patches[0].box]
        owner, xs, ys = self._cells()
        return [_bounds(owner == source, xs, ys) for source in range(1, self.sources)]

    def owner(self) -> npt.NDArray[np.uint8]:
        """Return the source that shows at each pixel: (H, W) uint8, 0 for the base."""
        owner = np.zeros((self.size.height, self.size.width), np.uint8)
        for patch in self.patches:
            owner[patch.box.y1 : patch.box.y2, patch.box.x1 : patch.box.x2] = patch.source
        return owner

    def is_wasted(self) -> bool:
        """Tell whether the mixed image would be one of its sources, untouched."""
        return max(self.counts()) == self.size.area

    def mix(self, base: Pixels, donors: list[Pixels]) -> Pixels:
        """Return the mixed image.

        Parameters
        ----------
        base : (H, W[, C]) ndarray
            Of the mask's size; left as it is.
        donors : list of (H, W[, C]) ndarray
            Fitted to the same size, same dtype.

        Returns
        -------
        (H, W[, C]) ndarray
            A new array of the same dtype.
        """
        mixed = base.copy()
        for patch in self.patches:
            box, donor = patch.box, donors[patch.source - 1]
            mixed[box.y1 : box.y2, box.x1 : box.x2] = donor[
                patch.y : patch.y + box.height, patch.x : patch.x + box.width
            ]
        return mixed

    def _cells(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the owner of each cell of the lattice of all patch edges, and the lattice's edges.

        The lattice has few cells whatever the image's size, and inside a cell nothing changes.
        """
        boxes = [patch.box for patch in self.patches]
        xs = np.unique([0, self.size.width, *(x for box in boxes for x in (box.x1, box.x2))])
        ys = np.unique([0, self.size.height, *(y for box in boxes for y in (box.y1, box.y2))])
        owner = np.zeros((len(ys) - 1, len(xs) - 1), np.uint8)
        for patch in self.patches:
            x1, x2 = np.searchsorted(xs, (patch.box.x1, patch.box.x2))
            y1, y2 = np.searchsorted(ys, (patch.box.y1, patch.box.y2))
            owner[y1:y2, x1:x2] = patch.source
        return owner, xs, ys


def _bounds(own: npt.NDArray[np.bool_], xs: npt.NDArray[np.int64], ys: npt.NDArray[np.int64]) -> Box:
    columns, rows = np.flatnonzero(own.any(axis=0)), np.flatnonzero(own.any(axis=1))
    if not columns.size:
        return NO_BOX
    return Box(int(xs[columns[0]]), int(ys[rows[0]]), int(xs[columns[-1] + 1]), int(ys[rows[-1] + 1]))


class Strategy(ABC):
    """A way of mixing. A subclass is a frozen dataclass: its fields are its options."""

    name: ClassVar[str]
    """As `--strategy` and the field `strategy` of a sample have it."""
    reference: ClassVar[str]
    """The paper or the code that defines it."""
    params: ClassVar[type[Any]]
    """A NamedTuple of what is drawn for one sample; its first field is `lam`. It goes into the recipe as JSON."""

    @property
    def sources(self) -> int:
        """Images that one sample is made of, the base included."""
        return 2

    @abstractmethod
    def draw(self, rng: np.random.Generator, n: int, law: LamLaw) -> list[Any]:
        """Draw the parameters of n samples, instances of `params`, none of which depends on a size."""

    @abstractmethod
    def realise(self, params: Any, size: Size) -> Mask:
        """Turn drawn parameters into pixels. The mask may be a wasted one: the caller draws again."""

    @abstractmethod
    def fallback(self) -> Any:
        """Return parameters that give a mask wherever there can be one, for when drawing again was in vain."""

    def options(self) -> dict[str, int | float | bool]:
        """Return the strategy's own options by name, for recipes and run files."""
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]


def check(ok: bool, strategy: str, option: str, expected: str, found: object) -> None:
    """Raise `UsageError` unless an option of a strategy is as expected."""
    if not ok:
        raise UsageError(
            f"--mix-option {option} of strategy '{strategy}' must be {expected}, but it is {found}. "
            f"Give it as --mix-option {option}=VALUE."
        )
