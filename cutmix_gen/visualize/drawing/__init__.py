"""Pictures of samples: `make_tile` a sample, `draw_sheet` of tiles; nothing here knows where samples come from.

A sheet of anything::

    tile = make_tile(pixels, Sources(labels, weights, owner_map(mask, places)), classes)
    picture = draw_sheet(in_rows([replace(tile, note="0001-001-000000003")], columns=6))

`outlined(tile)` is the picture of one sample alone, for pages that write captions themselves, with `tile.shares` and
`class_colour`. `grid.choose` chooses samples of a set, and
`grid.tile_of` makes tiles of them.
"""

from cutmix_gen.visualize.drawing.colours import class_colour, colours_of
from cutmix_gen.visualize.drawing.files import encode_picture
from cutmix_gen.visualize.drawing.sheet import SheetRow, cell_for, draw_sheet, in_rows
from cutmix_gen.visualize.drawing.tile import (
    CELL,
    Share,
    Sources,
    Tile,
    as_rgb,
    make_tile,
    outlined,
    shown_size,
    tile_at,
)

__all__ = [
    "CELL",
    "Share",
    "SheetRow",
    "Sources",
    "Tile",
    "as_rgb",
    "cell_for",
    "class_colour",
    "colours_of",
    "draw_sheet",
    "encode_picture",
    "in_rows",
    "make_tile",
    "outlined",
    "shown_size",
    "tile_at",
]
