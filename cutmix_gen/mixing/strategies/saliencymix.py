"""SaliencyMix: CutMix whose box is centred on what is most salient in the donor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from cutmix_gen.mixing.lam import LamLaw
from cutmix_gen.mixing.masks import Patch, PatchMask
from cutmix_gen.mixing.strategies.base import Strategy
from cutmix_gen.mixing.strategies.cutmix import centred_box
from cutmix_gen.shapes import Size


class SaliencyMixParams(NamedTuple):
    """The draw for one sample."""

    lam: float
    """Share that the base is meant to keep, before the box is clipped."""
    x: float = 0.5
    """Place of the donor's saliency maximum, in [0, 1) of the width."""
    y: float = 0.5
    """The same for the height."""


@dataclass(frozen=True, slots=True)
class SaliencyMix(Strategy):
    """The box of CutMix, cut where the donor's saliency is largest and pasted at the same place.

    Uddin et al. (2021), with the spectral residual of Hou and Zhang (2007) as the saliency (`saliency.py`).
    """

    name: ClassVar[str] = "saliencymix"
    reference: ClassVar[str] = "Uddin et al., SaliencyMix, ICLR 2021; Hou and Zhang, CVPR 2007"
    params: ClassVar[type[Any]] = SaliencyMixParams
    follows_saliency: ClassVar[bool] = True

    def draw(self, rng: np.random.Generator, n: int, law: LamLaw) -> list[SaliencyMixParams]:
        """Draw lam from the law; the place comes from the donor."""
        return [SaliencyMixParams(lam) for lam in law.draw(rng, n).tolist()]

    def realise(self, params: SaliencyMixParams, size: Size) -> PatchMask:
        """Return the mask with the one box, clipped."""
        box = centred_box(params.lam, params.x, params.y, size)
        return PatchMask(size, 2, (Patch(1, box, box.x1, box.y1),))

    def fallback(self) -> SaliencyMixParams:
        """Return a box of half the image."""
        return SaliencyMixParams(0.5)
