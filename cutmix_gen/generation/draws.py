"""What chance decides about the samples of a part of a block: partners, strategies, views and masks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cutmix_gen.config import ResolvedConfig
from cutmix_gen.mixing.masks import is_share
from cutmix_gen.mixing.ownership import Ownership, ownership
from cutmix_gen.mixing.pairing import Members
from cutmix_gen.mixing.redraws import COMMON_ROUNDS, MORE, TRIES, TRIES_IN_RANGE, Rounds
from cutmix_gen.mixing.strategies import Mask, Strategy
from cutmix_gen.mixing.streams import generator
from cutmix_gen.shapes import Size, View
from cutmix_gen.sources.framing import Framing, Still

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
        return generator(seed, (self.run, self.copy, self.block, self.part, round_))


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


def draw_originals(config: ResolvedConfig, key: DrawKey, sizes: Sequence[Size | None]) -> list[View | None]:
    """Draw how each image shows as an original; None where it could not be read."""
    framing = Framing(config.target, config.fit_method)
    chances = framing.chances(key.generator(config.seed, 0), len(sizes), 1)
    return [
        None if size is None else framing.base(size, framing.frame(size), chance[0], flip=False)
        for size, chance in zip(sizes, chances, strict=True)
    ]


def draw_copy(
    config: ResolvedConfig, key: DrawKey, sizes: Sequence[Size | None], members: Members, focus: Focus
) -> list[Draw | str]:
    """Draw one sample for each image of a part that is to be a base.

    Every draw is made for all images at once, whether they can be used or not, so that an unreadable image changes
    nothing for those that are not mixed with it. A wasted sample (one that shows nothing of its base, or of any donor)
    is drawn again from a generator of its own, for the same reason.

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
    copy = CopyDraws(config, key, sizes, members, focus)
    return [copy.draw(place) for place in range(copy.wanted)]


class BoxDraws(NamedTuple):
    """Samples that are one box of one donor on a base, in columns: n of them, in the order of their bases."""

    strategy: Strategy
    frame: Size
    """Of the mixed image, which every source fills."""
    places: npt.NDArray[np.int64]
    """(n,) of the bases in the part."""
    donors: npt.NDArray[np.int64]
    """(n,) places of the donors."""
    params: list[Any]
    views: list[tuple[View, View]]
    """How base and donor show."""
    boxes: npt.NDArray[np.int64]
    """(n, 4)"""
    weights: npt.NDArray[np.float64]
    """(n, 2) shares of base and donor."""


