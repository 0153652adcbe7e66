"""SmoothMix: a Gaussian spot of the donor, without an edge."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np

from cutmix_gen.mixing.lam import LamLaw
from cutmix_gen.mixing.masks import SoftMask
from cutmix_gen.mixing.strategies.base import Strategy, check
from cutmix_gen.shapes import Size


class SmoothMixParams(NamedTuple):
    """The draw for one sample."""

    lam: float
    """Share of the base in a square image if the spot were not clipped: 1 - 2 pi sigma^2, not below 0."""
    sigma: float
    """Spread of the spot, as a share of the image's height."""
    x: float
    """Centre of the spot, in [0, 1) of the width."""
    y: float
    """Centre of the spot, in [0, 1) of the height."""


@dataclass(frozen=True, slots=True)
class SmoothMix(Strategy):
    """G = exp(-d^2 / (2 s^2)) of the donor round a uniform centre, the rest the base's, with s uniform.

    Lee et al. (2020), equations 3 to 5. The label is the mean of G, not what was drawn.
    """

    name: ClassVar[str] = "smoothmix"
    reference: ClassVar[str] = "Lee et al., SmoothMix, CVPR Workshops 2020"
    by_pixel: ClassVar[bool] = True
    params: ClassVar[type[Any]] = SmoothMixParams

    min_sigma: float = field(default=0.25, metadata={"help": "smallest spread, as a share of the height"})
    max_sigma: float = field(default=0.5, metadata={"help": "largest spread, as a share of the height"})

    def __post_init__(self) -> None:
        check(0 < self.min_sigma <= 2, self.name, "min_sigma", "above 0, at most 2", self.min_sigma)
        expected = f"from min_sigma ({self.min_sigma}) to 2"
        check(self.min_sigma <= self.max_sigma <= 2, self.name, "max_sigma", expected, self.max_sigma)

    @property
    def uses_law(self) -> bool:
        """Whether lam is drawn from Beta(alpha, alpha): it follows from what this strategy draws itself."""
        return False

    def draw(self, rng: np.random.Generator, n: int, law: LamLaw) -> list[SmoothMixParams]:  # noqa: ARG002  has its own law
        """Draw spread and centre uniformly."""
        sigma = rng.uniform(self.min_sigma, self.max_sigma, n)
        lam = np.maximum(1.0 - 2.0 * math.pi * sigma**2, 0.0)
        return list(map(SmoothMixParams, lam.tolist(), sigma.tolist(), *rng.random((2, n)).tolist()))

    def realise(self, params: SmoothMixParams, size: Size) -> SoftMask:
        """Return the spot; it is the product of its two profiles."""
        spread = params.sigma * size.height
        x = np.exp(-((np.arange(size.width) - int(params.x * size.width)) ** 2) / (2 * spread**2))
        y = np.exp(-((np.arange(size.height) - int(params.y * size.height)) ** 2) / (2 * spread**2))
        return SoftMask(size, np.outer(y, x))

    def fallback(self) -> SmoothMixParams:
        """Return the smallest spot, in a corner."""
        return SmoothMixParams(max(0.0, 1.0 - 2.0 * math.pi * self.min_sigma**2), self.min_sigma, 0.0, 0.0)
