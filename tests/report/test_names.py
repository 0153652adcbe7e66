from __future__ import annotations

from cutmix_gen.report.names import colour, shown, width_in_ems


def test_a_usual_name_is_shown_as_it_is():
    assert shown("Straßen-Katze 日本 😀") == "Straßen-Katze 日本 😀"


def test_what_no_page_may_hold_is_replaced():
    assert shown("a\0b\x1bc\nd\ud800") == "a\ufffdb\ufffdc\ufffdd\ufffd"


def test_a_long_name_is_cut():
    assert shown("x" * 100, 10) == "x" * 9 + "…"


def test_wide_letters_take_more_room():
    assert width_in_ems("日本") > 1.5 * width_in_ems("ab")


def test_neighbouring_classes_have_colours_of_their_own():
    assert len({colour(label) for label in range(100)}) == 100
