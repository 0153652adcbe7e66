"""Samples as tiles of the page: a small picture, the outline of what was mixed in, and whose pixels they are."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from cutmix_gen.codecs import MAX_PIXELS
from cutmix_gen.codecs.guard import guarded
from cutmix_gen.errors import ImageError, SetError
from cutmix_gen.recipe import parse_recipe
from cutmix_gen.records import Row
from cutmix_gen.report.names import colour, shown

_SIDE = 160
"""Pixels of a picture's longer side; smaller images are shown larger, pixel for pixel."""
_NAME = 32
"""Characters of a class's name in a caption."""
_QUALITIES = (85, 70, 50, 30, 10)
_BUDGET = 1_500_000
"""Bytes of all pictures together; the quality goes down until they fit."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one source owns of a sample."""

    name: str
    colour: str
    percent: float

    @property
    def text(self) -> str:
        """The share for people."""
        if self.percent == 100 or 1 <= self.percent <= 99:
            return f"{self.percent:.0f} %"
        return f"{min(max(self.percent, 0.1), 99.9):.1f} %"


@dataclass(frozen=True, slots=True)
class Tile:
    """One sample of the page."""

    key: str
    strategy: str
    """`original` for an original."""
    shares: tuple[Share, ...]
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


def make_tiles(rows: Sequence[Row], classes: Sequence[str], max_pixels: int = MAX_PIXELS) -> dict[str, Tile]:
    """Return a tile for each of some samples, by key; no matter how many colours they have, all together stay small.

    Parameters
    ----------
    rows : sequence of Row
    classes : sequence of str
    max_pixels : int
        An image that claims more is damaged.

    Raises
    ------
    SetError
        If an image is damaged.
    """
    chosen = {row.key: row for row in rows}
    pictures = {key: _small(row, max_pixels) for key, row in chosen.items()}
    for quality in _QUALITIES:
        files = {key: _encoded(picture, quality) for key, picture in pictures.items()}
        if sum(map(len, files.values())) <= _BUDGET:
            break
    return {key: _tile(row, pictures[key], files[key], classes) for key, row in chosen.items()}


def _tile(row: Row, picture: Image.Image, file: bytes, classes: Sequence[str]) -> Tile:
    kind = "png" if file.startswith(b"\x89PNG") else "webp"
    return Tile(
        key=row.key,
        strategy=row.strategy,
        shares=tuple(_shares(row, classes)),
        picture=f"data:image/{kind};base64,{b64encode(file).decode()}",
        width=picture.width,
        height=picture.height,
        zoom=max(_SIDE // max(picture.size), 1),
        outline=_outline(row, picture.width, picture.height) if row.synthetic else "",
    )


def _shares(row: Row, classes: Sequence[str]) -> list[Share]:
    pairs = zip(row.label_index.tolist(), row.label_weight.tolist(), strict=True)
    return [Share(shown(classes[label], _NAME), colour(label), 100 * weight) for label, weight in pairs if weight > 0]


def _small(row: Row, max_pixels: int) -> Image.Image:
    try:
        with guarded(row.image, max_pixels), Image.open(BytesIO(row.image)) as image:
            image.draft("RGB" if image.mode == "RGB" else "L", (2 * _SIDE, 2 * _SIDE))
            picture = _eight_bit(image)
    except (OSError, ValueError, ImageError) as error:
        raise SetError(
            f"The image of {row.key} cannot be decoded: {error}. `cutmix-gen verify OUT --deep` finds what is damaged."
        ) from error
    if max(picture.size) > _SIDE:
        picture.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX)
    return picture


def _eight_bit(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        pixels = np.asarray(image).astype(np.uint32)
        return Image.fromarray(((pixels * 255 + 32767) // 65535).astype(np.uint8))
    return image.convert("L" if image.mode == "L" else "RGB")


def _encoded(picture: Image.Image, quality: int) -> bytes:
    """Return a picture's file: exact where it is shown pixel for pixel."""
    buffer = BytesIO()
    if max(picture.size) <= _SIDE // 2:
        picture.save(buffer, "PNG", optimize=True)
    else:
        picture.save(buffer, "WEBP", quality=quality)
    return buffer.getvalue()


def _outline(row: Row, width: int, height: int) -> str:
    """Return the edges between the sources of a sample as an SVG path."""
    mask = parse_recipe(row.recipe).mask()
    if mask is None:
        return ""
    base = np.zeros((mask.size.height, mask.size.width), np.uint8)
    donor = mask.donor_size
    owner = mask.mix(base, [np.full((donor.height, donor.width), each, np.uint8) for each in range(1, mask.sources)])
    ys, xs = (_centres(count, total) for count, total in ((height, owner.shape[0]), (width, owner.shape[1])))
    seen = owner[np.ix_(ys, xs)]
    if (seen == seen.flat[0]).all():
        return ""
    framed = np.pad(seen, 1)
    rows = _runs(framed[1:, 1:-1] != framed[:-1, 1:-1])
    columns = _runs((framed[1:-1, 1:] != framed[1:-1, :-1]).T)
    return "".join([f"M{x} {y}h{n}" for y, x, n in rows] + [f"M{x} {y}v{n}" for x, y, n in columns])


def _centres(count: int, total: int) -> npt.NDArray[np.int64]:
    return ((np.arange(count) * 2 + 1) * total) // (2 * count)


def _runs(edges: npt.NDArray[np.bool_]) -> list[tuple[int, int, int]]:
    """Return where edges run on along a line: (line, start, length) of each."""
    padded = np.pad(edges, ((0, 0), (1, 1))).astype(np.int8)
    steps = np.diff(padded, axis=1)
    lines, starts = np.nonzero(steps == 1)
    stops = np.nonzero(steps == -1)[1]
    return list(zip(lines.tolist(), starts.tolist(), (stops - starts).tolist(), strict=True))
