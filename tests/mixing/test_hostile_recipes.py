"""Recipes from others: following one takes no more memory and time than its sample, whatever it says."""

from __future__ import annotations

import json
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutmix_gen import relabel
from cutmix_gen.errors import RecipeError, UsageError
from cutmix_gen.mixing.strategies import STRATEGIES
from tests.fuzz.reading import CORPUS

SEEDS = {path.stem: json.loads(path.read_bytes()) for path in sorted((CORPUS / "recipes").iterdir())}
SIZE = SEEDS["cutmix"]["size"]


def test_there_is_a_recipe_of_every_strategy():
    assert SEEDS.keys() == STRATEGIES.keys() | {"original"}


def text_of(name: str, **changes: object) -> str:
    return json.dumps(SEEDS[name] | changes)


@pytest.mark.parametrize("name", SEEDS)
def test_a_good_recipe_is_followed(name):
    assert relabel(text_of(name), (0, 0, *SIZE)).sum() == pytest.approx(1, abs=1e-6)


SIDE = 20_000


def views_of(name, place):
    return [view | {"crop": place, "place": place} for view in SEEDS[name]["views"]]


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_recipe_that_takes_memory_for_each_pixel_is_refused_where_there_are_many(name):
    tracemalloc.start()
    try:
        for place in ([0, 0, 9, 9], [0, 0, SIDE, SIDE]):
            changes = {"size": [SIDE, SIDE], "views": views_of(name, place)}
            if place[2] == SIDE and not STRATEGIES[name].by_pixel and name != "resizemix":
                assert relabel(text_of(name, **changes), (0, 0, 8, 8)).sum() == pytest.approx(1)
                continue
            with pytest.raises(RecipeError, match=r"400,000,000 pixels.*max_pixels"):
                relabel(text_of(name, **changes), (0, 0, 8, 8))
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()


def test_more_pixels_are_held_when_that_is_asked_for():
    text = text_of("smoothmix", size=[300, 300], views=views_of("smoothmix", [0, 0, 300, 300]))
    with pytest.raises(RecipeError, match="90,000 pixels are more"):
        relabel(text, (0, 0, 8, 8), max_pixels=80_000)
    assert relabel(text, (0, 0, 8, 8), max_pixels=90_000).sum() == 1


@pytest.mark.parametrize(
    ("name", "param", "value"),
    [
        ("resizemix", "scale", 300.0),
        ("resizemix", "scale", -0.5),
        ("resizemix", "lam", float("nan")),
        ("smoothmix", "sigma", 1e300),
        ("cutmix", "lam", -1e9),
        ("cutmix", "x", 1e18),
        ("multi", "x", [0.5]),
        ("multi", "x", [0.5] * 100_000),
        ("multi", "cells", [0.5]),
        ("patches", "cells", [0] * 100_000),
        ("patches", "cells", [-1] * 16),
        ("patches", "cells", [0.5] * 16),
        ("patches", "places", [0.5]),
        ("fmix", "seed", 10**400),
        ("fmix", "seed", 1.5),
        ("mixup", "lam", "0.5"),
        ("mixup", "lam", True),
    ],
)
def test_a_parameter_that_is_never_drawn_is_refused(name, param, value):
    text = text_of(name, params=SEEDS[name]["params"] | {param: value})
    begun = time.process_time()
    with pytest.raises(RecipeError):
        relabel(text, (0, 0, *SIZE))
    assert time.process_time() - begun < 1


def test_more_boxes_than_donors_are_refused():
    with pytest.raises(RecipeError, match="source 3 is none"):
        relabel(text_of("multi", params={"lam": 0.5, "x": [0.5] * 5, "y": [0.5] * 5}), (0, 0, *SIZE))


NUMBERS = st.one_of(st.floats(), st.integers(-5, 5), st.sampled_from([0.999, 1.0, 1e9, -1e9, 2**53, 10**30]))


@settings(max_examples=400)
@given(data=st.data(), name=st.sampled_from(sorted(STRATEGIES)))
def test_any_numbers_in_a_recipe_end_in_its_error_or_in_shares(data, name):
    recipe = json.loads(text_of(name))
    param = data.draw(st.sampled_from(sorted(recipe["params"])))
    old = recipe["params"][param]
    recipe["params"][param] = data.draw(
        st.lists(NUMBERS, min_size=len(old), max_size=len(old)) if isinstance(old, list) else NUMBERS
    )
    place = [data.draw(st.integers(-3, 20)) for _ in range(4)]
    if data.draw(st.booleans()):
        data.draw(st.sampled_from(recipe["views"]))["place"] = place
    tracemalloc.start()
    try:
        label = relabel(json.dumps(recipe), (0, 0, *SIZE))
    except (RecipeError, UsageError):
        pass
    else:
        assert label.sum() == pytest.approx(1, abs=1e-5)
        assert np.all((label >= 0) & (label <= 1 + 1e-6))
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 10 << 20


@pytest.mark.parametrize("sources", [3, 8])
def test_a_sample_with_bars_takes_no_memory_that_grows_with_the_square_of_its_sources(sources):
    side, donors = 1024, sources - 1
    text = text_of(
        "multi",
        size=[side, side],
        options={"sources": sources},
        params={"lam": 0.5, "x": [0.5] * donors, "y": [0.5] * donors},
        views=[{"crop": [0, 0, 9, 9], "place": [0, 0, side, side - 9], "flip": False}] * sources,
        labels=[0] * sources,
    )
    tracemalloc.start()
    try:
        assert relabel(text, (0, 0, 8, 8)).sum() == pytest.approx(1)
        assert tracemalloc.get_traced_memory()[1] < (sources + 4) * side * side
    finally:
        tracemalloc.stop()
