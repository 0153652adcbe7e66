"""CutMix: one box of the donor on the base."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from cutmix_gen.masks.base import LamLaw, Mask, Patch, Strategy
from cutmix_gen.records import Box, Size


class CutMixParams(NamedTuple):
    """The draw for one sample."""

    lam: float
    """Share that the base is meant to keep; the box is then clipped at the image's edges."""
    x: float
    """Centre of the box, in [0, 1) of the width."""
    y: float
    """Centre of the box, in [0, 1) of the height."""


@dataclass(frozen=True, slots=True)
class CutMix(Strategy):
    """One box whose sides are sqrt(1 - lam) of the image's, centred on any pixel and clipped to the image.

    Equation 2 of Yun et al. (2019). Where the authors' code halves a side twice and so loses the odd ones, the
    box here has exactly int(W * sqrt(1 - lam)) columns before it is clipped, and rows likewise.
    """

    name: ClassVar[str] = "cutmix"
    reference: ClassVar[str] = "Yun et al., CutMix, ICCV 2019"
    params: ClassVar[type[Any]] = CutMixParams

    def draw(self, rng: np.random.Generator, n: int, law: LamLaw) -> list[CutMixParams]:
        """Draw lam from the law, and the centre uniformly over the image."""
        lam = law.draw(rng, n)
        centre = rng.random((2, n))
        return list(map(CutMixParams, lam.tolist(), *centre.tolist()))

    def realise(self, params: CutMixParams, size: Size) -> Mask:
        """Return the mask with the one box, clipped."""
        box = centred_box(params, size)
        return Mask(size, self.sources, (Patch(1, box, box.x1, box.y1),))

    def fallback(self) -> CutMixParams:
        """Return a box over the middle half of the image."""
        return CutMixParams(0.5, 0.5, 0.5)


def centred_box(params: CutMixParams, size: Size) -> Box:
    """Return the box of equation 2: sides sqrt(1 - lam), centred on the pixel (x, y), clipped to the image."""
    side = math.sqrt(1.0 - params.lam)
    width, height = int(size.width * side), int(size.height * side)
    x1 = int(params.x * size.width) - width // 2
    y1 = int(params.y * size.height) - height // 2
    return Box(max(x1, 0), max(y1, 0), min(x1 + width, size.width), min(y1 + height, size.height))
