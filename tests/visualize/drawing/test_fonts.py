from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont

from cutmix_gen.visualize.drawing import fonts
from cutmix_gen.visualize.drawing.fonts import OWN, Face, faces_for
from cutmix_gen.visualize.drawing.lettering import can_write, one_line, shortened, text_width, write


@pytest.fixture(autouse=True)
def _fresh(monkeypatch) -> Iterator[None]:
    """Forget the fonts that were found before, and do not remember those found now."""
    monkeypatch.setattr(fonts, "_known", [OWN])
    caches = (fonts._find, fonts._installed, fonts.opened, fonts.has, text_width, shortened)
    for cached in caches:
        cached.cache_clear()
    yield
    monkeypatch.undo()
    for cached in caches:
        cached.cache_clear()


@pytest.fixture
def font_file(tmp_path) -> Path:
    """Return a font file that is surely there: Pillow's own, of ASCII letters."""
    path = tmp_path / "fonts/NotoLatin.ttf"
    path.parent.mkdir()
    path.write_bytes(ImageFont.load_default(12).font_bytes)
    (path.parent / "broken-bold.ttf").write_bytes(b"no font")
    return path


def ink(text: str) -> int:
    canvas = Image.new("RGB", (200, 40), "white")
    write(canvas, (5, 30), text, 20, (0, 0, 0))
    return int((np.asarray(canvas) < 128).sum())


def test_pillows_own_font_writes_ascii():
    assert faces_for("plain cat_1.5") == [("plain cat_1.5", OWN)]
    assert ink("cat") > 50


def test_a_glyph_that_is_missing_is_told_from_one_that_is_there():
    assert fonts.has(OWN, "a")
    assert not fonts.has(OWN, "猫")
    assert not fonts.has(Face("/no/such/font.ttf", 0), "a")


def test_without_fontconfig_the_usual_folders_are_searched(monkeypatch, font_file):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(fonts, "_FOLDERS", (str(font_file.parent), "/no/such/folder"))
    monkeypatch.setattr(fonts, "_known", [])
    assert faces_for("cat") == [("cat", Face(str(font_file), 0))]
    assert ink("cat") > 50
    assert not can_write("猫")


def test_with_fontconfig_it_is_asked(monkeypatch, font_file, tmp_path):
    asked = tmp_path / "asked"
    program = tmp_path / "fc-match"
    program.write_text(f'#!/bin/sh\necho "$@" >> {asked}\nprintf "{font_file}\\n0"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(fonts, "_known", [])
    assert faces_for("cat") == [("cat", Face(str(font_file), 0))]
    assert faces_for("猫") == []
    assert "charset=732b" in asked.read_text()


def test_a_fontconfig_that_fails_is_no_failure(monkeypatch, tmp_path):
    program = tmp_path / "fc-match"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert not can_write("猫")


def test_a_text_of_several_scripts_is_cut_where_the_font_changes(monkeypatch):
    other = Face("other.ttf", 0)
    monkeypatch.setattr(fonts, "_known", [OWN, other])
    monkeypatch.setattr(fonts, "has", lambda face, char: (char in "猫犬") == (face == other))
    assert faces_for("a 猫犬 b") == [("a ", OWN), ("猫犬", other), (" b", OWN)]
    assert faces_for("猫犬") == [("猫犬", other)]


def test_where_nothing_can_lay_out_a_script_it_is_not_written(monkeypatch):
    monkeypatch.setattr(fonts.features, "check", lambda _: False)
    assert faces_for("قطة") == []
    assert faces_for("cat") == [("cat", OWN)]


def test_joiners_and_selectors_need_no_glyph():
    assert can_write("a\u200db\ufe0f")


def test_a_text_that_fits_stays_whole_and_one_that_does_not_loses_its_middle():
    assert shortened("cat", 100, 13) == "cat"
    short = shortened("abcdefghijklmnopqrstuvwxyz" * 4, 90, 13)
    assert short.startswith("abc")
    assert short.endswith("xyz")
    assert 60 < text_width(short, 13) <= 90
    assert shortened("abc", 1, 13) == "…"


def test_what_has_no_shape_is_written_out():
    assert one_line("a\tb\u2028\ue000") == "a\\tb\\u2028\\ue000"


def test_a_font_of_coloured_bitmaps_of_one_size_is_scaled(monkeypatch):
    def truetype(_path, size, _index):
        if size != 109:
            raise OSError("invalid pixel size")
        return big

    big, emoji = ImageFont.load_default(109), Face("emoji.ttf", 0)
    monkeypatch.setattr(ImageFont, "truetype", truetype)
    monkeypatch.setattr(fonts, "_known", [emoji])
    assert fonts.opened(emoji, 13).scale == pytest.approx(13 / 109)
    canvas = Image.new("RGB", (60, 30), "white")
    write(canvas, (5, 20), "M", 13, (0, 0, 0))
    rows = np.flatnonzero((np.asarray(canvas) < 200).any(axis=(1, 2)))
    assert 7 <= rows[-1] - rows[0] <= 13
    assert rows[-1] == pytest.approx(20, abs=1), "it stands on the base line"
