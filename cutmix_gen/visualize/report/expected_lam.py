"""The law that lam should follow: the strategies are simulated anew, from the run's options and by their definition."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cutmix_gen.config import ResolvedConfig
from cutmix_gen.dataset.records import LAM_BINS
from cutmix_gen.mixing import streams
from cutmix_gen.mixing.fitting import CenterCrop
from cutmix_gen.mixing.ownership import ownership
from cutmix_gen.mixing.strategies import LamLaw, PatchMask, Strategy
from cutmix_gen.shapes import Size
from cutmix_gen.sources.framing import Framing

_DRAWS = 8000
"""Simulated samples of a set, shared out among its strategies."""
_LEAST_DRAWS = 200
_TRIES = 64
"""How often a sample that would be wasted, or lies out of the range asked for, is drawn again."""
_PATCH_SIDE, _LETTERBOX_SIDE, _PIXEL_SIDE = 1024, 96, 32
"""Pixels of the longer side at most.

Where pixels are counted one by one a small frame serves: those laws do not depend on the size.
"""
_SIGMAS, _SKEW = 4.0, 2.5
"""How far chance takes a count: so many standard deviations, and what a Poisson law of few counts adds to them.

The first terms of its Cornish-Fisher expansion, (z^2 - 1) / 6 the second. One bin of 16,000 lies beyond.
"""


@dataclass(frozen=True, slots=True)
class Source:
    """What some samples were made with, as far as lam depends on it."""

    config: ResolvedConfig
    strategies: Counter[str]
    """Samples by strategy, originals left out."""
    sizes: Sequence[Size]
    """Of source images."""
    focuses: Sequence[tuple[float, float]]
    """Where donors draw the eye, for strategies that follow it; x, y in (0, 1)."""


@dataclass(frozen=True, slots=True)
class Expected:
    """The lam histogram that a set should have."""

    counts: list[float]
    """Samples by realised lam, in `LAM_BINS` equal bins over [0, 1]."""
    margins: list[float]
    """How far chance takes a bin from that: four standard deviations, those of the simulation among them."""
    draws: int
    """Simulated samples."""

    def outside(self, histogram: Sequence[int]) -> list[int]:
        """Return the bins of a histogram that lie further off than chance explains."""
        return [
            place
            for place, (found, count, margin) in enumerate(zip(histogram, self.counts, self.margins, strict=True))
            if abs(found - count) > margin
        ]


def expected_histogram(sources: Sequence[Source], seed: int) -> Expected:
    """Simulate the strategies that samples were made with, and return the lam histogram that follows.

    Parameters
    ----------
    sources : sequence of Source
        One for each way in which samples were made.
    seed : int
    """
    total = sum(source.strategies.total() for source in sources)
    counts, variance, draws = np.zeros(LAM_BINS), np.zeros(LAM_BINS), 0
    for number, source in enumerate(sources):
        for place, (strategy, count) in enumerate(_parts(source)):
            rng = streams.generator(seed, streams.law_key(number, place))
            lam = _simulated(source, strategy, max(round(_DRAWS * count / total), _LEAST_DRAWS), rng)
            if lam.size:
                share = np.histogram(lam, LAM_BINS, (0.0, 1.0))[0] / lam.size
                counts += count * share
                variance += count * share * (1 - share) * (1 + count / lam.size)
                draws += lam.size
    return Expected(counts.tolist(), (_SIGMAS * np.sqrt(variance) + _SKEW).tolist(), draws)


def _parts(source: Source) -> list[tuple[Strategy, int]]:
    known = {strategy.name: strategy for strategy, _ in source.config.strategies}
    return [(known[name], count) for name, count in sorted(source.strategies.items())]


def _simulated(source: Source, strategy: Strategy, n: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Draw n samples of a strategy and return the share of the base in each; those in vain are left out."""
    simulation = _Simulation(source, strategy)
    sizes = rng.integers(0, len(source.sizes), (n, strategy.sources))
    found: list[float] = []
    pending = list(range(n))
    law = LamLaw(source.config.alpha)
    for _ in range(_TRIES):
        params = strategy.draw(rng, len(pending), law)
        drawn = [simulation.lam(each, sizes[place].tolist(), rng) for place, each in zip(pending, params, strict=True)]
        found += [lam for lam in drawn if lam is not None]
        pending = [place for place, lam in zip(pending, drawn, strict=True) if lam is None]
        if not pending:
            break
    return np.array(found, np.float32)


class _Simulation:
    """One strategy, from drawn parameters to lam."""

    def __init__(self, source: Source, strategy: Strategy) -> None:
        config = source.config
        # What decides where an image lies in its frame; a random fit fills it whatever it draws.
        fit = CenterCrop() if config.fit_method.is_random else config.fit_method
        self._strategy = strategy
        self._framing = Framing(config.target, fit)
        self._bounds = config.lam_bounds
        self._focuses = source.focuses
        self._sizes = [_limited(size, self._side(config.fit)) for size in source.sizes]
        target = config.target
        self._target = _limited(target, self._side(config.fit)) if target else None

    def _side(self, fit: str) -> int:
        if not isinstance(self._strategy.realise(self._strategy.fallback(), Size(32, 32)), PatchMask):
            return _PIXEL_SIDE
        return _LETTERBOX_SIDE if fit == "letterbox" else _PATCH_SIDE

    def lam(self, params: Any, chosen: list[int], rng: np.random.Generator) -> float | None:
        """Return the share of the base, None for a sample that has to be drawn again."""
        if self._strategy.follows_saliency and self._focuses:
            x, y = self._focuses[int(rng.integers(len(self._focuses)))]
            params = params._replace(x=x, y=y)
        base, *donors = (self._sizes[place] for place in chosen)
        frame = self._target or base
        mask = self._strategy.realise(params, frame)
        framing = self._framing
        views = [framing.base(base, frame, (), flip=False)]
        views += [framing.donor(size, mask.donor_size, (), flip=False) for size in donors]
        owned = ownership(mask, [view.place for view in views])
        lam = owned.weights[0]
        is_wanted = self._bounds is None or self._bounds[0] <= lam <= self._bounds[1]
        return lam if is_wanted and not owned.is_wasted else None


def _limited(size: Size, side: int) -> Size:
    scale = min(1.0, side / max(size.width, size.height))
    return Size(max(round(size.width * scale), 1), max(round(size.height * scale), 1))
