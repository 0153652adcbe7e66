"""Drawing again what would be a wasted sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from cutmix_gen.mixing.strategies import Strategy

TRIES = 64
"""How often a wasted sample is drawn before the strategy's fallback serves."""
TRIES_IN_RANGE = 1024
"""The same where `--lam-range` may refuse most draws."""
COMMON_ROUNDS = 4
"""Rounds that are drawn for all samples at once; few samples need a second."""
MORE = 16
"""Draws at a time for a sample that needs more."""


class Rounds:
    """Parameters for many samples: a few rounds drawn for all at once, then more for those that need them.

    Parameters
    ----------
    strategy : Strategy
    draw : callable
        Draws a round of parameters, for all samples.
    draw_more : callable
        Draws more for one sample, told its place.
    """

    def __init__(
        self, strategy: Strategy, draw: Callable[[int], list[Any]], draw_more: Callable[[int], Iterator[Any]]
    ) -> None:
        self._strategy = strategy
        self._draw = draw
        self._draw_more = draw_more
        self._rounds: list[list[Any]] = []

    def first(self, place: int) -> Any:
        """Return the first draw for a sample: most need no other."""
        if not self._rounds:
            self._rounds.append(self._draw(0))
        return self._rounds[0][place]

    def others(self, place: int, limit: int) -> Iterator[Any]:
        """Give the draws after the first, up to so many in all, and at last the strategy's fallback."""
        for round_ in range(1, COMMON_ROUNDS):
            if round_ == len(self._rounds):
                self._rounds.append(self._draw(round_))
            yield self._rounds[round_][place]
        yield from islice(self._draw_more(place), limit - COMMON_ROUNDS)
        yield self._strategy.fallback()
