"""From sizes to rectangles: how an image is fitted to a size, and how far it may be shrunk while it is decoded."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from cutmix_gen.shapes import Box, Size

TRIES = 10
"""Crops that are drawn before a random crop gives up and takes the centre (torchvision's number)."""

Chance = Sequence[Sequence[float]]
"""`TRIES` rows of four uniform numbers in [0, 1): area, aspect, x, y."""


class Fitting(NamedTuple):
    """How an image fills a frame."""

    crop: Box
    """The part that is used, in pixels of the upright image at full size."""
    place: Box
    """Where that part lies in the frame; what is outside is padding."""


class Fit(ABC):
    """A way to bring an image to a size."""

    name: ClassVar[str]
    is_random: ClassVar[bool] = False

    @abstractmethod
    def fit(self, size: Size, frame: Size, chance: Chance) -> Fitting:
        """Return how an image of some size fills a frame.

        Parameters
        ----------
        size : Size
            Of the upright image.
        frame : Size
        chance : Chance
            Only looked at where `is_random`.
        """


class CenterCrop(Fit):
    """The largest centred part that has the frame's shape."""

    name: ClassVar[str] = "center-crop"

    def fit(self, size: Size, frame: Size, chance: Chance) -> Fitting:  # noqa: ARG002
        """Return the fitting, as `Fit.fit` says."""
        if size.width * frame.height > size.height * frame.width:
            width, height = max(1, round(size.height * frame.width / frame.height)), size.height
        else:
            width, height = size.width, max(1, round(size.width * frame.height / frame.width))
        x1, y1 = (size.width - width) // 2, (size.height - height) // 2
        return Fitting(Box(x1, y1, x1 + width, y1 + height), whole(frame))


class Stretch(Fit):
    """The whole image, whatever its shape."""

    name: ClassVar[str] = "stretch"

    def fit(self, size: Size, frame: Size, chance: Chance) -> Fitting:  # noqa: ARG002
        """Return the fitting, as `Fit.fit` says."""
        return Fitting(whole(size), whole(frame))


class Letterbox(Fit):
    """The whole image in its own shape, in the middle, with black bars where it does not reach.

    The bars belong to nobody: a label counts the image pixels that show in the mixed picture and nothing else.
    """

    name: ClassVar[str] = "letterbox"

    def fit(self, size: Size, frame: Size, chance: Chance) -> Fitting:  # noqa: ARG002
        """Return the fitting, as `Fit.fit` says."""
        scale = min(frame.width / size.width, frame.height / size.height)
        width = min(max(1, round(size.width * scale)), frame.width)
        height = min(max(1, round(size.height * scale)), frame.height)
        x1, y1 = (frame.width - width) // 2, (frame.height - height) // 2
        return Fitting(whole(size), Box(x1, y1, x1 + width, y1 + height))


@dataclass(frozen=True, slots=True)
class RandomResizedCrop(Fit):
    """A random part of random area and aspect (Szegedy et al. 2015, as torchvision's `RandomResizedCrop` has it)."""

    name: ClassVar[str] = "random-resized-crop"
    is_random: ClassVar[bool] = True

    scale: tuple[float, float]
    """Bounds of the part's area, as a share of the image's."""
    aspect: tuple[float, float]
    """Bounds of the part's width over its height; drawn uniformly in the logarithm."""

    def fit(self, size: Size, frame: Size, chance: Chance) -> Fitting:
        """Return the fitting, as `Fit.fit` says: the first crop of the tries that lies inside the image."""
        low, high = (math.log(bound) for bound in self.aspect)
        for area_chance, aspect_chance, x, y in chance:
            area = size.area * (self.scale[0] + area_chance * (self.scale[1] - self.scale[0]))
            aspect = math.exp(low + aspect_chance * (high - low))
            width, height = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < width <= size.width and 0 < height <= size.height:
                x1, y1 = int(x * (size.width - width + 1)), int(y * (size.height - height + 1))
                return Fitting(Box(x1, y1, x1 + width, y1 + height), whole(frame))
        nearest = min(max(size.width / size.height, self.aspect[0]), self.aspect[1])
        shape = Size(max(1, round(1000 * nearest)), 1000)
        return Fitting(CenterCrop().fit(size, shape, ()).crop, whole(frame))


FITS: dict[str, type[Fit]] = {fit.name: fit for fit in (CenterCrop, RandomResizedCrop, Stretch, Letterbox)}
"""The ways to fit an image to a size, by name."""


def whole(size: Size) -> Box:
    """Return the box of a whole image."""
    return Box(0, 0, size.width, size.height)


def reduction(fitting: Fitting) -> int:
    """Return by what power of two a decoder may shrink an image before its crop is resized.

    JPEG decoders can leave out high frequencies (1/2, 1/4, 1/8) far faster than they decode in full. The
    shrunken crop stays at least twice as large as its place both ways, so that the antialiased resize that follows
    decides what the result looks like.

    Returns
    -------
    int
        1, 2, 4 or 8.
    """
    crop, place = fitting.crop, fitting.place
    for factor in (8, 4, 2):
        if crop.width >= 2 * factor * place.width and crop.height >= 2 * factor * place.height:
            return factor
    return 1
