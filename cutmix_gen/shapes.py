"""Sizes, boxes, pixels and views: the small values that every room speaks of."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
"""An image: (H, W, 3) uint8 for RGB, (H, W) uint8 for L, (H, W) uint16 for I;16."""


class Size(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int

    @property
    def area(self) -> int:
        """Number of pixels."""
        return self.width * self.height

    def __str__(self) -> str:
        return f"{self.width} x {self.height}"


class Box(NamedTuple):
    """A rectangle of pixels, half open: columns x1 to x2 - 1, rows y1 to y2 - 1."""

    x1: int
    y1: int
    x2: int
    y2: int

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.x2 - self.x1

    @property
    def height(self) -> int:
        """Number of rows."""
        return self.y2 - self.y1

    @property
    def area(self) -> int:
        """Number of pixels."""
        return (self.x2 - self.x1) * (self.y2 - self.y1)

    def as_list(self) -> list[int]:
        """Return [x1, y1, x2, y2], the order in which a box is written to files."""
        return list(self)


NO_BOX = Box(0, 0, 0, 0)
"""The box of a donor that owns no pixel."""


@dataclass(frozen=True)  # without slots, for the cached text
class View:
    """How a source image became one side of a sample: the part that is used, and whether it was mirrored."""

    crop: Box
    """In pixels of the upright source at its full size."""
    place: Box
    """Where it lies in its frame; what is outside is padding."""
    flip: bool

    @cached_property
    def json(self) -> str:
        """The view as a recipe has it; many samples share one."""
        crop, place, flip = self.crop.as_list(), self.place.as_list(), self.flip
        return json.dumps({"crop": crop, "place": place, "flip": flip}, separators=(",", ":"))
