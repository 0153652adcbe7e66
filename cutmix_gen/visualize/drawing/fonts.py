"""Fonts for names in any script: looked for on this machine where Pillow's own has no glyphs."""

from __future__ import annotations

import os
import shutil
import subprocess
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from PIL import ImageFont, features
from PIL.ImageFont import FreeTypeFont

_FOLDERS = (
    "~/.local/share/fonts",
    "~/.fonts",
    "~/Library/Fonts",
    "/usr/local/share/fonts",
    "/usr/share/fonts",
    "/Library/Fonts",
    "/System/Library/Fonts",
    "/opt/homebrew/share/fonts",
    "/run/current-system/sw/share/X11/fonts",
)
"""Where systems have their fonts, for those without fontconfig."""
_MOST = 2000
"""Font files that are tried for a character at most."""
_UNLIKE = ("lastresort", "bold", "italic", "oblique", "mono", "serif", "light", "thin", "black", "condensed")
"""In the name of a font file: others come first. Last Resort has a box for every character there is."""

_BITMAP_SIZES = (109, 136, 160, 128, 96, 64)
"""Pixels at which fonts of coloured bitmaps can be opened: Noto's have 109, Apple's 160 and others."""
_NO_CHARACTER = "\U0010ffff"
"""For this every font shows what it shows for a character that it lacks."""


class Face(NamedTuple):
    """A font that is installed."""

    path: str
    """Empty for the one that comes with Pillow."""
    number: int
    """In a file that has several."""


OWN = Face("", 0)
"""The font that comes with Pillow: ASCII and little else, but the same everywhere."""


class Sized(NamedTuple):
    """A font opened at a size."""

    font: FreeTypeFont
    scale: float
    """What its pixels are to be multiplied by: 1, but for fonts that have bitmaps of one size."""


@lru_cache(maxsize=256)
def opened(face: Face, size: int) -> Sized:
    """Open a font so that its letters are of a size, in pixels.

    Raises
    ------
    OSError
        If the file is no font that Pillow can draw with.
    """
    if face == OWN:
        font = ImageFont.load_default(size)
        if not isinstance(font, FreeTypeFont):
            raise OSError("Pillow was built without FreeType")
        return Sized(font, 1.0)
    try:
        return Sized(ImageFont.truetype(face.path, size, face.number), 1.0)
    except OSError:
        for bitmap in _BITMAP_SIZES:
            try:
                return Sized(ImageFont.truetype(face.path, bitmap, face.number), size / bitmap)
            except OSError:
                continue
        raise


def _is_silent(char: str) -> bool:
    """Tell whether a character only acts on its neighbours: joiners, variation selectors."""
    return unicodedata.category(char) == "Cf" or 0xFE00 <= ord(char) <= 0xFE0F


@lru_cache(maxsize=1 << 14)
def has(face: Face, char: str) -> bool:
    """Tell whether a font has a glyph for a character."""
    try:
        font = opened(face, 32).font
        return _shape(font, char) != _shape(font, _NO_CHARACTER)
    except OSError:
        return False


def _shape(font: FreeTypeFont, char: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(char, "L")
    return mask.size, bytes(mask)


_known: list[Face] = [OWN]
"""Fonts in use, in the order in which they were found: few serve all names of a picture."""


def faces_for(text: str) -> list[tuple[str, Face]]:
    """Cut a text into runs that one font can write each; one run where a single font has all characters.

    Returns
    -------
    list of (str, Face)
        Empty where there are characters that no font on this machine has, or a script that cannot be laid out here.
    """
    wanted = {char for char in text if not _is_silent(char) and not char.isspace()}
    if not _can_lay_out(wanted):
        return []
    for char in sorted(wanted):
        if not any(has(face, char) for face in _known):
            found = _find("".join(char for char in sorted(wanted) if not has(OWN, char)), char)
            if found is None:
                return []
            _known.append(found)
    whole = next((face for face in _known if all(has(face, char) for char in wanted)), None)
    return [(text, whole)] if whole else list(_runs(text))


def _runs(text: str) -> Iterator[tuple[str, Face]]:
    run, last = "", OWN
    for char in text:
        if not _is_silent(char) and not (run and has(last, char)):
            face = next((face for face in _known if has(face, char)), last)
            if run and face != last:
                yield run, last
                run = ""
            last = face
        run += char
    if run:
        yield run, last


def _can_lay_out(chars: set[str]) -> bool:
    """Tell whether the order and the shapes of letters that a script asks for can be had: they take libraries."""
    if features.check("raqm") and features.check("fribidi"):
        return True
    return not any(unicodedata.bidirectional(char) in ("R", "AL") for char in chars)


@lru_cache(maxsize=1 << 10)
def _find(text: str, char: str) -> Face | None:
    """Look for a font that has a character, better one that has all of a text."""
    return next((face for face in _candidates(text, char) if has(face, char)), None)


def _candidates(text: str, char: str) -> Iterator[Face]:
    if shutil.which("fc-match"):
        yield from (_matched(text), _matched(char))
    else:
        yield from (Face(path, 0) for path in _installed())


def _matched(text: str) -> Face:
    """Return the font that fontconfig takes to be best for a text; whether it has all of it is another question."""
    charset = " ".join(f"{ord(char):x}" for char in text)
    command = ["fc-match", "--format=%{file}\n%{index}", f"sans-serif:charset={charset}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return OWN
    path, _, index = done.stdout.partition("\n")
    # Beyond the first 16 bits the index names an instance of a variable font, which Pillow takes for a face.
    return Face(path, int(index) & 0xFFFF) if path and index.isdecimal() else OWN


@lru_cache(maxsize=1)
def _installed() -> list[str]:
    """Return the font files of the usual folders, plain ones without serifs first."""
    found = [
        str(path)
        for folder in _FOLDERS
        for path in Path(os.path.expanduser(folder)).rglob("*")  # noqa: PTH111  a home may be missing
        if path.suffix.lower() in (".ttf", ".otf", ".ttc")
    ]
    return sorted(found, key=lambda path: (_strangeness(path), path))[:_MOST]


def _strangeness(path: str) -> int:
    name = Path(path).name.lower()
    return sum(word in name.replace("sansserif", "") for word in _UNLIKE) + (not name.startswith(("noto", "dejavu")))
