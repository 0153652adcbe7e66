from __future__ import annotations

import re
from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from cutmix_gen.errors import SetError
from cutmix_gen.mixing.recipe import RecipeWriter
from cutmix_gen.mixing.strategies import STRATEGIES
from cutmix_gen.shapes import Box, Size, View
from cutmix_gen.shards.rows import Row
from cutmix_gen.visualize.report.tiles import make_tiles
from tests.images import file_of, noise, pixels_in

CLASSES = ["cat", "dog"]


def row(pixels, key="a", strategy="original", params=None, image=None) -> Row:
    """Return a sample of these pixels, as if it were mixed with these parameters."""
    size = Size(pixels.shape[1], pixels.shape[0])
    view = View(Box(0, 0, *size), Box(0, 0, *size), flip=False)
    writer = RecipeWriter(1, 2, 0.0)
    recipe = writer.original(view, size, 0)
    if params is not None:
        recipe = writer.mixed(STRATEGIES[strategy](), [params], size, [(view, view)], [(0, 1)])[0]
    share = np.array([0.75, 0.25] if params else [1, 0], np.float32)
    image = file_of(pixels, "PNG") if image is None else image
    index, boxes = np.array([0, 1], np.int32), np.zeros((1, 4), np.int32)
    return Row(key, image, 0, None, index, share, params is not None, strategy, 1.0, 1.0, ["a", "b"], boxes, recipe)


def mixed(strategy: str, size: tuple[int, int] = (40, 20)) -> Row:
    return row(noise(*size), "m", strategy, STRATEGIES[strategy]().fallback())


def tile_of(sample: Row, mode="RGB"):
    return make_tiles([sample], CLASSES, mode, 10**6)[sample.key]


def drawn(outline: str) -> set[tuple[float, float, float, float]]:
    """Return the lines of a path."""
    lines = set()
    for x, y, way, length in re.findall(r"M(\d+) (\d+)([hv])(\d+)", outline):
        dx, dy = (int(length), 0) if way == "h" else (0, int(length))
        lines.add((int(x), int(y), int(x) + dx, int(y) + dy))
    return lines


def picture_of(tile) -> Image.Image:
    return Image.open(BytesIO(b64decode(tile.picture.partition(",")[2])))


def test_a_small_image_keeps_its_pixels_and_is_shown_larger():
    pixels = noise(28, 20)
    tile = tile_of(row(pixels))
    np.testing.assert_array_equal(pixels_in(b64decode(tile.picture.partition(",")[2])), pixels)
    assert (tile.width, tile.height, tile.zoom) == (28, 20, 5)


@pytest.mark.parametrize("mode", ["RGB", "L", "I;16"])
def test_a_large_image_is_made_small(mode):
    tile = tile_of(row(noise(900, 300, mode)), mode)
    assert picture_of(tile).size == (tile.width, tile.height) == (160, 53)
    assert tile.zoom == 1


def test_sixteen_bits_are_scaled_and_not_clipped():
    pixels = np.full((20, 20), 0x8080, np.uint16)
    np.testing.assert_array_equal(np.asarray(picture_of(tile_of(row(pixels), "I;16")))[:, :, 0], 0x80)


def test_the_outline_is_the_edge_of_the_box():
    assert drawn(tile_of(mixed("cutmix")).outline) == {
        (6, 3, 34, 3), (6, 17, 34, 17), (6, 3, 6, 17), (34, 3, 34, 17),
    }  # fmt: skip


def test_the_outline_shrinks_with_the_picture():
    lines = np.array(list(drawn(tile_of(mixed("cutmix", (640, 320))).outline)))
    np.testing.assert_allclose([lines[:, 0].min(), lines[:, 1].min()], [23.5, 11.5], atol=1)
    np.testing.assert_allclose([lines[:, 2].max(), lines[:, 3].max()], [136.5, 68.5], atol=1)


def test_the_bars_of_a_letterbox_are_not_outlined():
    size, bars = Size(40, 40), Box(0, 10, 40, 30)
    whole, banded = View(Box(0, 0, *size), Box(0, 0, *size), flip=False), View(Box(0, 0, 40, 20), bars, flip=False)
    strategy = STRATEGIES["cutmix"]()
    params = strategy.fallback()
    x1, _, x2, _ = strategy.realise(params, size).bounds()[0]
    recipe = RecipeWriter(1, 2, 0.0).mixed(strategy, [params], size, [(whole, banded)], [(0, 1)])[0]
    sample = mixed("cutmix", (40, 40))._replace(recipe=recipe)
    assert drawn(tile_of(sample).outline) == {
        (x1, 10, x2, 10), (x1, 30, x2, 30), (x1, 10, x1, 30), (x2, 10, x2, 30),
    }  # fmt: skip


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_has_an_outline_but_a_blend_without_an_edge(strategy):
    if STRATEGIES[strategy]().sources == 2:
        assert bool(tile_of(mixed(strategy)).outline) == (strategy != "mixup")


def test_an_original_has_no_outline_and_only_its_class():
    tile = tile_of(row(noise(20, 20)))
    assert tile.outline == ""
    assert [(share.name, share.text) for share in tile.shares] == [("cat", "100 %")]
    assert tile.alt == "Original: cat"


def test_a_mixed_sample_says_whose_pixels_it_has():
    assert tile_of(mixed("cutmix")).alt == "Mixed by cutmix: 75 % cat, 25 % dog"


def test_two_images_of_one_class_are_all_of_it():
    sample = mixed("cutmix")
    recipe = sample.recipe.replace('"labels":[0,1]', '"labels":[1,1]')
    assert recipe != sample.recipe
    weights = np.array([0.7036, 1 - np.float32(0.7036)], np.float32)
    tile = tile_of(sample._replace(recipe=recipe, label_weight=weights))
    assert [(share.name, share.text) for share in tile.shares] == [("dog", "100 %")]


def test_all_pictures_together_stay_small_whatever_they_show():
    rows = [row(noise(240, 240, seed=number), str(number)) for number in range(100)]
    assert sum(len(tile.picture) for tile in make_tiles(rows, CLASSES, "RGB", 10**6).values()) < 2_100_000


def test_a_damaged_image_is_named():
    with pytest.raises(SetError, match=r"image of a cannot be decoded.*verify"):
        tile_of(row(noise(20, 20), image=b"no image"))
