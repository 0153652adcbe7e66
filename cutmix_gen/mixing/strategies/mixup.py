"""mixup: the two images blended all over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from cutmix_gen.mixing.lam import LamLaw
from cutmix_gen.mixing.masks import SoftMask
from cutmix_gen.mixing.strategies.base import Strategy
from cutmix_gen.shapes import Size


class MixupParams(NamedTuple):
    """The draw for one sample."""

    lam: float
    """Weight of the base."""


@dataclass(frozen=True, slots=True)
class Mixup(Strategy):
    """x = lam A + (1 - lam) B in floating point, rounded once.

    Zhang et al. (2018), equation 1.
    """

    name: ClassVar[str] = "mixup"
    reference: ClassVar[str] = "Zhang et al., mixup, ICLR 2018"
    params: ClassVar[type[Any]] = MixupParams

    def draw(self, rng: np.random.Generator, n: int, law: LamLaw) -> list[MixupParams]:
        """Draw lam from the law."""
        return [MixupParams(lam) for lam in law.draw(rng, n).tolist()]

    def realise(self, params: MixupParams, size: Size) -> SoftMask:
        """Return the same weight for every pixel."""
        return SoftMask(size, np.array([[1.0 - params.lam]]))

    def fallback(self) -> MixupParams:
        """Return equal weights."""
        return MixupParams(0.5)
