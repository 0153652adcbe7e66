"""Samples as tiles of the page: a small picture, the outline of what was mixed in, and whose pixels they are."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from cutmix_gen.mixing.ownership import Owners
from cutmix_gen.shapes import Pixels, Size
from cutmix_gen.shards.rows import Row
from cutmix_gen.visualize.drawing import Sources, Tile, as_rgb, tile_at
from cutmix_gen.visualize.grid import shown_pixels, sources_of
from cutmix_gen.visualize.report.page_text import colour, shown

_SIDE = 160
"""Pixels of a picture's longer side; smaller images are shown larger, pixel for pixel."""
_NAME = 32
"""Characters of a class's name in a caption."""
_QUALITIES = (85, 70, 50, 30, 10)
_BUDGET = 1_500_000
"""Bytes of all pictures together; the quality goes down until they fit."""


@dataclass(frozen=True, slots=True)
class PageTile:
    """One sample of the page."""

    key: str
    strategy: str
    """`original` for an original."""
    shares: tuple[PageShare, ...]
    picture: str
    """A `data:` URI."""
    width: int
    height: int
    zoom: int
    """How much larger it is shown."""
    outline: str
    """Where another source begins: an SVG path in pixels of the picture; empty where there is no edge."""

    @property
    def alt(self) -> str:
        """What the picture is, in words."""
        parts = ", ".join(f"{share.text} {share.name}" for share in self.shares)
        return (
            f"Original: {self.shares[0].name}" if self.strategy == "original" else f"Mixed by {self.strategy}: {parts}"
        )


@dataclass(frozen=True, slots=True)
class PageShare:
    """What a class has of a sample."""

    name: str
    colour: str
    percent: float

    @property
    def text(self) -> str:
        """The share for people."""
        if self.percent == 100 or 1 <= self.percent <= 99:
            return f"{self.percent:.0f} %"
        return f"{min(max(self.percent, 0.1), 99.9):.1f} %"


def make_tiles(rows: Sequence[Row], classes: Sequence[str], mode: str, max_pixels: int) -> dict[str, PageTile]:
    """Return a tile for each of some samples, by key; no matter how many colours they have, all together stay small.

    Parameters
    ----------
    rows : sequence of Row
    classes : sequence of str
    mode : str
        Of the set.
    max_pixels : int
        An image that claims more is damaged.

    Raises
    ------
    SetError
        If an image is damaged.
    """
    tiles = {
        row.key: _small(
            shown_pixels(row, mode, max_pixels, _small_size), sources_of(row, max_pixels, len(classes)), classes
        )
        for row in rows
    }
    pictures = {key: as_rgb(tile.pixels) for key, tile in tiles.items()}
    for quality in _QUALITIES:
        files = {key: _encoded(picture, quality) for key, picture in pictures.items()}
        if sum(map(len, files.values())) <= _BUDGET:
            break
    return {row.key: _page_tile(row, tiles[row.key], files[row.key]) for row in rows}


def _small(pixels: Pixels, sources: Sources, classes: Sequence[str]) -> Tile:
    return tile_at(_small_size(Size(pixels.shape[1], pixels.shape[0])), pixels, sources, classes)


def _small_size(size: Size) -> Size:
    """Return the size of a picture: that of the image, or what fits a square."""
    scale = min(_SIDE / max(size), 1)
    return Size(max(round(size.width * scale), 1), max(round(size.height * scale), 1))


def _page_tile(row: Row, tile: Tile, file: bytes) -> PageTile:
    kind = "png" if file.startswith(b"\x89PNG") else "webp"
    shares = [
        PageShare(shown(share.name, _NAME), colour(share.label), 100 * round(share.weight, 6)) for share in tile.shares
    ]
    return PageTile(
        key=row.key,
        strategy=row.strategy,
        shares=tuple(shares),
        picture=f"data:image/{kind};base64,{b64encode(file).decode()}",
        width=tile.size.width,
        height=tile.size.height,
        zoom=max(_SIDE // max(tile.size), 1),
        outline="" if tile.owners is None else _outline(tile.owners),
    )


def _encoded(picture: Image.Image, quality: int) -> bytes:
    """Return a picture's file: exact where it is shown pixel for pixel."""
    buffer = BytesIO()
    if max(picture.size) <= _SIDE // 2:
        picture.save(buffer, "PNG", optimize=True)
    else:
        picture.save(buffer, "WEBP", quality=quality)
    return buffer.getvalue()


def _outline(owners: Owners) -> str:
    """Return the edges between the sources of a sample as an SVG path."""
    framed = np.pad(owners, 1)
    rows = _runs(framed[1:, 1:-1] != framed[:-1, 1:-1])
    columns = _runs((framed[1:-1, 1:] != framed[1:-1, :-1]).T)
    return "".join([f"M{x} {y}h{n}" for y, x, n in rows] + [f"M{x} {y}v{n}" for x, y, n in columns])


def _runs(edges: npt.NDArray[np.bool_]) -> list[tuple[int, int, int]]:
    """Return where edges run on along a line: (line, start, length) of each."""
    padded = np.pad(edges, ((0, 0), (1, 1))).astype(np.int8)
    steps = np.diff(padded, axis=1)
    lines, starts = np.nonzero(steps == 1)
    stops = np.nonzero(steps == -1)[1]
    return list(zip(lines.tolist(), starts.tolist(), (stops - starts).tolist(), strict=True))
