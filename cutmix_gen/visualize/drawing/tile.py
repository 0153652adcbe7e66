"""One sample as it is shown: its picture at the size of the sheet, who owns what of it, and what is written below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from cutmix_gen.mixing.ownership import Owners
from cutmix_gen.shapes import Pixels, Size
from cutmix_gen.visualize.drawing.colours import class_colour

CELL = 224
"""Pixels of a side of a square sample on a sheet: what most models see."""
_LARGEST_STRETCH = 2.0
"""Times the cell that the longer side of a wide or tall image may take."""


class Share(NamedTuple):
    """A line of a caption: a class and what it has of the sample."""

    name: str
    label: int
    """Number of the class, which gives the colour."""
    weight: float


@dataclass(frozen=True, slots=True)
class Tile:
    """A sample, ready for a sheet. Made by `make_tile`."""

    pixels: Pixels
    """At the size at which it is shown."""
    owners: Owners | None
    """Of the same size; None where there is nothing to outline."""
    labels: tuple[int, ...]
    """Class of each source: it gives the colour of an outline."""
    shares: tuple[Share, ...]
    title: str = ""
    """Above the picture."""
    note: str = ""
    """Below the caption, small."""

    @property
    def size(self) -> Size:
        """Of the picture on the sheet."""
        return Size(self.pixels.shape[1], self.pixels.shape[0])


class Sources(NamedTuple):
    """The sources of a sample, base first."""

    labels: Sequence[int]
    weights: Sequence[float]
    owners: Owners | None = None


def make_tile(pixels: Pixels, sources: Sources, classes: Sequence[str], cell: int = CELL) -> Tile:
    """Return a sample as it is shown; `replace(tile, title=..., note=...)` gives it words.

    Parameters
    ----------
    pixels : (H, W[, C]) ndarray
        In any mode of a set.
    sources : Sources
        Without the padding of a label row. `ownership.owner_map` makes `owners`.
    classes : sequence of str
    cell : int
        Pixels of a side, if the image is square: a larger one is shrunk, antialiased, a smaller one enlarged by a
        whole number, its pixels left as they are.
    """
    return tile_at(shown_size(Size(pixels.shape[1], pixels.shape[0]), cell), pixels, sources, classes)


def tile_at(size: Size, pixels: Pixels, sources: Sources, classes: Sequence[str]) -> Tile:
    """Return a sample as it is shown at some size; see `make_tile`."""
    owners = sources.owners
    return Tile(
        _resized(pixels, size),
        None if owners is None else _nearest(owners, size),
        tuple(sources.labels),
        _shares(sources, classes),
    )


def shown_size(size: Size, cell: int) -> Size:
    """Return at what size an image is shown in cells of some size.

    >>> shown_size(Size(28, 28), 224)
    Size(width=224, height=224)
    >>> shown_size(Size(4000, 3000), 224)
    Size(width=259, height=194)
    """
    scale = min(cell / size.area**0.5, _LARGEST_STRETCH * cell / max(size))
    if scale >= 1:
        scale = int(scale)
    return Size(max(round(size.width * scale), 1), max(round(size.height * scale), 1))


def outlined(tile: Tile, brightest: int = 65535) -> Image.Image:
    """Return the picture of a tile with the pixels of each donor outlined in the colour of its class.

    Parameters
    ----------
    tile : Tile
    brightest : int
        The value that is white in a 16-bit image.
    """
    picture = np.array(as_rgb(tile.pixels, brightest))
    if tile.owners is not None:
        own = np.pad(tile.owners, 1)
        edge = _edge(own)
        # A white line beside the coloured one: on a dark image one of them is seen, and on a bright one the other.
        picture[_grown(edge)[1:-1, 1:-1]] = 255
        for source in range(1, len(tile.labels)):
            line = _grown(edge & (own == source)) & (own == source)
            picture[line[1:-1, 1:-1]] = class_colour(tile.labels[source])
    return Image.fromarray(picture)


def _edge(own: Owners) -> npt.NDArray[np.bool_]:
    """Return the pixels of donors that lie beside another owner's, or at the edge of the picture."""
    edge = np.zeros(own.shape, np.bool_)
    down, right = own[1:] != own[:-1], own[:, 1:] != own[:, :-1]
    edge[1:] |= down
    edge[:-1] |= down
    edge[:, 1:] |= right
    edge[:, :-1] |= right
    return edge & (own > 0)


def _grown(area: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    grown = area.copy()
    grown[1:] |= area[:-1]
    grown[:-1] |= area[1:]
    grown[:, 1:] |= area[:, :-1]
    grown[:, :-1] |= area[:, 1:]
    return grown


def _shares(sources: Sources, classes: Sequence[str]) -> tuple[Share, ...]:
    """Return a share for each class that has one, the base's first: two sources of one class have one together."""
    weight_of: dict[int, float] = {}
    for label, weight in zip(sources.labels, sources.weights, strict=True):
        weight_of[label] = weight_of.get(label, 0.0) + weight
    return tuple(Share(classes[label], label, weight) for label, weight in weight_of.items() if weight > 0)


def _resized(pixels: Pixels, size: Size) -> Pixels:
    if size.width >= pixels.shape[1]:
        larger: Pixels = _nearest(pixels, size)
        return larger
    picture = Image.fromarray(pixels)
    smaller: Pixels = np.asarray(picture.resize(size, Image.Resampling.LANCZOS))
    return smaller


def _nearest(pixels: npt.NDArray[Any], size: Size) -> npt.NDArray[Any]:
    """Return an array at another size: of a size that is a multiple each pixel becomes a square."""
    rows = (np.arange(size.height) * 2 + 1) * pixels.shape[0] // (2 * size.height)
    columns = (np.arange(size.width) * 2 + 1) * pixels.shape[1] // (2 * size.width)
    shown: npt.NDArray[Any] = pixels[rows[:, None], columns]
    return shown


def as_rgb(pixels: Pixels, brightest: int = 65535) -> Image.Image:
    """Return pixels of any of a set's modes as something to look at: 8-bit RGB.

    Parameters
    ----------
    pixels : (H, W[, C]) ndarray
    brightest : int
        The value that is white in a 16-bit image.
    """
    if pixels.dtype == np.uint16:
        pixels = (pixels.astype(np.float32) * (255 / max(brightest, 1))).round().clip(0, 255).astype(np.uint8)
    return Image.fromarray(pixels).convert("RGB")
