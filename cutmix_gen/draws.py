"""What chance decides about the samples of a part of a block: partners, strategies, views and masks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from cutmix_gen.config import GenerateConfig
from cutmix_gen.geometry import TRIES, Chance, whole
from cutmix_gen.masks import Mask, Strategy
from cutmix_gen.ownership import Ownership, full_ownership, ownership
from cutmix_gen.pairing import Members
from cutmix_gen.records import Box, Size, View

_TRIES = 64
"""How often a wasted sample is drawn before the strategy's fallback serves."""
_TRIES_IN_RANGE = 1024
"""The same where `--lam-range` may refuse most draws."""
_COMMON_ROUNDS = 4
"""Rounds that are drawn for all samples at once; few samples need a second."""
_MORE = 16
"""Draws at a time for a sample that needs more."""

GUESTS = 1 << 31
"""The round that stands for the choice of guests, beyond any round of draws."""

Focus = Callable[[int, View, Size], tuple[float, float]]
"""From an image's place in the part, its view and a frame to where it is most salient: x, y in (0, 1)."""


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


class Draw(NamedTuple):
    """All that is random about one sample, and what follows from it."""

    donors: list[int]
    """Their places in the part."""
    strategy: Strategy
    params: Any
    """An instance of the strategy's `params`."""
    mask: Mask
    views: tuple[View, ...]
    """How each source shows, base first."""
    owned: Ownership


def draw_originals(config: GenerateConfig, key: DrawKey, sizes: Sequence[Size | None]) -> list[View | None]:
    """Draw how each image shows as an original; None where it could not be read."""
    framing = Framing(config)
    chances = framing.chances(key.generator(config.seed, 0), len(sizes), 1)
    return [
        None if size is None else framing.base(size, framing.frame(size), chance[0], flip=False)
        for size, chance in zip(sizes, chances, strict=True)
    ]


def draw_copy(
    config: GenerateConfig, key: DrawKey, sizes: Sequence[Size | None], members: Members, focus: Focus
) -> list[Draw | str]:
    """Draw one sample for each image of a part that is to be a base.

    Every draw is made for all images at once, whether they can be used or not, so that an unreadable image changes
    nothing for those that are not mixed with it. A wasted sample (one that would equal an original) is drawn again
    from a generator of its own, for the same reason.

    Parameters
    ----------
    config : GenerateConfig
    key : DrawKey
    sizes : sequence of Size or None
        Of the images in the part, bases first; None where one could not be read.
    members : Members
        The same images, as pairing sees them.
    focus : callable
        Asked for strategies that follow saliency.

    Returns
    -------
    list of Draw or str
        One for each base that is wanted; a text is the reason why there can be no such sample.
    """
    return _Copy(config, key, sizes, members, focus).draws()


