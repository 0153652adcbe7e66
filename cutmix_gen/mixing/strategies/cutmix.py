"""CutMix: one box of the donor on the base."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from cutmix_gen.mixing.lam import LamLaw
from cutmix_gen.mixing.masks import Patch, PatchMask
from cutmix_gen.mixing.strategies.base import Strategy, check
from cutmix_gen.shapes import Box, Size


class CutMixParams(NamedTuple):
    """The draw for one sample."""

    lam: float
    """Share that the base is meant to keep, before the box is clipped at the image's edges."""
    x: float
    """Where the box lies, in [0, 1): its centre in the width; with ratios its left edge in the room there is."""
    y: float
    """The same for the height."""
    width: float = -1.0
    """With ratios: which of the possible widths, in [0, 1); else -1."""
    height: float = -1.0
    """With ratios: which of the possible heights, in [0, 1); else -1."""


@dataclass(frozen=True, slots=True)
class CutMix(Strategy):
    """One box whose sides are sqrt(1 - lam) of the image's, centred on any pixel and clipped to the image.

    Equation 2 of Yun et al. (2019). Where the authors' code halves a side twice and so loses the odd ones, the
    box here has exactly int(W * sqrt(1 - lam)) columns before it is clipped, and rows likewise.

    With `min_ratio` or `max_ratio` the sides are drawn apart from each other, uniformly between these two shares of
    the image's, and the place uniformly over all in which the box is whole, the last included (the law of timm's
    `rand_bbox_minmax`).
    """

    name: ClassVar[str] = "cutmix"
    reference: ClassVar[str] = "Yun et al., CutMix, ICCV 2019"
    params: ClassVar[type[Any]] = CutMixParams

    min_ratio: float = field(default=0.0, metadata={"help": "smallest side of the box, as a share; 0: use lam"})
    max_ratio: float = field(default=0.0, metadata={"help": "largest side; 0: 0.8 where min_ratio is given"})

    def __post_init__(self) -> None:
        least, most = self._ratios
        if self.min_ratio or self.max_ratio:
            check(0 < least < 1, self.name, "min_ratio", "above 0 and below 1", self.min_ratio)
            check(least <= most < 1, self.name, "max_ratio", f"from min_ratio ({least}) to below 1", self.max_ratio)

    @property
    def _ratios(self) -> tuple[float, float]:
        return self.min_ratio or 0.2, self.max_ratio or 0.8

    @property
    def uses_law(self) -> bool:
        """Whether lam is drawn from Beta(alpha, alpha): with ratios it follows from the sides."""
        return not self.min_ratio and not self.max_ratio

    def draw(self, rng: np.random.Generator, n: int, law: LamLaw) -> list[CutMixParams]:
        """Draw lam from the law and the centre uniformly; or, with ratios, sides and place uniformly."""
        if not self.min_ratio and not self.max_ratio:
            lam = law.draw(rng, n)
            return list(map(CutMixParams, lam.tolist(), *rng.random((2, n)).tolist()))
        sides, place = rng.random((2, n)), rng.random((2, n))
        least, most = self._ratios
        lam = 1.0 - np.prod(least + (most - least) * sides, axis=0)
        return list(map(CutMixParams, lam.tolist(), *place.tolist(), *sides.tolist()))

    def realise(self, params: CutMixParams, size: Size) -> PatchMask:
        """Return the mask with the one box."""
        box = centred_box(params.lam, params.x, params.y, size) if params.width < 0 else self._whole_box(params, size)
        return PatchMask(size, 2, (Patch(1, box, box.x1, box.y1),))

    def boxes(self, params: list[CutMixParams], size: Size) -> npt.NDArray[np.int64] | None:
        """Return the boxes of many masks, as `Strategy.boxes` says; with ratios they are made one by one."""
        return None if self.min_ratio or self.max_ratio else centred_boxes(params, size)

    def fallback(self) -> CutMixParams:
        """Return a box over the middle half of the image."""
        return CutMixParams(0.5, 0.5, 0.5)

    def _whole_box(self, params: CutMixParams, size: Size) -> Box:
        least, most = self._ratios
        sides = []
        for drawn, full in ((params.width, size.width), (params.height, size.height)):
            low, high = max(1, int(full * least)), max(1, int(full * most))
            sides.append(low + int(drawn * (high - low + 1)))
        width, height = sides
        x1, y1 = int(params.x * (size.width - width + 1)), int(params.y * (size.height - height + 1))
        return Box(x1, y1, x1 + width, y1 + height)


def centred_box(lam: float, x: float, y: float, size: Size, least: int = 0) -> Box:
    """Return the box of equation 2: sides sqrt(1 - lam), centred on the pixel (x W, y H), clipped to the image.

    No side is shorter than `least` pixels before it is clipped.
    """
    side = math.sqrt(1.0 - lam)
    width, height = max(int(size.width * side), least), max(int(size.height * side), least)
    x1 = int(x * size.width) - width // 2
    y1 = int(y * size.height) - height // 2
    return Box(max(x1, 0), max(y1, 0), min(x1 + width, size.width), min(y1 + height, size.height))


def centred_boxes(params: list[CutMixParams], size: Size) -> npt.NDArray[np.int64]:
    """Return what `centred_box` does for each of n parameters, in a tenth of the time: (n, 4)."""
    lam, x, y = np.array(params)[:, :3].T
    full = np.array(size)
    sides = (full * np.sqrt(1.0 - lam)[:, None]).astype(np.int64)
    corner = (np.stack([x, y], axis=1) * full).astype(np.int64) - sides // 2
    return np.concatenate([corner.clip(min=0), np.minimum(corner + sides, full)], axis=1)
