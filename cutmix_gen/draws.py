"""What chance decides about one copy of the images of a block: partners, strategies, mirrors and masks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cutmix_gen.config import GenerateConfig
from cutmix_gen.masks import Mask, Strategy
from cutmix_gen.pairing import PAIRINGS
from cutmix_gen.records import Size

_ROUNDS = 64
"""How often a wasted sample is drawn again before the strategy's fallback serves."""


@dataclass(frozen=True, slots=True)
class DrawKey:
    """What a generator is keyed by, beside the seed: two different keys give independent streams."""

    run: int
    copy: int
    block: int
    part: int
    """Of the block: images that are in memory together are paired with each other."""

    def generator(self, seed: int, round_: int) -> np.random.Generator:
        """Return the generator of a round of draws."""
        spawn_key = (self.run, self.copy, self.block, self.part, round_)
        return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=spawn_key))


@dataclass(frozen=True, slots=True)
class Draw:
    """All that is random about one sample."""

    donors: list[int]
    """Their places in the part."""
    flips: list[bool]
    """Whether each source is mirrored, base first."""
    strategy: Strategy
    params: Any
    """An instance of the strategy's `params`."""
    mask: Mask


def draw_copy(config: GenerateConfig, key: DrawKey, sizes: list[Size | None]) -> list[Draw | str]:
    """Draw one sample for each image of a part as its base.

    Every draw is made for all images at once, whether they can be used or not, so that an unreadable image changes
    nothing for those that are not mixed with it. A wasted sample (one that would equal an original) is drawn again
    from a generator of its own, for the same reason.

    Parameters
    ----------
    config : GenerateConfig
    key : DrawKey
    sizes : list of Size or None
        Of the sample that each image would be the base of; None where the image could not be read.

    Returns
    -------
    list of Draw or str
        A text is the reason why there can be no such sample.
    """
    n = len(sizes)
    strategies = [strategy for strategy, _ in config.strategies()]
    rng = key.generator(config.seed, 0)
    usable = np.array([size is not None for size in sizes])
    partners = PAIRINGS[config.pairing](rng, usable, config.num_sources - 1).tolist()
    flips = (rng.random((n, config.num_sources)) < config.hflip).tolist()
    chosen = rng.choice(len(strategies), n, p=[weight for _, weight in config.strategies()]).tolist()
    drawn = [
        Rounds(lambda round_, s=strategy: s.draw(key.generator(config.seed, round_ + 1), n, config.law))  # type: ignore[misc]
        for strategy in strategies
    ]

    def draw(place: int, size: Size | None) -> Draw | str:
        strategy = strategies[chosen[place]]
        donors = partners[place][: strategy.sources - 1]
        if size is None:
            return "the image could not be read"
        if donors[0] < 0:
            return "there is no other readable image to mix it with in its block"
        found = realise(strategy, size, drawn[chosen[place]], place)
        if found is None:
            return f"an image of {size} px is too small for the strategy '{strategy.name}'"
        return Draw(donors, flips[place], strategy, *found)

    return [draw(place, size) for place, size in enumerate(sizes)]


class Rounds:
    """Parameters drawn for many samples at once, round after round, each round when it is first asked for."""

    def __init__(self, draw: Callable[[int], list[Any]]) -> None:
        self._draw = draw
        self._rounds: list[list[Any]] = []

    def params(self, round_: int, place: int) -> Any:
        """Return what a round drew for a sample."""
        if round_ == len(self._rounds):
            self._rounds.append(self._draw(round_))
        return self._rounds[round_][place]


def realise(strategy: Strategy, size: Size, rounds: Rounds, place: int) -> tuple[Any, Mask] | None:
    """Return the first parameters and mask of a sample that are not wasted, None where there can be none."""
    for round_ in range(_ROUNDS):
        params = rounds.params(round_, place)
        mask = strategy.realise(params, size)
        if not mask.is_wasted():
            return params, mask
    params = strategy.fallback()
    mask = strategy.realise(params, size)
    return None if mask.is_wasted() else (params, mask)