class _Copy:
    """The draws for one copy of a part."""

    def __init__(
        self, config: GenerateConfig, key: DrawKey, sizes: Sequence[Size | None], members: Members, focus: Focus
    ) -> None:
        n, rng = members.bases, key.generator(config.seed, 0)
        self._wanted = n if members.wanted is None else min(n, members.wanted)
        weighted = config.strategies()
        self._config, self._sizes, self._focus, self._n = config, sizes, focus, n
        self._framing = Framing(config)
        self._pairing = config.make_pairing()
        self._partners = self._pairing.pair(rng, members, config.num_sources - 1).tolist()
        self._flips = (rng.random((n, config.num_sources)) < config.hflip).tolist()
        self._chosen = rng.choice(len(weighted), n, p=[weight for _, weight in weighted]).tolist()
        self._chances = self._framing.chances(rng, n, config.num_sources)
        self._strategies = [strategy for strategy, _ in weighted]
        self._bounds = config.lam_bounds
        self._limit = _TRIES if self._bounds is None else _TRIES_IN_RANGE
        self._rounds = [self._rounds_of(strategy, key) for strategy in self._strategies]
        self._still = _still_views(self._framing, sizes) if self._framing.is_still else None

    def draws(self) -> list[Draw | str]:
        return [self._draw(place) for place in range(self._wanted)]

    def _rounds_of(self, strategy: Strategy, key: DrawKey) -> Rounds:
        config, n = self._config, self._n

        def draw(round_: int) -> list[Any]:
            return strategy.draw(key.generator(config.seed, 1 + round_), n, config.law)

        def draw_more(place: int) -> Iterator[Any]:
            rng = key.generator(config.seed, 1 + _COMMON_ROUNDS + place)
            while True:
                yield from strategy.draw(rng, _MORE, config.law)

        return Rounds(strategy, draw, draw_more)

    def _draw(self, place: int) -> Draw | str:
        size = self._sizes[place]
        strategy = self._strategies[self._chosen[place]]
        donors = self._partners[place][: strategy.sources - 1]
        if size is None:
            return "the image could not be read"
        if donors[0] < 0:
            return f"there is no {self._pairing.partner} in its block"
        rounds = self._rounds[self._chosen[place]]
        draw = self._realised(place, donors, strategy, rounds.first(place))
        if self._is_wanted(draw):
            return draw
        return self._drawn_again(place, donors, strategy)

    def _drawn_again(self, place: int, donors: list[int], strategy: Strategy) -> Draw | str:
        """Return a sample from further draws, or why there can be none."""
        rounds, frame = self._rounds[self._chosen[place]], self._framing.frame(self._known_size(place))
        for params in rounds.others(place, self._limit):
            draw = self._realised(place, donors, strategy, params)
            if self._is_wanted(draw):
                return draw
        if self._bounds is not None:
            return f"no mask of the strategy '{strategy.name}' on {frame} px gives a lam in the range asked for"
        return f"an image of {frame} px is too small for the strategy '{strategy.name}'"

    def _realised(self, place: int, donors: list[int], strategy: Strategy, params: Any) -> Draw:
        """Return the sample that some parameters give."""
        if self._still is not None and not strategy.shrinks_donors and not strategy.follows_saliency:
            return self._realised_still(self._still, place, donors, strategy, params)
        framing, flips, chances = self._framing, self._flips[place], self._chances[place]
        size = self._known_size(place)
        frame = framing.frame(size)
        if strategy.follows_saliency:
            seen = framing.donor(self._known_size(donors[0]), frame, chances[1], flip=flips[1])
            x, y = self._focus(donors[0], seen, frame)
            params = params._replace(x=x, y=y)
        mask = strategy.realise(params, frame)
        base = framing.base(size, frame, chances[0], flip=flips[0])
        views = [
            framing.donor(self._known_size(donor), mask.donor_size, chance, flip=flip)
            for donor, chance, flip in zip(donors, chances[1:], flips[1:], strict=False)
        ]
        owned = ownership(mask, [base.place, *(view.place for view in views)])
        return Draw(donors, strategy, params, mask, (base, *views), owned)

    def _realised_still(self, still: _Still, place: int, donors: list[int], strategy: Strategy, params: Any) -> Draw:
        """Return the same in the usual case, in half the time: each image shows in one way, or its mirror image."""
        views = still.views
        mask = strategy.realise(params, still.frame)
        flip, *flips = self._flips[place]
        shown = (views[place][flip], *[views[donor][flip] for donor, flip in zip(donors, flips, strict=False)])
        owned = full_ownership(mask) if still.is_full else ownership(mask, [view.place for view in shown])
        return Draw(donors, strategy, params, mask, shown, owned)

    def _known_size(self, place: int) -> Size:
        size = self._sizes[place]
        if size is None:
            raise ValueError(f"image {place} was paired, but could not be read")
        return size

    def _is_wanted(self, draw: Draw) -> bool:
        if draw.owned.is_wasted:
            return False
        bounds = self._bounds
        return bounds is None or bounds[0] <= draw.owned.weights[0] <= bounds[1]


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
        for round_ in range(1, _COMMON_ROUNDS):
            if round_ == len(self._rounds):
                self._rounds.append(self._draw(round_))
            yield self._rounds[round_][place]
        yield from islice(self._draw_more(place), limit - _COMMON_ROUNDS)
        yield self._strategy.fallback()


class _Still(NamedTuple):
    """How each image of a part shows where that depends on nothing else."""

    frame: Size
    views: list[tuple[View, ...]]
    """By place: as it is, and mirrored; nothing for an image that could not be read."""
    is_full: bool
    """Whether every image fills the frame."""


def _still_views(framing: Framing, sizes: Sequence[Size | None]) -> _Still:
    frame = framing.frame(Size(1, 1))
    views = [
        () if size is None else tuple(framing.donor(size, frame, (), flip=flip) for flip in (False, True))
        for size in sizes
    ]
    return _Still(frame, views, all(view.place == whole(frame) for pair in views for view in pair[:1]))


class Framing:
    """How images of any size are brought to the frames of samples, by a configuration."""

    def __init__(self, config: GenerateConfig) -> None:
        self._target = config.target
        self._fit = config.make_fit()
        self._views: dict[tuple[int, int, int, int, bool], View] = {}

    @property
    def is_still(self) -> bool:
        """Whether all samples have one size, to which an image is always brought in the same way."""
        return self._target is not None and not self._fit.is_random

    def frame(self, size: Size) -> Size:
        """Return the size of the sample that an image is the base of."""
        return self._target or size

    def chances(self, rng: np.random.Generator, n: int, sources: int) -> list[list[Chance]]:
        """Draw what a random fit needs for n samples of so many sources; nothing is drawn for other fits."""
        if not self._fit.is_random:
            return [[()] * sources] * n
        chances: list[list[Chance]] = rng.random((n, sources, TRIES, 4)).tolist()
        return chances

    def base(self, size: Size, frame: Size, chance: Chance, *, flip: bool) -> View:
        """Return how an image shows as a base; where each keeps its size it shows whole."""
        if self._target is None:
            return View(whole(size), whole(size), flip)
        return self.donor(size, frame, chance, flip=flip)

    def donor(self, size: Size, frame: Size, chance: Chance, *, flip: bool) -> View:
        """Return how an image shows in a frame."""
        if self._fit.is_random:
            return self._view(size, frame, chance, flip)
        key = (size.width, size.height, frame.width, frame.height, flip)
        if key not in self._views:
            self._views[key] = self._view(size, frame, (), flip)
        return self._views[key]

    def _view(self, size: Size, frame: Size, chance: Chance, flip: bool) -> View:
        fitting = self._fit.fit(size, frame, chance)
        place = fitting.place
        if flip:
            place = Box(frame.width - place.x2, place.y1, frame.width - place.x1, place.y2)
        return View(fitting.crop, place, flip)
