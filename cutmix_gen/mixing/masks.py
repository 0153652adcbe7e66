"""Which source shows where in a mixed image: patches, any shape, or a blend.

Labels, boxes and pixels all come from the same mask, so that they cannot disagree.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from cutmix_gen.shapes import NO_BOX, Box, Size

VISIBLE = 1 / 510
"""A share of a pixel below half a level of 8 bit does not show after rounding."""

_ONE = 1.0 - 2.0**-25
"""The least share that is 1 in float32, in which labels are written: half way to the number before it."""

AnyPixels = npt.NDArray[Any]
"""An image of any dtype."""


class Mask(ABC):
    """Which source shows where in a mixed image of some size.

    ::

        +-----------------+
        | 0               |     0: the base owns these pixels
        |     +------+    |     1: the first donor's
        |     | 1    |    |
        |     +------+    |
        +-----------------+
    """

    __slots__ = ()

    size: Size
    sources: int
    """Base and donors together."""

    @property
    def donor_size(self) -> Size:
        """The size at which donors are taken in; that of the mixed image unless they are shrunk to fit."""
        return self.size

    @abstractmethod
    def mix(self, base: AnyPixels, donors: list[AnyPixels]) -> AnyPixels:
        """Return the mixed image.

        Parameters
        ----------
        base : (H, W[, C]) ndarray
            Of the mask's size; left as it is.
        donors : list of (H, W[, C]) ndarray
            Of `donor_size`, same dtype.

        Returns
        -------
        (H, W[, C]) ndarray
            A new array of the same dtype.
        """

    @abstractmethod
    def shares(self, within: Box | None = None) -> npt.NDArray[np.float64]:
        """Return the pixels of each source, base first: (S,), summing to the area.

        A pixel counts once: for who shows there, or where several show, for each by its part.

        Parameters
        ----------
        within : Box, optional
            Count only what lies in this part of the image.
        """

    @abstractmethod
    def bounds(self) -> list[Box]:
        """Return for each donor the smallest box that holds the pixels where it shows, `NO_BOX` if there are none."""

    def weights(self) -> list[float]:
        """Return the share of the image that each source has, base first; they sum to 1."""
        shares: list[float] = (self.shares() / self.size.area).tolist()
        return shares

    def is_faint(self) -> bool:
        """Tell whether a source that has a share is nowhere seen after rounding to 8 bit."""
        return False

    def is_wasted(self) -> bool:
        """Tell whether the mixed image would show nothing of the base, or nothing of a donor."""
        return not is_share(self.weights()[0]) or self.is_faint()


Share = TypeVar("Share", float, npt.NDArray[np.float64])


def is_share(lam: Share) -> Any:
    """Tell whether lam, one or many, lies strictly between 0 and 1 as it is written: in float32."""
    return (lam > 0.0) & (lam < _ONE)


class Patch(NamedTuple):
    """A rectangle of the mixed image that shows one source."""

    source: int
    """0 for the base, 1 for the first donor, ..."""
    box: Box
    """Where it lies in the mixed image."""
    x: int
    """Left edge of the place that it is cut from, in the source as it is taken in."""
    y: int
    """Top edge of that place."""


@dataclass(eq=False)  # neither frozen, which makes one three times as slow, nor slotted, for the cached lattice
class PatchMask(Mask):
    """Patches over a base; a later patch covers an earlier one. Not to be changed once it is made."""

    size: Size
    sources: int
    patches: tuple[Patch, ...]
    shrunk: Size | None = None
    """The size at which donors are taken in, where it is not that of the image."""

    @property
    def donor_size(self) -> Size:
        """The size at which donors are taken in."""
        return self.shrunk or self.size

    def weights(self) -> list[float]:
        """Return the share of each source, as `Mask.weights` says."""
        if not self._is_one_box():
            return Mask.weights(self)
        width, height = self.size
        area, donor = width * height, self.patches[0].box.area
        return [(area - donor) / area, donor / area]

    def mix(self, base: AnyPixels, donors: list[AnyPixels]) -> AnyPixels:
        """Return the mixed image, as `Mask.mix` says."""
        mixed = base.copy()
        for source, (x1, y1, x2, y2), x, y in self.patches:
            image = donors[source - 1] if source else base
            mixed[y1:y2, x1:x2] = image[y : y + y2 - y1, x : x + x2 - x1]
        return mixed

    def shares(self, within: Box | None = None) -> npt.NDArray[np.float64]:
        """Return the pixels of each source, as `Mask.shares` says."""
        if within is None and self._is_one_box():
            area = self.patches[0].box.area
            return np.array([self.size.area - area, area], np.float64)
        owner, xs, ys = self._cells
        if within is not None:
            xs, ys = xs.clip(within.x1, within.x2), ys.clip(within.y1, within.y2)
        areas = np.outer(np.diff(ys), np.diff(xs))
        return np.bincount(owner.ravel(), areas.ravel(), self.sources).astype(np.float64)

    def bounds(self) -> list[Box]:
        """Return the box of each donor, as `Mask.bounds` says."""
        if self._is_one_box():
            return [self.patches[0].box]
        owner, xs, ys = self._cells
        return [_bounds(owner == source, xs, ys) for source in range(1, self.sources)]

    def _is_one_box(self) -> bool:
        """Tell whether this is the common case, which needs no lattice."""
        if len(self.patches) != 1 or self.sources != 2:
            return False
        source, (x1, y1, x2, y2), _, _ = self.patches[0]
        return source == 1 and x1 < x2 and y1 < y2

    @cached_property
    def _cells(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The owner of each cell of the lattice of all patch edges, and the lattice's edges.

        The lattice has few cells whatever the image's size, and inside a cell nothing changes.
        """
        boxes = np.array([patch.box for patch in self.patches], np.int64).reshape(-1, 4)
        xs = np.unique(np.concatenate(([0, self.size.width], boxes[:, 0], boxes[:, 2])))
        ys = np.unique(np.concatenate(([0, self.size.height], boxes[:, 1], boxes[:, 3])))
        owner = np.zeros((len(ys) - 1, len(xs) - 1), np.uint8)
        columns = np.searchsorted(xs, boxes[:, 0::2]).tolist()
        rows = np.searchsorted(ys, boxes[:, 1::2]).tolist()
        for patch, (x1, x2), (y1, y2) in zip(self.patches, columns, rows, strict=True):
            owner[y1:y2, x1:x2] = patch.source
        return owner, xs, ys


