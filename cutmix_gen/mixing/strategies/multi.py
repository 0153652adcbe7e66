"""Multi: several boxes from several donors on one base."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np

from cutmix_gen.mixing.lam import LamLaw
from cutmix_gen.mixing.masks import Patch, PatchMask
from cutmix_gen.mixing.strategies.base import Strategy, check
from cutmix_gen.mixing.strategies.cutmix import centred_box
from cutmix_gen.shapes import Size


class MultiParams(NamedTuple):
    """The draw for one sample."""

    lam: float
    """Share that the base is meant to keep; the donors have equal parts of the rest."""
    x: list[float]
    """Centre of each donor's box, in [0, 1) of the width."""
    y: list[float]
    """Centre of each donor's box, in [0, 1) of the height."""


@dataclass(frozen=True, slots=True)
class Multi(Strategy):
    """K - 1 boxes from K - 1 donors, later ones over earlier ones, each clipped to the image as in CutMix.

    The boxes have equal sides, sqrt((1 - lam) / (K - 1)) of the image's, so that together they are meant to cover what
    one box of CutMix would; each has a pixel at least. What a box covers of another counts once, for the one on top.
    """

    name: ClassVar[str] = "multi"
    reference: ClassVar[str] = "generalised CutMix (Yun et al., ICCV 2019) with several donors"
    params: ClassVar[type[Any]] = MultiParams

    sources: int = field(default=3, metadata={"help": "images in a sample, the base included, 3 to 8"})

    def __post_init__(self) -> None:
        check(3 <= self.sources <= 8, self.name, "sources", "a whole number from 3 to 8", self.sources)

    def draw(self, rng: np.random.Generator, n: int, law: LamLaw) -> list[MultiParams]:
        """Draw lam from the law, and the centres uniformly over the image."""
        lam = law.draw(rng, n)
        x, y = rng.random((2, n, self.sources - 1))
        return list(map(MultiParams, lam.tolist(), x.tolist(), y.tolist()))

    def realise(self, params: MultiParams, size: Size) -> PatchMask:
        """Return the mask with all boxes."""
        lam = 1.0 - (1.0 - params.lam) / (self.sources - 1)
        boxes = [centred_box(lam, x, y, size, least=1) for x, y in zip(params.x, params.y, strict=True)]
        return PatchMask(
            size, self.sources, tuple(Patch(donor, box, box.x1, box.y1) for donor, box in enumerate(boxes, 1))
        )

    def fallback(self) -> MultiParams:
        """Return boxes of which the first covers a quarter in the middle and the others lie on the corners."""
        donors = self.sources - 1
        return MultiParams(max(0.0, 1.0 - donors / 3), [0.5] + [0.0] * (donors - 1), [0.5] + [0.0] * (donors - 1))
