"""Patches: both images are cut into a grid, and each cell of the mixed image comes from one or the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np

from cutmix_gen.mixing.lam import LamLaw
from cutmix_gen.mixing.masks import Patch, PatchMask
from cutmix_gen.mixing.strategies.base import Strategy, check, cut
from cutmix_gen.shapes import Box, Size


class PatchesParams(NamedTuple):
    """The draw for one sample."""

    lam: float
    """Share of the cells that the base is meant to keep."""
    cells: list[int]
    """The grid's cells, numbered row by row, in the order in which the donor takes them."""
    places: list[int]
    """The donor's cells in the order in which they are used; empty where each stays in its place."""


@dataclass(frozen=True, slots=True)
class Patches(Strategy):
    """A grid of cells, of which the donor takes round(grid^2 (1 - lam)), at least one and never all.

    The general form of the method: cut both images into several patches, choose at random which patch comes from
    which image. An image with fewer columns or rows than the grid gets a grid of as many cells as it can hold.
    """

    name: ClassVar[str] = "patches"
    reference: ClassVar[str] = "the general form of CutMix: several patches chosen at random from both images"
    params: ClassVar[type[Any]] = PatchesParams

    grid: int = field(default=4, metadata={"help": "cells along each side, 2 to 32"})
    shuffle: bool = field(default=False, metadata={"help": "cut the donor's cells from other places of it"})

    def __post_init__(self) -> None:
        check(2 <= self.grid <= 32, self.name, "grid", "a whole number from 2 to 32", self.grid)

    def draw(self, rng: np.random.Generator, n: int, law: LamLaw) -> list[PatchesParams]:
        """Draw lam from the law, and an order of the cells without replacement."""
        lam = law.draw(rng, n)
        cells = rng.random((n, self.grid**2)).argsort(axis=1)
        places = rng.random((n, self.grid**2)).argsort(axis=1) if self.shuffle else np.empty((n, 0), int)
        return list(map(PatchesParams, lam.tolist(), cells.tolist(), places.tolist()))

    def realise(self, params: PatchesParams, size: Size) -> PatchMask:
        """Return the mask with a patch for each cell that the donor takes."""
        columns, rows = min(self.grid, size.width), min(self.grid, size.height)
        total = columns * rows
        taken = min(max(round(total * (1.0 - params.lam)), 1), total - 1)
        cells = [cell for cell in params.cells if cell < total][:taken]
        places = [place for place in params.places if place < total][:taken] or cells
        xs, ys = cut(size.width, columns), cut(size.height, rows)
        patches = []
        for cell, place in zip(cells, places, strict=True):
            row, column = divmod(cell, columns)
            box = Box(xs[column], ys[row], xs[column + 1], ys[row + 1])
            # Cells differ by a pixel where the side is no multiple of the grid; the last is among the largest, so
            # that a cell cut from another's place stays inside the donor.
            from_row, from_column = divmod(place, columns)
            patches.append(Patch(1, box, xs[from_column], ys[from_row]))
        return PatchMask(size, 2, tuple(patches))

    def fallback(self) -> PatchesParams:
        """Return every cell in its order, half of them the donor's."""
        cells = list(range(self.grid**2))
        return PatchesParams(0.5, cells, cells if self.shuffle else [])