@dataclass(frozen=True, slots=True)
class PixelMask(Mask):
    """Any shape: each pixel is the base's or the donor's."""

    donor: npt.NDArray[np.bool_]
    """(H, W), true where the donor shows."""
    sources = 2

    @property
    def size(self) -> Size:  # type: ignore[override]  # follows from the array
        """Of the mixed image."""
        return Size(self.donor.shape[1], self.donor.shape[0])

    def mix(self, base: AnyPixels, donors: list[AnyPixels]) -> AnyPixels:
        """Return the mixed image, as `Mask.mix` says."""
        mixed = base.copy()
        mixed[self.donor] = donors[0][self.donor]
        return mixed

    def shares(self, within: Box | None = None) -> npt.NDArray[np.float64]:
        """Return the pixels of each source, as `Mask.shares` says."""
        part = self.donor if within is None else self.donor[within.y1 : within.y2, within.x1 : within.x2]
        count = np.count_nonzero(part)
        return np.array([part.size - count, count], np.float64)

    def bounds(self) -> list[Box]:
        """Return the box of the donor, as `Mask.bounds` says."""
        return [pixel_bounds(self.donor)]


@dataclass(frozen=True, slots=True)
class SoftMask(Mask):
    """Each pixel is a blend: G of the donor, 1 - G of the base."""

    size: Size
    donor: npt.NDArray[np.float64]
    """G in [0, 1]: (H, W), or (1, 1) where it is the same everywhere."""
    sources = 2

    def mix(self, base: AnyPixels, donors: list[AnyPixels]) -> AnyPixels:
        """Return the mixed image, as `Mask.mix` says: blended in wide arithmetic, rounded once."""
        part = self.donor[:, :, None] if base.ndim == 3 else self.donor
        mixed = base * (1.0 - part) + donors[0] * part
        if np.issubdtype(base.dtype, np.integer):
            np.rint(mixed, out=mixed)
        return mixed.astype(base.dtype)

    def shares(self, within: Box | None = None) -> npt.NDArray[np.float64]:
        """Return the pixels of each source, as `Mask.shares` says."""
        if self.donor.size == 1:
            area = self.size.area if within is None else within.area
            count = area * float(self.donor[0, 0])
        else:
            part = self.donor if within is None else self.donor[within.y1 : within.y2, within.x1 : within.x2]
            area, count = part.size, float(part.sum())
        return np.array([area - count, count])

    def bounds(self) -> list[Box]:
        """Return the box of the donor, as `Mask.bounds` says: where it shows at all after rounding to 8 bit."""
        return [pixel_bounds(np.broadcast_to(self.donor >= VISIBLE, (self.size.height, self.size.width)))]

    def is_faint(self) -> bool:
        """Tell whether one of the images would not show anywhere after rounding to 8 bit."""
        return bool(self.donor.max() < VISIBLE or self.donor.min() > 1 - VISIBLE)


def _bounds(own: npt.NDArray[np.bool_], xs: npt.NDArray[np.int64], ys: npt.NDArray[np.int64]) -> Box:
    columns, rows = np.flatnonzero(own.any(axis=0)), np.flatnonzero(own.any(axis=1))
    if not columns.size:
        return NO_BOX
    return Box(int(xs[columns[0]]), int(ys[rows[0]]), int(xs[columns[-1] + 1]), int(ys[rows[-1] + 1]))


def pixel_bounds(own: npt.NDArray[np.bool_]) -> Box:
    """Return the smallest box that holds the true pixels of an (H, W) array, `NO_BOX` if there are none."""
    height, width = own.shape
    return _bounds(own, np.arange(width + 1), np.arange(height + 1))
