"""The images of a block, read and decoded, in parts of limited memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from cutmix_gen.dataset.records import Source, Task
from cutmix_gen.dataset.run import Run
from cutmix_gen.generation.draws import DrawKey
from cutmix_gen.mixing.pairing import Bases, Census, Members
from cutmix_gen.mixing.strategies.base import cut
from cutmix_gen.mixing.streams import GUESTS
from cutmix_gen.shapes import Size
from cutmix_gen.sources.images import Images, LoadedImage


@dataclass(frozen=True)  # without slots, for what is worked out once for all copies
class Part:
    """The images of a block that are in memory together and paired with each other."""

    number: int
    start: int
    """Place of the first one in the block."""
    rows: npt.NDArray[np.int64]
    """Of the images in the source index."""
    images: list[LoadedImage]
    """The bases, then guests: donors from elsewhere."""
    bases: int
    is_last: bool

    @cached_property
    def labels(self) -> npt.NDArray[np.int32]:
        """Class of each image."""
        return np.array([image.source.label for image in self.images], np.int32)

    @cached_property
    def sizes(self) -> list[Size | None]:
        """Size of each image; None where it could not be read."""
        return [image.size for image in self.images]

    @cached_property
    def paths(self) -> list[str]:
        """Path of each image in the source folder."""
        return [image.source.path for image in self.images]

    @cached_property
    def usable(self) -> npt.NDArray[np.bool_]:
        """Whether each image could be read."""
        return np.array([size is not None for size in self.sizes])

    def members(self, census: Census, wanted: int) -> Members:
        """Return the images as pairing sees them, of which so many bases are to get a sample."""
        return Members(self.labels, self.usable, self.bases, census, self.rows, wanted)


def parts_of(run: Run, task: Task, images: Images) -> Iterator[Part]:
    """Read the images of a task in their order, and give them in parts.

    Where a part ends follows from the run's plan alone: an image that cannot be read moves no other.
    """
    bases, given = run.rows(task)
    sources = run.sources(bases)
    bounds = part_bounds(len(sources), run.info.part_images)
    for number, (start, stop) in enumerate(pairwise(bounds)):
        rows, read = bases[start:stop], images.load_all(sources[start:stop])
        if given is None:
            key = DrawKey(run.info.number, 0, task.number, number)
            guests = _wanted_guests(run, key, rows, sources[start:stop])
        else:
            guests = given[start:stop]
        if len(guests):
            read = read + _read_guests(run, images, dict(zip(rows.tolist(), read, strict=True)), guests)
            rows = np.concatenate((rows, guests))
        yield Part(number, start, rows, read, stop - start, is_last=stop == len(sources))


def part_bounds(count: int, limit: int) -> list[int]:
    """Return the edges that cut a block of images into parts of nearly equal size.

    No part has much more images than the limit, and none a single one, which could not be paired.

    >>> part_bounds(1000, 400)
    [0, 333, 666, 1000]
    """
    return cut(count, max(1, min(-(-count // limit), count // 2)))


def _wanted_guests(run: Run, key: DrawKey, rows: npt.NDArray[np.int64], sources: list[Source]) -> npt.NDArray[np.int64]:
    """Return the images that are wanted as donors beside the bases of a part."""
    labels = np.array([source.label for source in sources], np.int32)
    bases = Bases(rows, labels, run.census, run.plan.num_copies)
    return run.config.make_pairing().guests(key.generator(run.config.seed, GUESTS), bases)


def _read_guests(
    run: Run, images: Images, there: dict[int, LoadedImage], guests: npt.NDArray[np.int64]
) -> list[LoadedImage]:
    """Read the images that are wanted as donors; none is read twice."""
    wanted = dict(zip(guests.tolist(), run.sources(guests), strict=True))
    new = [row for row in wanted if row not in there]
    there |= zip(new, images.load_all([wanted[row] for row in new]), strict=True)
    return [there[row] for row in guests.tolist()]
