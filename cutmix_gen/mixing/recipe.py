"""The recipe of a sample: all that it takes to make it again, as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar, cast, get_type_hints

import numpy as np
import numpy.typing as npt

from cutmix_gen.codecs import MAX_PIXELS, MOST_PIXELS
from cutmix_gen.errors import RecipeError
from cutmix_gen.machine import check_room, lack_of
from cutmix_gen.mixing.ownership import Ownership, fill_frames, ownership, shares_within
from cutmix_gen.mixing.strategies import STRATEGIES, Mask, PatchMask, Strategy, make_strategy
from cutmix_gen.parsing import fits, parse_json
from cutmix_gen.shapes import Box, Size, View

T = TypeVar("T")

_FOLLOWING = 64
"""Bytes a pixel that a mask takes while it is made, at most: some arrays of float64."""

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
    max_held: int = MOST_PIXELS
    """Pixels that may be held one by one to tell whose they are: forty bytes each."""

    def mask(self) -> Mask | None:
        """Return the mask, None for an original.

        Raises
        ------
        RecipeError
            If strategy, options or parameters do not fit each other.
        """
        if self.strategy == "original":
            return None
        return self._followed(self._mask)

    def _mask(self) -> Mask:
        strategy = make_strategy(self.strategy, self.options)
        if strategy.sources != len(self.labels):
            raise ValueError(f"it has {len(self.labels)} sources, not {strategy.sources}")
        if strategy.by_pixel:
            self._check_held()
        mask = strategy.realise(self._drawn(strategy), self.size)
        _check_mask(mask)
        return mask

    def _drawn(self, strategy: Strategy) -> Any:
        _check_params(strategy.params, self.params)
        return strategy.params(**self.params)

    @property
    def focus(self) -> tuple[float, float] | None:
        """Where the donor draws the eye, for strategies that follow it; x, y in [0, 1]."""
        if self.strategy == "original" or not STRATEGIES[self.strategy].follows_saliency:
            return None
        drawn = self._followed(lambda: self._drawn(make_strategy(self.strategy, self.options)))
        return drawn.x, drawn.y

    def _check_held(self) -> None:
        _check_area(self.size, self.max_held)

    def _places(self, mask: Mask) -> list[Box]:
        """Return where the sources lie in their frames, if memory for it may be taken."""
        places = [view.place for view in self.views]
        if not fill_frames(mask, places):
            self._check_held()
        return places

    def _followed(self, step: Callable[[], T]) -> T:
        """Do something that a recipe says; whatever it says that cannot be is a `RecipeError`."""
        try:
            return step()
        except Exception as error:
            if lack_of(error) is not None:
                check_room(_FOLLOWING * self.size.width * self.size.height)
            raise RecipeError(
                f"The recipe of a '{self.strategy}' sample cannot be followed: {type(error).__name__}: {error}"
            ) from error

    def ownership(self) -> Ownership:
        """Return who owns what of the sample."""
        mask = self.mask()
        if mask is None:
            return Ownership([1.0], [], is_wasted=True)
        return self._followed(lambda: _checked(ownership(mask, self._places(mask))))

    def shares_within(self, box: Box) -> npt.NDArray[np.float64]:
        """Return the pixels that each source owns in a part of the sample: (S,)."""
        mask = self.mask()
        if mask is not None:
            return self._followed(lambda: _finite(shares_within(mask, self._places(mask), box)))
        place = self.views[0].place
        width = min(place.x2, box.x2) - max(place.x1, box.x1)
        height = min(place.y2, box.y2) - max(place.y1, box.y1)
        return np.array([max(width, 0) * max(height, 0)], np.float64)

    @property
    def lam_drawn(self) -> float:
        """The drawn share of the base."""
        return self._followed(lambda: float(self.params["lam"])) if self.params else 1.0


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
        self._tail = f',"num_classes":{num_classes},"smoothing":{smoothing!r}}}'
        self._heads: dict[str, str] = {}

    def original(self, view: View, size: Size, label: int) -> str:
        """Return the recipe of an original."""
        return self._texts(self._head("original", None), ["{}"], size, [(view,)], [(label,)])[0]

    def mixed(
        self,
        strategy: Strategy,
        params: Sequence[Any],
        size: Size,
        views: Sequence[Sequence[View]],
        labels: Sequence[Sequence[int]],
    ) -> list[str]:
        """Return the recipes of mixed samples of one strategy and size, told what each of them drew, shows and is."""
        return self._texts(self._head(strategy.name, strategy), _params_json(params), size, views, labels)

    def _head(self, name: str, strategy: Strategy | None) -> str:
        if name not in self._heads:
            options = _encode(strategy.options() if strategy else {})
            self._heads[name] = f'{{"run":{self._run},"strategy":"{name}","options":{options},"params":'
        return self._heads[name]

    def _texts(
        self,
        head: str,
        params: list[str],
        size: Size,
        views: Sequence[Sequence[View]],
        labels: Sequence[Sequence[int]],
    ) -> list[str]:
        sides, tail = f',"size":[{size.width},{size.height}],"views":[', self._tail
        shown = [",".join([view.json for view in each]) for each in views]
        classes = [",".join(map(str, each)) for each in labels]
        return [
            f'{head}{each}{sides}{seen}],"labels":[{known}]{tail}'
            for each, seen, known in zip(params, shown, classes, strict=True)
        ]


def parse_recipe(text: str, max_pixels: int = MAX_PIXELS, max_held: int = MOST_PIXELS) -> Recipe:
    """Return the recipe that the field `recipe` of a sample describes.

    Parameters
    ----------
    text : str
    max_pixels : int
        A recipe may come from anywhere, and a mask takes memory: no sample has more pixels. Whoever knows the set
        gives its own number.
    max_held : int
        How many of them may be held one by one, which only some strategies and images with bars ask for.

    Raises
    ------
    RecipeError
        If it is no such thing.
    """
    try:
        facts = parse_json(text, _MOST_BYTES)
        recipe = Recipe(
            run=int(facts["run"]),
            strategy=str(facts["strategy"]),
            options=dict(facts["options"]),
            params=dict(facts["params"]),
            size=Size(*map(int, facts["size"])),
            views=tuple(_view(view) for view in facts["views"]),
            labels=tuple(map(int, facts["labels"])),
            num_classes=int(facts["num_classes"]),
            smoothing=float(facts["smoothing"]),
            max_held=max_held,
        )
        _check(recipe, max_pixels)
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        raise RecipeError(
            f"A recipe must be JSON as `generate` writes it, but: {type(error).__name__}: {str(error)[:200]}"
        ) from error
    return recipe


def _check_area(size: Size, max_pixels: int) -> None:
    if size.area > max_pixels:
        raise ValueError(f"a size of {size} px: {size.area:,} pixels are more than max_pixels allows ({max_pixels:,})")


_RANGES = {"sigma": (0.0, 2.0), "width": (-1.0, 1.0), "height": (-1.0, 1.0)}
"""Between which a drawn number lies; -1 stands for one that is not drawn."""
_SHARE = (0.0, 1.0)
"""The same of all others."""
_MOST_VALUES = 1 << 10
"""Of a drawn list: a grid has so many cells at most."""


def _check_params(kind: type[Any], params: dict[str, Any]) -> None:
    """Raise `ValueError` for parameters that no strategy draws."""
    hints = _hints(cast("Any", kind))
    for name, value in params.items():
        if name not in hints:
            raise ValueError(f"it draws no {name[:100]!r}")
        values = value if isinstance(value, list) else [value]
        low, high = _RANGES.get(name, _SHARE)
        if (
            not fits(value, hints[name])
            or len(values) > _MOST_VALUES
            or (hints[name] in (float, list[float]) and not all(low <= each <= high for each in values))
        ):
            raise ValueError(f"it does not draw {name} = {repr(value)[:100]}")


@cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    """Return the types of parameters: working them out takes longer than checking a recipe."""
    return get_type_hints(kind)


def _check_mask(mask: Mask) -> None:
    """Raise `ValueError` for a mask that reaches beyond its image."""
    width, height = mask.size
    if mask.donor_size.width > width or mask.donor_size.height > height:
        raise ValueError(f"its donors would be {mask.donor_size} px in a sample of {mask.size} px")
    if isinstance(mask, PatchMask):
        for source, box, _, _ in mask.patches:
            if source >= mask.sources or not (0 <= box.x1 <= width >= box.x2 >= 0 <= box.y1 <= height >= box.y2 >= 0):
                raise ValueError(f"its patch {box.as_list()} of source {source} is none of the sample")


def _checked(owned: Ownership) -> Ownership:
    _finite(np.array(owned.weights))
    return owned


def _finite(shares: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    if not np.isfinite(shares).all():
        raise ValueError("the shares of its sources are no numbers")
    return shares


_MOST_BYTES = 1 << 20
"""Of a recipe: that of 255 sources is a tenth of it."""
_MOST_CLASSES = 1 << 24
"""A dense label of as many takes 64 MB."""


def _check(recipe: Recipe, max_pixels: int) -> None:
    """Raise `ValueError` for sizes that are none of a sample."""
    size = recipe.size
    if recipe.strategy not in STRATEGIES and recipe.strategy != "original":
        raise ValueError(f"there is no strategy {recipe.strategy[:100]!r}")
    if min(size) < 1:
        raise ValueError(f"a size of {size} px")
    _check_area(size, max_pixels)
    if (
        not recipe.labels
        or len(recipe.labels) != len(recipe.views)
        or (recipe.strategy == "original") != (len(recipe.labels) == 1)
    ):
        raise ValueError(f"{len(recipe.views)} views and {len(recipe.labels)} labels")
    if not 1 <= recipe.num_classes <= _MOST_CLASSES or not all(
        0 <= each < recipe.num_classes for each in recipe.labels
    ):
        raise ValueError(f"labels {recipe.labels} of {recipe.num_classes} classes")
    if not 0 <= recipe.smoothing < 1:
        raise ValueError(f"a smoothing of {recipe.smoothing}")


def _params_json(params: Sequence[Any]) -> list[str]:
    """Return drawn parameters, NamedTuples of one kind, as JSON."""
    form = _number_form(params[0].__class__) if params else ""
    return [form % each for each in params] if form else [_encode(each._asdict()) for each in params]


@cache
def _number_form(kind: type[Any]) -> str:
    """Return what makes JSON of parameters that are all numbers; empty for others. Python writes both alike."""
    if not set(_hints(cast("Any", kind)).values()) <= {int, float}:
        return ""
    return "{" + ",".join(f'"{name}":%r' for name in kind._fields) + "}"


def _view(facts: dict[str, Any]) -> View:
    crop, place = (Box(*map(int, facts[name])) for name in ("crop", "place"))
    numbers = (crop.width, crop.height, place.width, place.height, *crop.as_list(), *place.as_list())
    if min(numbers) < 0 or max(numbers) >= 1 << 31 or not crop.area or not place.area:
        raise ValueError(f"a view of {crop} at {place}")
    return View(crop, place, bool(facts["flip"]))
