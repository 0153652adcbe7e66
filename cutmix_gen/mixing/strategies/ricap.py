"""RICAP: four images, each cropped at random, fill the four parts that one point divides the image into."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np

from cutmix_gen.mixing.lam import LamLaw
from cutmix_gen.mixing.masks import Patch, PatchMask
from cutmix_gen.mixing.strategies.base import Strategy, check
from cutmix_gen.ranges import ALPHA
from cutmix_gen.shapes import Box, Size


class RicapParams(NamedTuple):
    """The draw for one sample."""

    lam: float
    """Share of the base: width times height."""
    width: float
    """Where the dividing point lies, as a share of the image's width."""
    height: float
    """The same for the height."""
    x: list[float]
    """Where each image is cropped, in [0, 1) of the room there is, base first."""
    y: list[float]
    """The same for the height."""


@dataclass(frozen=True, slots=True)
class Ricap(Strategy):
    """Four images round a point at (round(W Beta(b, b)), round(H Beta(b, b))); the base has the upper left part.

    Takahashi et al. (2018), equations 1 to 3. Every part is cut from a random place of its image.
    """

    name: ClassVar[str] = "ricap"
    reference: ClassVar[str] = "Takahashi et al., Random Image Cropping and Patching, ACML 2018"
    params: ClassVar[type[Any]] = RicapParams

    beta: float = field(default=0.3, metadata={"help": "the dividing point is drawn from Beta(beta, beta)"})

    def __post_init__(self) -> None:
        check(self.beta in ALPHA, self.name, "beta", str(ALPHA), self.beta)

    @property
    def sources(self) -> int:
        """Images that one sample is made of, the base included."""
        return 4

    @property
    def uses_law(self) -> bool:
        """Whether lam is drawn from Beta(alpha, alpha): it follows from what this strategy draws itself."""
        return False

    def draw(self, rng: np.random.Generator, n: int, law: LamLaw) -> list[RicapParams]:  # noqa: ARG002  has its own law
        """Draw the dividing point from the strategy's own Beta law, and the crops uniformly."""
        width, height = rng.beta(self.beta, self.beta, (2, n))
        x, y = rng.random((2, n, 4))
        drawn = ((width * height).tolist(), width.tolist(), height.tolist(), x.tolist(), y.tolist())
        return list(map(RicapParams, *drawn))

    def realise(self, params: RicapParams, size: Size) -> PatchMask:
        """Return the mask with the parts that have any pixels."""
        width, height = round(size.width * params.width), round(size.height * params.height)
        boxes = (
            Box(0, 0, width, height),
            Box(width, 0, size.width, height),
            Box(0, height, width, size.height),
            Box(width, height, size.width, size.height),
        )
        patches = [
            Patch(source, box, int(x * (size.width - box.width + 1)), int(y * (size.height - box.height + 1)))
            for source, (box, x, y) in enumerate(zip(boxes, params.x, params.y, strict=True))
            if box.area
        ]
        return PatchMask(size, 4, tuple(patches))

    def fallback(self) -> RicapParams:
        """Return four equal parts, each from its own place."""
        return RicapParams(0.25, 0.5, 0.5, [0.0, 0.99, 0.0, 0.99], [0.0, 0.0, 0.99, 0.99])
