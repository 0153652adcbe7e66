from __future__ import annotations

from cutmix_gen.visualize.drawing import class_colour
from cutmix_gen.visualize.report.page_text import colour, shown, width_in_ems


def test_a_usual_name_is_shown_as_it_is():
    assert shown("Straßen-Katze 日本 😀") == "Straßen-Katze 日本 😀"


def test_what_no_page_may_hold_is_replaced():
    assert shown("a\0b\x1bc\nd\ud800") == "a\ufffdb\ufffdc\ufffdd\ufffd"


def test_a_long_name_is_cut():
    assert shown("x" * 100, 10) == "x" * 9 + "…"


def test_wide_letters_take_more_room():
    assert width_in_ems("日本") > 1.5 * width_in_ems("ab")


def test_a_class_has_the_colour_that_it_has_in_grids():
    assert [colour(label) for label in (0, 1)] == ["#0072b2", "#c8500a"]
    assert bytes.fromhex(colour(57)[1:]) == bytes(class_colour(57))
