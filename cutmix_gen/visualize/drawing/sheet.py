"""A sheet of samples: pictures in rows, and below each its classes with their shares, as text and as bars."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from PIL import Image, ImageDraw

from cutmix_gen.visualize.drawing.colours import FAINT_INK, INK, PAPER, TRACK, Colour, class_colour
from cutmix_gen.visualize.drawing.lettering import can_write, one_line, shortened, text_width, write
from cutmix_gen.visualize.drawing.tile import CELL, Share, Tile, outlined

_log = logging.getLogger(__name__)

_MARGIN, _GAP = 16, 14
"""Pixels round the sheet, and between samples."""
_TEXT, _SMALL = 13, 10
"""Sizes of letters in pixels."""
_LINE, _BAR, _AFTER_BAR = 17, 4, 5
_SMALL_LINE = 14
_TEXT_GAP = 8
_WIDEST, _SMALLEST = 2400, 96
"""Pixels that a sheet should not pass in width, and that a side of a sample should have all the same."""
_NARROWEST = 108
"""Pixels that a column needs for most names and a number."""
_NAMED = 5
"""Names that a message lists at most."""


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A row of a sheet."""

    tiles: Sequence[Tile]
    title: str = ""
    """At its left."""


def in_rows(tiles: Sequence[Tile], columns: int) -> list[SheetRow]:
    """Return tiles as rows of so many."""
    return [SheetRow(tiles[start : start + columns]) for start in range(0, len(tiles), columns)]


def draw_sheet(rows: Sequence[SheetRow]) -> Image.Image:
    """Draw rows of tiles with their captions, all columns of one width.

    Where no font has the letters of a class's name, the class is called by its number and a warning says so.
    """
    rows = _with_names_to_write(rows)
    tiles = list(chain.from_iterable(row.tiles for row in rows))
    brightest = max((int(tile.pixels.max()) for tile in tiles if tile.pixels.dtype == np.uint16), default=65535)
    width = max(_NARROWEST, *(tile.size.width for tile in tiles))
    titles = max(text_width(row.title, _TEXT) for row in rows)
    left = _MARGIN + (round(titles) + _GAP if titles else 0)
    columns = max(len(row.tiles) for row in rows)
    tops = [max(map(_picture_bottom, row.tiles)) for row in rows]
    heights = [top + max(map(_caption_height, row.tiles)) for top, row in zip(tops, rows, strict=True)]
    size = left + columns * (width + _GAP) - _GAP + _MARGIN, 2 * _MARGIN + sum(heights) + _GAP * (len(rows) - 1)
    sheet = Image.new("RGB", size, PAPER)
    y = _MARGIN
    for row, top, height in zip(rows, tops, heights, strict=True):
        write(sheet, (_MARGIN, y + _TEXT), row.title, _TEXT, INK)
        for column, tile in enumerate(row.tiles):
            _draw(sheet, (left + column * (width + _GAP), y + top), width, tile, brightest)
        y += height + _GAP
    return sheet


def _picture_bottom(tile: Tile) -> int:
    return (_SMALL_LINE if tile.title else 0) + tile.size.height


def _caption_height(tile: Tile) -> int:
    return len(tile.shares) * (_LINE + _BAR + _AFTER_BAR) + (_SMALL_LINE if tile.note else 0)


def _draw(sheet: Image.Image, foot: tuple[int, int], width: int, tile: Tile, brightest: int) -> None:
    """Draw a tile so that the lower left corner of its picture is at a place: captions of a row begin on one line."""
    x, y = foot
    if tile.title:
        _write_small(sheet, (x, y - tile.size.height - 4), tile.title, width)
    sheet.paste(outlined(tile, brightest), (x, y - tile.size.height))
    for share in tile.shares:
        _draw_share(sheet, (x, y), width, share)
        y += _LINE + _BAR + _AFTER_BAR
    if tile.note:
        _write_small(sheet, (x, y + _SMALL_LINE - 4), tile.note, width)


def _draw_share(sheet: Image.Image, corner: tuple[int, int], width: int, share: Share) -> None:
    """Draw a line of a caption: the class at the left, its share at the right, and a bar below."""
    x, y = corner
    number = f"{share.weight:.3f}"
    room = width - text_width(number, _TEXT)
    write(sheet, (x, y + _LINE - 3), shortened(share.name, room - _TEXT_GAP, _TEXT), _TEXT, INK)
    write(sheet, (x + room, y + _LINE - 3), number, _TEXT, INK)
    _draw_bar(sheet, (x, y + _LINE), width, share.weight, class_colour(share.label))


def _draw_bar(sheet: Image.Image, corner: tuple[int, int], width: int, share: float, colour: Colour) -> None:
    x, y = corner
    pen = ImageDraw.Draw(sheet)
    pen.rectangle((x, y, x + width - 1, y + _BAR - 1), fill=TRACK)
    filled = max(round(share * width), 1 if share > 0 else 0)
    if filled:
        pen.rectangle((x, y, x + filled - 1, y + _BAR - 1), fill=colour)


def _write_small(sheet: Image.Image, place: tuple[int, int], text: str, width: int) -> None:
    write(sheet, place, shortened(text, width, _SMALL), _SMALL, FAINT_INK)


def _with_names_to_write(rows: Sequence[SheetRow]) -> list[SheetRow]:
    """Return rows with names that can be written here, each on one line."""
    names = {(share.name, share.label) for row in rows for tile in row.tiles for share in tile.shares}
    written = {name: one_line(name) for name, _ in names}
    unknown = {name: label for name, label in sorted(names, key=lambda each: each[1]) if not can_write(written[name])}
    if unknown:
        shown = ", ".join(f"'{name}'" for name in list(unknown)[:_NAMED])
        _log.warning(
            "No font here has all letters of %s%s: in the picture %s called by number. Install a font that has them, "
            "e.g. one of Noto (Debian: fonts-noto-core, fonts-noto-cjk).",
            shown,
            f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else "",
            "the class is" if len(unknown) == 1 else "these classes are",
        )
    written |= {name: f"class {label}" for name, label in unknown.items()}
    return [
        replace(
            row,
            tiles=[
                replace(tile, shares=tuple(share._replace(name=written[share.name]) for share in tile.shares))
                for tile in row.tiles
            ],
        )
        for row in rows
    ]


def cell_for(columns: int, limit: int = _WIDEST) -> int:
    """Return the side of a sample at which a sheet of so many columns stays within a width, if that is readable.

    >>> cell_for(6), cell_for(20)
    (224, 104)
    """
    return max(_SMALLEST, min(CELL, (limit - 2 * _MARGIN) // columns - _GAP))
