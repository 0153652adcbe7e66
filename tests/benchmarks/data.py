"""Photo-like data that is the same everywhere: crops of the public pictures in scikit-image and scikit-learn.

A data set has some thousand distinct files. A folder of any number of images is made of hard links to them: it costs no
disk, and reads and decodes like any other folder whose files are in the page cache.
"""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

CLASSES = 10
_FASHION = Path("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz")
"""Of Debian's package dataset-fashion-mnist (Xiao et al. 2017)."""

_GRAIN = 3.0
"""Standard deviation of a camera's noise, in steps of 255: resized pictures have less of it than photos."""

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class DataSet:
    """A kind of images."""

    name: str
    distinct: int
    """How many different files there are."""
    extension: str
    draw: Callable[[np.random.Generator], Image.Image]
    """Make one image."""

    def folder(self, data: Path, images: int) -> Path:
        """Return a folder of so many images in ten classes below a cache folder; it is made where it is missing."""
        folder = data / f"{self.name}-{images}"
        if not folder.is_dir():
            building = folder.with_name(f".{folder.name}-{os.getpid()}")
            _link(self._files(data), building, images)
            building.rename(folder)
        return folder

    def _files(self, data: Path) -> list[Path]:
        folder = data / f"{self.name}-files"
        if not folder.is_dir():
            building = folder.with_name(f".{folder.name}-{os.getpid()}")
            building.mkdir(parents=True)
            with ProcessPoolExecutor() as pool:
                list(pool.map(self._write, range(self.distinct), [building] * self.distinct, chunksize=50))
            building.rename(folder)
        return sorted(folder.iterdir())

    def _write(self, number: int, folder: Path) -> None:
        rng = np.random.default_rng([number, *self.name.encode()])
        self.draw(rng).save(folder / f"{number:05d}.{self.extension}", quality=90)


def _link(files: list[Path], folder: Path, images: int) -> None:
    for label in range(CLASSES):
        (folder / f"class-{label}").mkdir(parents=True)
    for number in range(images):
        file = files[number % len(files)]
        os.link(file, folder / f"class-{number % CLASSES}" / f"{number:07d}{file.suffix}")


def free(data: Path) -> None:
    """Delete everything that was laid out in a cache folder."""
    shutil.rmtree(data, ignore_errors=True)


def photo(rng: np.random.Generator) -> Image.Image:
    """Return a crop of about 500 x 375, upright now and then, as ImageNet's images mostly are."""
    sides = [int(500 + rng.integers(-20, 21)), int(375 + rng.integers(-40, 41))]
    return _crop(rng, *(sides[::-1] if rng.random() < 0.25 else sides))


def mixed(rng: np.random.Generator) -> Image.Image:
    """Return a crop of any size from 300 x 200 to 1600 x 1200."""
    width = int(np.exp(rng.uniform(np.log(300), np.log(1600))))
    return _crop(rng, width, max(200, int(width * rng.uniform(0.6, 0.75))))


def tiny(rng: np.random.Generator) -> Image.Image:
    """Return a 32 px image, like CIFAR's."""
    side = int(rng.integers(64, 257))
    return _crop(rng, side, side).resize((32, 32), Image.Resampling.LANCZOS)


def fashion(rng: np.random.Generator) -> Image.Image:
    """Return a 28 px grayscale image of Fashion-MNIST; where it is not installed, a blob that compresses alike."""
    images = _fashion_images()
    if len(images):
        return Image.fromarray(images[rng.integers(len(images))])
    crop = _crop(rng, 112, 112).convert("L").resize((28, 28), Image.Resampling.LANCZOS)
    y, x = np.mgrid[-1:1:28j, -1:1:28j]
    inside = (x / rng.uniform(0.5, 0.9)) ** 4 + (y / rng.uniform(0.5, 0.9)) ** 4 < 1
    return Image.fromarray(np.asarray(crop) * inside.astype(np.uint8))


def _crop(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """Return a crop at a scale near the picture's own; a small picture goes on as its mirror image."""
    pictures = _pictures()
    picture = pictures[rng.integers(len(pictures))]
    scale = rng.uniform(0.8, 1.3)
    window = Image.fromarray(_window(rng, picture, int(width / scale), int(height / scale)))
    pixels = np.asarray(window.resize((width, height), Image.Resampling.BICUBIC))
    grain = rng.normal(0, _GRAIN, (height, width, 1))
    return Image.fromarray((pixels + grain).round().clip(0, 255).astype(np.uint8))


def _window(rng: np.random.Generator, picture: Pixels, width: int, height: int) -> Pixels:
    rows, columns = (
        _mirrored(rng.integers(2 * side) + np.arange(length), side)
        for side, length in zip(picture.shape, (height, width), strict=False)
    )
    return np.ascontiguousarray(picture[rows[:, None], columns])


def _mirrored(positions: npt.NDArray[Any], side: int) -> npt.NDArray[Any]:
    """Return positions on an endless strip of a picture and its mirror image as positions in the picture."""
    there = positions % (2 * side)
    return np.where(there < side, there, 2 * side - 1 - there)


@cache
def _pictures() -> list[Pixels]:
    from skimage import data  # noqa: PLC0415  only where data is laid out
    from sklearn.datasets import load_sample_images  # noqa: PLC0415  only where data is laid out

    names = ("astronaut", "chelsea", "coffee", "hubble_deep_field", "immunohistochemistry", "retina", "rocket")
    return [getattr(data, name)() for name in names] + [data.stereo_motorcycle()[0], *load_sample_images().images]


@cache
def _fashion_images() -> Pixels:
    if not _FASHION.is_file():
        return np.empty((0, 28, 28), np.uint8)
    content = gzip.decompress(_FASHION.read_bytes())
    return np.frombuffer(content, np.uint8, offset=16).reshape(-1, 28, 28)


PHOTOS = DataSet("photos", 2000, "jpg", photo)
MIXED = DataSet("mixed", 1000, "jpg", mixed)
TINY = DataSet("tiny", 4000, "jpg", tiny)
FASHION = DataSet("fashion", 4000, "png", fashion)
