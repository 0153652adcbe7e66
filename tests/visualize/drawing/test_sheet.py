from __future__ import annotations

import logging
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from cutmix_gen.errors import UsageError
from cutmix_gen.visualize.drawing import (
    SheetRow,
    Sources,
    cell_for,
    class_colour,
    draw_sheet,
    encode_picture,
    in_rows,
    lettering,
    make_tile,
    sheet,
)
from tests.images import noise, pixels_in


def tile_of(labels=(0, 1), weights=(0.75, 0.25), classes=("cat", "dog"), size=(28, 28)):
    return make_tile(noise(*size), Sources(labels, weights), classes)


@pytest.fixture
def written(monkeypatch) -> list[str]:
    """Return what is written on a sheet while it is drawn."""
    texts: list[str] = []

    def write(canvas, place, text, size, colour):
        if text:
            texts.append(text)
        lettering.write(canvas, place, text, size, colour)

    monkeypatch.setattr(sheet, "write", write)
    return texts


def test_a_caption_has_each_class_with_its_share(written):
    draw_sheet(in_rows([replace(tile_of(), title="base", note="0001-001-000000003")], 1))
    assert written == ["base", "cat", "0.750", "dog", "0.250", "0001-001-000000003"]


def test_a_bar_is_as_long_as_the_share():
    picture = np.asarray(draw_sheet(in_rows([tile_of()], 1)))
    for label, width in ((0, 168), (1, 56)):
        bar = (picture == class_colour(label)).all(axis=2)
        lines = bar.sum(axis=1)
        assert lines.max() == width
        assert (lines == width).sum() == 4


def test_pictures_lie_in_rows_and_columns():
    tiles = [tile_of() for _ in range(5)]
    one, all_of_them = draw_sheet(in_rows(tiles[:1], 3)), draw_sheet(in_rows(tiles, 3))
    assert all_of_them.width == one.width + 2 * (224 + 14)
    assert all_of_them.height > 1.8 * one.height
    shown = np.asarray(all_of_them)
    np.testing.assert_array_equal(shown[16 : 16 + 224, 16 : 16 + 224], tiles[0].pixels)


def test_captions_of_images_of_different_heights_stay_on_the_sheet():
    tall, wide = tile_of(size=(200, 640)), replace(tile_of(size=(640, 200), labels=(0, 1)), note="below")
    picture = np.asarray(draw_sheet([SheetRow([tall, wide], "title")]))
    assert (picture[-16:] == 255).all(), "the margin is free"
    assert (picture[-17 - 14 : -16] != 255).any(), "the note ends above it"


def test_a_long_name_loses_its_middle_and_never_touches_the_number(written):
    name = "n02085620-" + "a-very-long-name-" * 20 + "Chihuahua"
    draw_sheet(in_rows([tile_of(classes=(name, "dog"))], 1))
    assert written[0].startswith("n020")
    assert written[0].endswith("huahua")
    assert "…" in written[0]
    assert lettering.text_width(written[0], 13) + lettering.text_width("0.750", 13) < 224


def test_a_name_that_no_font_has_is_a_number_and_a_warning(written, caplog, monkeypatch):
    monkeypatch.setattr(lettering, "faces_for", lambda text: [] if "猫" in text else [(text, lettering.OWN)])
    with caplog.at_level(logging.WARNING):
        draw_sheet(in_rows([tile_of(classes=("猫", "dog"))], 1))
    assert "class 0" in written
    assert "猫" not in written
    assert "No font here has all letters of '猫'" in caplog.text


def test_a_name_with_line_breaks_stays_on_its_line(written):
    draw_sheet(in_rows([tile_of(classes=("a\nb", "c\x1b[31m"))], 1))
    assert written[::2] == ["a\\nb", "c\\x1b[31m"]


def test_samples_of_16_bit_share_their_white():
    dark, bright = np.full((8, 8), 1000, np.uint16), np.full((8, 8), 4000, np.uint16)
    tiles = [make_tile(pixels, Sources([0], [1.0]), ("x",)) for pixels in (dark, bright)]
    picture = np.asarray(draw_sheet(in_rows(tiles, 2)))
    assert picture[20, 20].tolist() == [64] * 3
    assert picture[20, 20 + 238].tolist() == [255] * 3


def test_many_columns_have_smaller_cells():
    assert [cell_for(columns) for columns in (1, 6, 12, 20, 50)] == [224, 224, 183, 104, 96]


@pytest.mark.parametrize(
    ("name", "kind"), [("a.png", "PNG"), ("a.JPG", "JPEG"), ("a.jpeg", "JPEG"), ("a.webp", "WEBP")]
)
def test_the_ending_decides_the_format(name, kind):
    picture = draw_sheet(in_rows([tile_of()], 1))
    data = encode_picture(picture, name)
    with Image.open(BytesIO(data)) as opened:
        assert opened.format == kind
    if kind == "PNG":
        np.testing.assert_array_equal(pixels_in(data), np.asarray(picture))


def test_a_picture_that_a_format_cannot_hold_is_an_error():
    with pytest.raises(UsageError, match=r"WEBP holds pictures of up to 16,383 px"):
        encode_picture(Image.new("L", (1, 20000)), "a.webp")
    with pytest.raises(UsageError, match=r"must end in .png"):
        encode_picture(Image.new("L", (1, 1)), "a.gif")
