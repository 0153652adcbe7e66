from __future__ import annotations

import numpy as np
import pytest

from cutmix_gen.mixing.fitting import whole
from cutmix_gen.mixing.ownership import owner_map
from cutmix_gen.mixing.strategies import Patch, PatchMask, SoftMask
from cutmix_gen.shapes import Box, Size
from cutmix_gen.visualize.drawing import Sources, class_colour, colours_of, make_tile, outlined, shown_size
from cutmix_gen.visualize.drawing.colours import luminance
from tests.images import noise

CLASSES = ("cat", "dog", "bird")


def box_mask(size, box):
    return PatchMask(size, 2, (Patch(1, box, box.x1, box.y1),))


def owners_of(mask):
    return owner_map(mask, [whole(mask.size)] * mask.sources)


def pixels_of_colour(picture, label):
    return (np.asarray(picture) == class_colour(label)).all(axis=2)


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        ((28, 28), (224, 224)),
        ((32, 32), (224, 224)),
        ((96, 96), (192, 192)),
        ((224, 224), (224, 224)),
        ((4000, 3000), (259, 194)),
        ((896, 224), (448, 112)),
        ((10000, 10), (448, 1)),
        ((1, 1), (224, 224)),
    ],
)
def test_a_small_image_grows_by_a_whole_number_and_a_large_one_shrinks(size, shown):
    assert shown_size(Size(*size), 224) == Size(*shown)


def test_a_small_image_is_enlarged_without_blur():
    pixels = noise(28, 28)
    tile = make_tile(pixels, Sources([0], [1.0]), CLASSES)
    np.testing.assert_array_equal(tile.pixels, pixels.repeat(8, axis=0).repeat(8, axis=1))


def test_a_large_image_is_shrunk_antialiased():
    stripes = np.zeros((1500, 1500), np.uint8)
    stripes[:, ::2] = 200
    tile = make_tile(stripes, Sources([0], [1.0]), CLASSES)
    assert tile.pixels[10:-10, 10:-10].std() < 10
    assert tile.pixels.mean() == pytest.approx(100, abs=2)


def test_the_outline_is_where_the_box_is_and_nowhere_else():
    mask = box_mask(Size(28, 28), Box(4, 6, 18, 20))
    picture = outlined(
        make_tile(np.zeros((28, 28, 3), np.uint8), Sources([0, 1], [0.75, 0.25], owners_of(mask)), CLASSES)
    )
    line = pixels_of_colour(picture, 1)
    rows, columns = np.flatnonzero(line.any(axis=1)), np.flatnonzero(line.any(axis=0))
    assert (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1) == (32, 48, 144, 160)  # eight times the box
    assert not line[48 + 2 : 160 - 2, 32 + 2 : 144 - 2].any()
    assert line[48:50, 32:144].all()
    shown = np.asarray(picture)
    assert (shown[47, 32:144] == 255).all(), "a white line outside of it, to be seen on dark images"
    assert not shown[:46].any()
    assert not shown[:, :30].any()


def test_a_box_at_the_edge_is_outlined_there_too():
    mask = box_mask(Size(100, 60), Box(50, 0, 100, 60))
    picture = outlined(make_tile(noise(100, 60), Sources([0, 2], [0.5, 0.5], owners_of(mask)), CLASSES))
    line = pixels_of_colour(picture, 2)
    assert line[0, -100:].all()
    assert line[:, -1].all()


def test_each_donor_has_the_colour_of_its_class():
    mask = PatchMask(Size(60, 60), 3, (Patch(1, Box(0, 0, 20, 20), 0, 0), Patch(2, Box(30, 30, 50, 50), 0, 0)))
    picture = outlined(make_tile(noise(60, 60), Sources([0, 1, 2], [0.8, 0.1, 0.1], owners_of(mask)), CLASSES))
    assert pixels_of_colour(picture, 1)[:70, :70].sum() > 100
    assert pixels_of_colour(picture, 2)[80:, 80:].sum() > 100
    assert not pixels_of_colour(picture, 2)[:70, :70].any()


def test_bars_are_not_inside_of_an_outline():
    mask = box_mask(Size(40, 40), Box(0, 0, 20, 40))
    owners = owner_map(mask, [Box(0, 0, 40, 40), Box(0, 10, 40, 30)])
    assert owners is not None
    assert owners.sum() == 20 * 20
    assert not owners[:10].any()


def test_a_blend_is_outlined_where_the_donor_shows_more():
    y, x = np.mgrid[0:20, 0:20]
    spot = np.exp(-((x - 10.0) ** 2 + (y - 10.0) ** 2) / 20)
    owners = owners_of(SoftMask(Size(20, 20), spot))
    np.testing.assert_array_equal(owners == 1, spot > 0.5)
    assert owners_of(SoftMask(Size(20, 20), np.full((1, 1), 0.7))) is None


def test_a_16_bit_image_is_shown_from_black_to_white():
    pixels = np.linspace(0, 4095, 64, dtype=np.uint16).reshape(8, 8)
    tile = make_tile(pixels, Sources([0], [1.0]), CLASSES)
    shown = np.asarray(outlined(tile, int(tile.pixels.max())))
    assert (shown.min(), shown.max()) == (0, 255)


def test_two_sources_of_a_class_have_one_line_and_one_of_nothing_has_none():
    tile = make_tile(noise(8, 8), Sources([1, 0, 1, 2], [0.25, 0.5, 0.25, 0.0]), CLASSES)
    assert [(share.name, share.weight) for share in tile.shares] == [("dog", 0.5), ("cat", 0.5)]


def test_colours_of_classes_are_different_and_seen_on_white_and_on_dark_paper():
    dark_paper = luminance((0x1C, 0x20, 0x26))  # of the report
    colours = [class_colour(label) for label in range(1000)]
    assert min(1.05 / (luminance(colour) + 0.05) for colour in colours) >= 3
    assert min((luminance(colour) + 0.05) / (dark_paper + 0.05) for colour in colours) >= 3
    assert len(set(colours[:100])) == 100
    first = np.array(colours[:10], float)
    apart = np.linalg.norm(first[:, None] - first, axis=2) + 1000 * np.eye(10)
    assert apart.min() > 40


def test_sources_of_one_class_have_colours_of_their_own():
    assert colours_of([3, 1]) == [class_colour(3), class_colour(1)]
    assert colours_of([3, 3, 0]) == [class_colour(3), class_colour(1), class_colour(0)]