class CopyDraws:
    """The draws for one copy of a part, as `draw_copy` describes them."""

    def __init__(
        self, config: ResolvedConfig, key: DrawKey, sizes: Sequence[Size | None], members: Members, focus: Focus
    ) -> None:
        n, rng = members.bases, key.generator(config.seed, 0)
        self.wanted = n if members.wanted is None else min(n, members.wanted)
        weighted = config.strategies
        self._config, self._sizes, self._focus, self._n = config, sizes, focus, n
        self._framing = Framing(config.target, config.fit_method)
        self._pairing = config.make_pairing()
        self._members = members
        self._pairs = self._pairing.pair(rng, members, config.num_sources - 1)
        self._flips = rng.random((n, config.num_sources)) < config.hflip
        self._chosen = rng.choice(len(weighted), n, p=[weight for _, weight in weighted])
        self._chances = self._framing.chances(rng, n, config.num_sources)
        self._strategies = [strategy for strategy, _ in weighted]
        self._bounds = config.lam_bounds
        self._limit = TRIES if self._bounds is None else TRIES_IN_RANGE
        self._rounds = [self._rounds_of(strategy, key) for strategy in self._strategies]
        self._still = self._framing.still(sizes) if self._framing.is_still else None

    def boxes(self) -> list[BoxDraws]:
        """Return the samples that are one box each, by strategy, drawn by array arithmetic.

        There are none unless all images fill one frame. Those that are left out take `draw`: wasted ones, which are
        drawn again, among them.
        """
        if self._still is None or not self._still.is_full:
            return []
        found = [self._boxes_of(number, self._still) for number in range(len(self._strategies))]
        return [draws for draws in found if draws is not None]

    def _boxes_of(self, number: int, still: Still) -> BoxDraws | None:
        """Return the samples of one of the strategies; None where its samples are no boxes."""
        strategy, first = self._strategies[number], self._rounds[number].first
        ours = (self._chosen == number) & (self._pairs[:, 0] >= 0) & self._members.usable[: self._n]
        places = np.flatnonzero(ours[: self.wanted])
        params = [first(place) for place in places.tolist()]
        boxes = strategy.boxes(params, still.frame) if params else None
        if boxes is None:
            return None
        weights = _weights(boxes, still.frame)
        low, high = self._bounds or (0.0, 1.0)
        # What is left out here is wasted, or has a share that was not asked for.
        kept = is_share(weights[:, 0]) & (low <= weights[:, 0]) & (weights[:, 0] <= high)
        places = places[kept]
        donors, flips = self._pairs[places, 0], self._flips[places]
        return BoxDraws(
            strategy,
            still.frame,
            places,
            donors,
            params=[params[each] for each in np.flatnonzero(kept).tolist()],
            views=list(zip(still.seen(places, flips[:, 0]), still.seen(donors, flips[:, 1]), strict=True)),
            boxes=boxes[kept],
            weights=weights[kept],
        )

    def _rounds_of(self, strategy: Strategy, key: DrawKey) -> Rounds:
        config, n = self._config, self._n

        def draw(round_: int) -> list[Any]:
            return strategy.draw(key.generator(config.seed, 1 + round_), n, config.law)

        def draw_more(place: int) -> Iterator[Any]:
            rng = key.generator(config.seed, 1 + COMMON_ROUNDS + place)
            while True:
                yield from strategy.draw(rng, MORE, config.law)

        return Rounds(strategy, draw, draw_more)

    def draw(self, place: int) -> Draw | str:
        """Return the sample of a base, or why there can be none."""
        size = self._sizes[place]
        strategy = self._strategies[self._chosen[place]]
        donors = self._pairs[place, : strategy.sources - 1].tolist()
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
        frame = self._framing.frame(self._known_size(place))
        if strategy.follows_saliency:
            x, y = self._focus(donors[0], self._donor_view(place, 1, donors[0], frame), frame)
            params = params._replace(x=x, y=y)
        mask = strategy.realise(params, frame)
        shown = [self._donor_view(place, number, donor, mask.donor_size) for number, donor in enumerate(donors, 1)]
        views = (self._base_view(place, frame), *shown)
        return Draw(donors, strategy, params, mask, views, ownership(mask, [view.place for view in views]))

    def _base_view(self, place: int, frame: Size) -> View:
        flip = bool(self._flips[place, 0])
        if self._still is not None:
            return self._still.views[place][flip]
        return self._framing.base(self._known_size(place), frame, self._chances[place][0], flip=flip)

    def _donor_view(self, place: int, number: int, donor: int, frame: Size) -> View:
        """Return how an image shows as a donor, the first one or a further one, of the sample of a base."""
        flip = bool(self._flips[place, number])
        if self._still is not None and frame == self._still.frame:
            return self._still.views[donor][flip]  # in half the time
        return self._framing.donor(self._known_size(donor), frame, self._chances[place][number], flip=flip)

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


def _weights(boxes: npt.NDArray[np.int64], frame: Size) -> npt.NDArray[np.float64]:
    """Return the shares of base and donor for each box: (n, 2)."""
    width, height = (boxes[:, 2:] - boxes[:, :2]).clip(min=0).T
    donor = width * height
    return np.stack([frame.area - donor, donor], axis=1) / frame.area
