"""ResizeMix: the whole donor, made smaller, lies somewhere on the base."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np

from cutmix_gen.mixing.lam import LamLaw
from cutmix_gen.mixing.masks import Patch, PatchMask
from cutmix_gen.mixing.strategies.base import Strategy, check
from cutmix_gen.shapes import Box, Size


class ResizeMixParams(NamedTuple):
    """The draw for one sample."""

    lam: float
    """Share of the base: 1 - scale^2."""
    scale: float
    """Sides of the donor, as a share of the image's."""
    x: float
    """Left edge, in [0, 1) of the room there is."""
    y: float
    """Top edge, likewise."""


@dataclass(frozen=True, slots=True)
class ResizeMix(Strategy):
    """The donor, resized to (t W, t H) with t uniform between two bounds, at any place where it is whole.

    Qin et al. (2020), section 3.2: a patch that shows the whole donor cannot miss what the donor is about.
    """

    name: ClassVar[str] = "resizemix"
    reference: ClassVar[str] = "Qin et al., ResizeMix, 2020"
    params: ClassVar[type[Any]] = ResizeMixParams
    shrinks_donors: ClassVar[bool] = True

    min_scale: float = field(default=0.1, metadata={"help": "smallest side of the donor, as a share"})
    max_scale: float = field(default=0.8, metadata={"help": "largest side of the donor, as a share"})

    def __post_init__(self) -> None:
        check(0 < self.min_scale < 1, self.name, "min_scale", "above 0 and below 1", self.min_scale)
        expected = f"from min_scale ({self.min_scale}) to below 1"
        check(self.min_scale <= self.max_scale < 1, self.name, "max_scale", expected, self.max_scale)

    @property
    def uses_law(self) -> bool:
        """Whether lam is drawn from Beta(alpha, alpha): it follows from what this strategy draws itself."""
        return False

    def draw(self, rng: np.random.Generator, n: int, law: LamLaw) -> list[ResizeMixParams]:  # noqa: ARG002  has its own law
        """Draw scale and place uniformly."""
        scale = rng.uniform(self.min_scale, self.max_scale, n)
        place = rng.random((2, n))
        return list(map(ResizeMixParams, (1.0 - scale**2).tolist(), scale.tolist(), *place.tolist()))

    def realise(self, params: ResizeMixParams, size: Size) -> PatchMask:
        """Return the mask with the place of the donor, at least one pixel wide and high."""
        small = Size(max(1, round(size.width * params.scale)), max(1, round(size.height * params.scale)))
        x1 = int(params.x * (size.width - small.width + 1))
        y1 = int(params.y * (size.height - small.height + 1))
        box = Box(x1, y1, x1 + small.width, y1 + small.height)
        return PatchMask(size, 2, (Patch(1, box, 0, 0),), small)

    def fallback(self) -> ResizeMixParams:
        """Return a donor of the smallest size."""
        return ResizeMixParams(1.0 - self.min_scale**2, self.min_scale, 0.5, 0.5)
