from __future__ import annotations

import pytest

from cutmix_gen.cli.columns import bar, fitted, width_of


@pytest.mark.parametrize(
    ("text", "width"), [("cat", 3), ("猫", 2), ("고양이", 6), ("e\u0301", 1), ("ﾈｺ", 2), ("🐈", 2), ("", 0), ("кот", 3)]
)
def test_a_text_is_as_wide_as_it_shows(text, width):
    assert width_of(text) == width


@pytest.mark.parametrize("text", ["cat", "a very long name of a class", "猫" * 20, "x" + "猫" * 20, "e\u0301" * 30])
@pytest.mark.parametrize("width", [5, 8, 21])
def test_a_fitted_text_has_just_that_width(text, width):
    assert width_of(fitted(text, width)) == width
    assert fitted(text, width).endswith((" ", "…", text))


def test_a_bar_shows_the_least_share_and_the_whole():
    assert bar(0, 10) == ""
    assert bar(0.0001, 10) == "▏"
    assert bar(1, 10) == "█" * 10
