"""The recipe of a sample: all that it takes to make it again, as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, get_type_hints

import numpy as np
import numpy.typing as npt

from cutmix_gen.errors import CutMixGenError, RecipeError
from cutmix_gen.masks import Mask, Strategy, make_strategy
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


class RecipeWriter:
    """Writes the field `recipe` of many samples, which `parse_recipe` turns back.

    It is what `json.dumps` would make without blanks, put together from parts of which the samples share most.

    Parameters
    ----------
    run : int
    num_classes : int
    smoothing : float
    """

    def __init__(self, run: int, num_classes: int, smoothing: float) -> None:
        self._run = run
        self._tail = f'"num_classes":{num_classes},"smoothing":{smoothing!r}}}'
        self._heads: dict[str, str] = {}

    def original(self, view: View, size: Size, label: int) -> str:
        """Return the recipe of an original."""
        return f"{self._head('original', None)},{self._middle('{}', size, (view,), (label,))},{self._tail}"

    def mixed(self, strategy: Strategy, params: Any, size: Size, views: Sequence[View], labels: Sequence[int]) -> str:
        """Return the recipe of a mixed sample."""
        head = self._head(strategy.name, strategy)
        return f"{head},{self._middle(_params_json(params), size, views, labels)},{self._tail}"

    def _head(self, name: str, strategy: Strategy | None) -> str:
        if name not in self._heads:
            options = _encode(strategy.options() if strategy else {})
            self._heads[name] = f'{{"run":{self._run},"strategy":"{name}","options":{options}'
        return self._heads[name]

    @staticmethod
    def _middle(params: str, size: Size, views: Sequence[View], labels: Sequence[int]) -> str:
        width, height = size
        shown, classes = ",".join([view.json for view in views]), ",".join(map(str, labels))
        return f'"params":{params},"size":[{width},{height}],"views":[{shown}],"labels":[{classes}]'


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


def _params_json(params: Any) -> str:
    """Return drawn parameters, a NamedTuple, as JSON."""
    form = _number_form(params.__class__)
    return form % params if form else _encode(params._asdict())


@cache
def _number_form(kind: type[Any]) -> str:
    """Return what makes JSON of parameters that are all numbers; empty for others. Python writes both alike."""
    if not set(get_type_hints(kind).values()) <= {int, float}:
        return ""
    return "{" + ",".join(f'"{name}":%r' for name in kind._fields) + "}"


def _view(facts: dict[str, Any]) -> View:
    crop, place = (Box(*map(int, facts[name])) for name in ("crop", "place"))
    if min(crop.width, crop.height, place.width, place.height, *crop.as_list(), *place.as_list()) < 0:
        raise ValueError(f"a view of {crop} at {place}")
    return View(crop, place, bool(facts["flip"]))
