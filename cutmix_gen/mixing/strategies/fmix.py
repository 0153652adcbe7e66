"""FMix: a mask of any shape from low-frequency noise."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np

from cutmix_gen.mixing import streams
from cutmix_gen.mixing.lam import LamLaw
from cutmix_gen.mixing.masks import PixelMask
from cutmix_gen.mixing.strategies.base import Strategy, check
from cutmix_gen.shapes import Size


class FMixParams(NamedTuple):
    """The draw for one sample."""

    lam: float
    """Share of the pixels that the base keeps."""
    seed: int
    """Of the noise."""


@dataclass(frozen=True, slots=True)
class FMix(Strategy):
    """The pixels of the highest values of a smooth random field are the base's, lam of them all.

    Harris et al. (2020), section 4: a complex Gaussian spectrum divided by max(frequency, 1 / max(H, W)) ** decay, its
    inverse transform ranked.
    """

    name: ClassVar[str] = "fmix"
    reference: ClassVar[str] = "Harris et al., FMix, 2020; ecs-vlc/FMix"
    by_pixel: ClassVar[bool] = True
    params: ClassVar[type[Any]] = FMixParams

    decay: float = field(default=3.0, metadata={"help": "how fast high frequencies fade; more makes larger shapes"})

    def __post_init__(self) -> None:
        check(0 <= self.decay <= 10, self.name, "decay", "a number from 0 to 10", self.decay)

    def draw(self, rng: np.random.Generator, n: int, law: LamLaw) -> list[FMixParams]:
        """Draw lam from the law, and a seed for the noise, which is made when the size is known."""
        lam = law.draw(rng, n)
        seeds = rng.integers(0, 1 << 53, n)  # what every reader of JSON takes as an integer
        return list(map(FMixParams, lam.tolist(), seeds.tolist()))

    def realise(self, params: FMixParams, size: Size) -> PixelMask:
        """Return the mask: at least one pixel is the base's, and one the donor's, where there are two."""
        field_ = _smooth_noise(size, self.decay, streams.generator(params.seed, streams.FMIX)).ravel()
        kept = min(max(round(params.lam * size.area), 1), size.area - 1)
        donor = np.ones(size.area, bool)
        donor[np.argsort(-field_, kind="stable")[:kept]] = False
        return PixelMask(donor.reshape(size.height, size.width))

    def fallback(self) -> FMixParams:
        """Return half of the pixels by one fixed noise."""
        return FMixParams(0.5, 0)


def _smooth_noise(size: Size, decay: float, rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return a random field (H, W) whose spectrum falls as frequency ** -decay."""
    y = np.fft.fftfreq(size.height)[:, None]
    x = np.fft.rfftfreq(size.width)[None, :]
    frequency = np.maximum(np.hypot(x, y), 1.0 / max(size.width, size.height))
    spectrum = rng.standard_normal((*frequency.shape, 2)) @ np.array([1, 1j])
    return np.fft.irfft2(spectrum / frequency**decay, (size.height, size.width))
