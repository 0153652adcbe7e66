"""GridMix: holes on a regular lattice show the donor."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple

import numpy as np

from cutmix_gen.mixing.lam import LamLaw
from cutmix_gen.mixing.masks import Patch, PatchMask
from cutmix_gen.mixing.strategies.base import Strategy, check, cut
from cutmix_gen.shapes import Box, Size


class GridMixParams(NamedTuple):
    """The draw for one sample."""

    lam: float
    """Share that the base is meant to keep."""
    x: float
    """Where the hole lies in its cell, in [0, 1) of the room there is; the same for all cells."""
    y: float
    """The same for the height."""


@dataclass(frozen=True, slots=True)
class GridMix(Strategy):
    """n x n cells, and in each a hole of side cell * sqrt(1 - lam) that shows the donor.

    A lattice is never so fine that a cell would have fewer than two pixels a side, where the image has them.
    """

    name: ClassVar[str] = "gridmix"
    reference: ClassVar[str] = "the GridMix family: a regular lattice of holes, one law for all cells"
    params: ClassVar[type[Any]] = GridMixParams

    grid: int = field(default=8, metadata={"help": "cells along each side, 1 to 64"})

    def __post_init__(self) -> None:
        check(1 <= self.grid <= 64, self.name, "grid", "a whole number from 1 to 64", self.grid)

    def draw(self, rng: np.random.Generator, n: int, law: LamLaw) -> list[GridMixParams]:
        """Draw lam from the law, and the place in the cell uniformly."""
        lam = law.draw(rng, n)
        return list(map(GridMixParams, lam.tolist(), *rng.random((2, n)).tolist()))

    def realise(self, params: GridMixParams, size: Size) -> PatchMask:
        """Return the mask with a hole in each cell."""
        side = math.sqrt(1.0 - params.lam)
        columns = self._holes(size.width, side, params.x)
        rows = self._holes(size.height, side, params.y)
        boxes = [Box(x1, y1, x2, y2) for y1, y2 in rows for x1, x2 in columns]
        return PatchMask(size, 2, tuple(Patch(1, box, box.x1, box.y1) for box in boxes))

    def fallback(self) -> GridMixParams:
        """Return holes of half their cell."""
        return GridMixParams(0.5, 0.5, 0.5)

    def _holes(self, length: int, side: float, place: float) -> list[tuple[int, int]]:
        """Return the holes along one side of the image, those without a pixel left out."""
        edges = cut(length, max(1, min(self.grid, length // 2)))
        holes = []
        for low, high in pairwise(edges):
            hole = round((high - low) * side) if high - low > 1 else 1
            start = low + int(place * (high - low - hole + 1))
            if hole:
                holes.append((start, start + hole))
        return holes
