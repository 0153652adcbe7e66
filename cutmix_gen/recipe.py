"""The recipe of a sample: all that it takes to make it again, as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from cutmix_gen.errors import CutMixGenError, RecipeError
from cutmix_gen.masks import Mask, make_strategy
from cutmix_gen.ownership import Ownership, ownership, shares_within
from cutmix_gen.records import Box, Size, View

_encode = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a sample was made of its sources."""

    run: int
    """The run whose configuration says how images are read and encoded."""
    strategy: str
    """`original` for an original."""
    options: dict[str, Any]
    """The strategy's own."""
    params: dict[str, Any]
    """What it drew for this sample."""
    size: Size
    views: tuple[View, ...]
    """How each source shows, base first."""
    labels: tuple[int, ...]
    """Class of each source."""
    num_classes: int
    smoothing: float
    """Of the dense label."""

    def mask(self) -> Mask | None:
        """Return the mask, None for an original.

        Raises
        ------
        RecipeError
            If strategy, options or parameters do not fit each other.
        """
        if self.strategy == "original":
            return None
        try:
            strategy = make_strategy(self.strategy, self.options)
            return strategy.realise(strategy.params(**self.params), self.size)
        except (CutMixGenError, ArithmeticError, ValueError, TypeError, IndexError) as error:
            raise RecipeError(f"The recipe of a '{self.strategy}' sample cannot be followed: {error}") from error

    def ownership(self) -> Ownership:
        """Return who owns what of the sample."""
        mask = self.mask()
        return (
            Ownership([1.0], [], is_wasted=True)
            if mask is None
            else ownership(mask, [view.place for view in self.views])
        )

    def shares_within(self, box: Box) -> npt.NDArray[np.float64]:
        """Return the pixels that each source owns in a part of the sample: (S,)."""
        mask, places = self.mask(), [view.place for view in self.views]
        if mask is not None:
            return shares_within(mask, places, box)
        place = places[0]
        width = min(place.x2, box.x2) - max(place.x1, box.x1)
        height = min(place.y2, box.y2) - max(place.y1, box.y1)
        return np.array([max(width, 0) * max(height, 0)], np.float64)

    @property
    def lam_drawn(self) -> float:
        """The drawn share of the base."""
        return float(self.params["lam"]) if self.params else 1.0

    def to_json(self) -> str:
        """Return the recipe as the field `recipe` of a sample has it.

        What `json.dumps` would make of it, put together from parts of which many samples share most.
        """
        return (
            f'{{"run":{self.run},"strategy":"{self.strategy}","options":{_options_json(tuple(self.options.items()))},'
            f'"params":{_params_json(self.params)},"size":[{self.size.width},{self.size.height}],'
            f'"views":[{",".join([view.json for view in self.views])}],"labels":[{",".join(map(str, self.labels))}],'
            f'"num_classes":{self.num_classes},"smoothing":{self.smoothing!r}}}'
        )


def parse_recipe(text: str) -> Recipe:
    """Return the recipe that the field `recipe` of a sample describes.

    Raises
    ------
    RecipeError
        If it is no such thing.
    """
    try:
        facts = json.loads(text)
        size = Size(*map(int, facts["size"]))
        if not 1 <= size.width <= _LARGEST or not 1 <= size.height <= _LARGEST:
            raise ValueError(f"a size of {size} px")
        return Recipe(
            run=int(facts["run"]),
            strategy=str(facts["strategy"]),
            options=dict(facts["options"]),
            params=dict(facts["params"]),
            size=size,
            views=tuple(_view(view) for view in facts["views"]),
            labels=tuple(map(int, facts["labels"])),
            num_classes=int(facts["num_classes"]),
            smoothing=float(facts["smoothing"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RecipeError(
            f"A recipe must be JSON as `generate` writes it, but: {type(error).__name__}: {error}"
        ) from error


_LARGEST = 1 << 16
"""Pixels of a side at most: a recipe may come from anywhere, and a mask takes memory."""


@lru_cache(maxsize=1 << 12)
def _options_json(options: tuple[tuple[str, Any], ...]) -> str:
    return _encode(dict(options))


def _params_json(params: dict[str, Any]) -> str:
    if all(type(value) is float for value in params.values()):  # the common case in a third of the time
        return "{" + ",".join([f'"{name}":{value!r}' for name, value in params.items()]) + "}"
    return _encode(params)


def _view(facts: dict[str, Any]) -> View:
    crop, place = (Box(*map(int, facts[name])) for name in ("crop", "place"))
    if min(crop.width, crop.height, place.width, place.height, *crop.as_list(), *place.as_list()) < 0:
        raise ValueError(f"a view of {crop} at {place}")
    return View(crop, place, bool(facts["flip"]))
