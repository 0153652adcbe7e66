from __future__ import annotations

import json

import numpy as np
import pytest

import cutmix_gen
from cutmix_gen import GenerateConfig, generate
from cutmix_gen.errors import RecipeError, UsageError
from cutmix_gen.mixing.recipe import parse_recipe
from cutmix_gen.mixing.strategies import STRATEGIES
from tests.sets import make_folder, rows


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    root = tmp_path_factory.mktemp("relabel")
    make_folder(root / "images", per_class=25, classes=4, size=(31, 22))
    config = GenerateConfig(
        source=root / "images", output=root / "out", strategy=tuple(STRATEGIES), backend="serial", image_format="png"
    )
    generate(config)
    return list(rows(root / "out").values())


@pytest.fixture(scope="module")
def letterboxed(tmp_path_factory):
    root = tmp_path_factory.mktemp("relabel")
    make_folder(root / "images", per_class=25, classes=4, size=(31, 22))
    config = GenerateConfig(
        source=root / "images", output=root / "out", strategy=tuple(STRATEGIES), backend="serial", fit="letterbox",
        size="24x40", label_smoothing=0.1,
    )  # fmt: skip
    generate(config)
    return list(rows(root / "out").values())


def shown(recipe):
    """Return how much of each pixel shows each source, by mixing images that are 1 where one source has pixels."""
    mask = recipe.mask()
    views = recipe.views
    if mask is None:
        frames, mix = [recipe.size], lambda images: images[0]
    else:
        frames = [mask.size] + [mask.donor_size] * (len(views) - 1)
        mix = lambda images: mask.mix(images[0], images[1:])  # noqa: E731
    shows = []
    for source in range(len(views)):
        images = [np.zeros((frame.height, frame.width)) for frame in frames]
        place = views[source].place
        images[source][place.y1 : place.y2, place.x1 : place.x2] = 1
        shows.append(mix(images))
    return np.array(shows)


def test_a_crop_of_everything_gives_the_stored_label(samples, letterboxed):
    for row in samples + letterboxed:
        recipe = parse_recipe(row["recipe"])
        label = cutmix_gen.relabel(row, (0, 0, recipe.size.width, recipe.size.height))
        assert label.dtype == np.float32
        np.testing.assert_allclose(label, row["soft_label"], atol=1e-6)


def test_the_label_of_any_crop_is_the_count_of_its_pixels(samples, letterboxed):
    rng = np.random.default_rng(5)
    seen = set()
    for row in samples + letterboxed:
        recipe = parse_recipe(row["recipe"])
        x1, x2 = sorted(rng.choice(recipe.size.width + 1, 2, replace=False).tolist())
        y1, y2 = sorted(rng.choice(recipe.size.height + 1, 2, replace=False).tolist())
        shares = shown(recipe)[:, y1:y2, x1:x2].sum(axis=(1, 2))
        if not shares.sum():
            with pytest.raises(UsageError, match="nothing but padding"):
                cutmix_gen.relabel(row, (x1, y1, x2, y2))
            continue
        expected = np.zeros(4)
        np.add.at(expected, list(recipe.labels), shares / shares.sum())
        expected = expected * (1 - recipe.smoothing) + recipe.smoothing / 4
        np.testing.assert_allclose(cutmix_gen.relabel(row, (x1, y1, x2, y2)), expected, atol=1e-6)
        seen.add(row["strategy"])
    assert seen == {"original", *STRATEGIES}


def test_a_recipe_does_as_text_and_parsed(samples):
    row = samples[-1]
    expected = cutmix_gen.relabel(row, (3, 4, 20, 15))
    np.testing.assert_array_equal(cutmix_gen.relabel(row["recipe"], (3, 4, 20, 15)), expected)
    np.testing.assert_array_equal(cutmix_gen.relabel(json.loads(row["recipe"]), (3, 4, 20, 15)), expected)


@pytest.mark.parametrize("crop", [(0, 0, 0, 5), (5, 5, 4, 9), (-1, 0, 5, 5), (0, 0, 32, 22), (0, 0, 31, 23)])
def test_a_crop_that_is_none_is_refused(samples, crop):
    with pytest.raises(UsageError, match="crop must be"):
        cutmix_gen.relabel(samples[-1], crop)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"run": 1}', "null", "[" * 100_000])
def test_what_is_no_recipe_is_an_error_of_its_own(text):
    with pytest.raises(RecipeError):
        cutmix_gen.relabel(text, (0, 0, 1, 1))


def test_a_recipe_of_parameters_that_do_not_fit_is_an_error_of_its_own(samples):
    facts = json.loads(next(row for row in samples if row["strategy"] == "cutmix")["recipe"])
    for change in ({"strategy": "nothing"}, {"params": {}}, {"params": {"lam": 7.0, "x": 0, "y": 0}}, {"size": [0, 9]}):
        with pytest.raises(RecipeError):
            cutmix_gen.relabel(facts | change, (0, 0, 1, 1))
