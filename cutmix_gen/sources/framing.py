"""How images of any size are brought to the frames of samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cutmix_gen.mixing.fitting import TRIES, Chance, Fit, whole
from cutmix_gen.shapes import Box, Size, View


@dataclass(frozen=True, slots=True)
class Still:
    """How each image of a part shows where that depends on nothing else."""

    frame: Size
    views: list[tuple[View, ...]]
    """By place: as it is, and mirrored; nothing for an image that could not be read."""
    is_full: bool
    """Whether every image fills the frame."""

    def seen(self, places: npt.NDArray[np.int64], flips: npt.NDArray[np.bool_]) -> list[View]:
        """Return how images at some places show, some of them mirrored."""
        return [self.views[place][flip] for place, flip in zip(places.tolist(), flips.tolist(), strict=True)]


class Framing:
    """How images of any size are brought to the frames of samples.

    Parameters
    ----------
    target : Size or None
        Of every sample; None where each has the size of its base.
    fit : Fit
    """

    def __init__(self, target: Size | None, fit: Fit) -> None:
        self._target = target
        self._fit = fit
        self._views: dict[tuple[int, int, int, int, bool], View] = {}

    @property
    def is_still(self) -> bool:
        """Whether all samples have one size, to which an image is always brought in the same way."""
        return self._target is not None and not self._fit.is_random

    def still(self, sizes: Sequence[Size | None]) -> Still:
        """Return how images of these sizes show, None for one that could not be read, where `is_still`."""
        frame = self.frame(Size(1, 1))
        views = {
            size: tuple(self.donor(size, frame, (), flip=flip) for flip in (False, True)) for size in set(sizes) if size
        }
        is_full = all(view.place == whole(frame) for pair in views.values() for view in pair)
        return Still(frame, [views[size] if size else () for size in sizes], is_full)

    def frame(self, size: Size) -> Size:
        """Return the size of the sample that an image is the base of."""
        return self._target or size

    def chances(self, rng: np.random.Generator, n: int, sources: int) -> list[list[Chance]]:
        """Draw what a random fit needs for n samples of so many sources; nothing is drawn for other fits."""
        if not self._fit.is_random:
            return [[()] * sources] * n
        chances: list[list[Chance]] = rng.random((n, sources, TRIES, 4)).tolist()
        return chances

    def base(self, size: Size, frame: Size, chance: Chance, *, flip: bool) -> View:
        """Return how an image shows as a base; where each keeps its size it shows whole."""
        if self._target is None:
            return View(whole(size), whole(size), flip)
        return self.donor(size, frame, chance, flip=flip)

    def donor(self, size: Size, frame: Size, chance: Chance, *, flip: bool) -> View:
        """Return how an image shows in a frame."""
        if self._fit.is_random:
            return self._view(size, frame, chance, flip)
        key = (size.width, size.height, frame.width, frame.height, flip)
        if key not in self._views:
            self._views[key] = self._view(size, frame, (), flip)
        return self._views[key]

    def _view(self, size: Size, frame: Size, chance: Chance, flip: bool) -> View:
        fitting = self._fit.fit(size, frame, chance)
        place = fitting.place
        if flip:
            place = Box(frame.width - place.x2, place.y1, frame.width - place.x1, place.y2)
        return View(fitting.crop, place, flip)
