"""Cut samples/photos from public-domain pictures of scikit-image (`pip install scikit-image`); see LICENSES.md.

Each picture is a class. Its images are crops by seed that all hold the subject and differ in place, scale, shape and
size. The same versions of scikit-image and Pillow make the same bytes.

    python samples/make_photos.py samples/photos
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

PICTURES = {
    "astronaut": (data.astronaut, (170, 60, 280, 200)),
    "cat": (data.chelsea, (130, 80, 320, 220)),
    "coffee": (data.coffee, (200, 100, 400, 260)),
    "galaxies": (data.hubble_deep_field, None),
    "retina": (data.retina, None),
    "rocket": (data.rocket, (290, 110, 350, 290)),
}
"""For each class its picture, and the box (x1, y1, x2, y2) of the subject; None where any part will do."""

PER_CLASS = 8
SIDE = (200, 440)
"""Shortest and longest side of an image, in pixels."""
MAX_OVERLAP = 0.6
"""Largest intersection over union of two crops of a class."""


def main() -> None:
    """Read the option and write the images."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT", help="the image folder to make")
    out = parser.parse_args().out
    for number, (name, (picture, subject)) in enumerate(PICTURES.items()):
        rng = np.random.default_rng([2019, number])
        image = Image.fromarray(picture())
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        for place, box in enumerate(crops(rng, image.size, subject), 1):
            cut = resized(rng, image.crop(box))
            cut.save(folder / f"{name}-{place:02d}.jpg", quality=85)


def crops(rng: np.random.Generator, size: tuple[int, int], subject: tuple[int, ...] | None) -> list[tuple[int, ...]]:
    """Draw boxes in a picture of a size (width, height) that hold the subject and are no near-copies of each other."""
    boxes: list[tuple[int, ...]] = []
    while len(boxes) < PER_CLASS:
        scale, aspect = rng.uniform(0.05, 0.9), np.exp(rng.uniform(-0.5, 0.5))
        width, height = np.sqrt(scale * size[0] * size[1] * np.array([aspect, 1 / aspect])).astype(int).tolist()
        if width >= size[0] or height >= size[1] or min(width, height) < SIDE[0] * 0.8:
            continue
        x, y = int(rng.integers(size[0] - width)), int(rng.integers(size[1] - height))
        box = (x, y, x + width, y + height)
        holds = subject is None or intersection(box, subject) == area(subject)
        if holds and all(overlap(box, other) <= MAX_OVERLAP for other in boxes):
            boxes.append(box)
    return boxes


def resized(rng: np.random.Generator, image: Image.Image) -> Image.Image:
    """Bring the shorter side to 200 pixels or more and the longer one to at most 440, never square."""
    low, high = SIDE[0] / min(image.size), SIDE[1] / max(image.size)
    factor = rng.uniform(low, max(low, min(high, 1.25)))
    width, height = (round(side * factor) for side in image.size)
    return image.resize((width + (width == height), height), Image.Resampling.LANCZOS)


def overlap(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    """Return the intersection over union of two boxes."""
    common = intersection(a, b)
    return common / (area(a) + area(b) - common)


def intersection(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    """Return the number of pixels two boxes share."""
    return area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))


def area(box: tuple[int, ...]) -> int:
    """Return the number of pixels in a box (x1, y1, x2, y2), half open."""
    return max(box[2] - box[0], 0) * max(box[3] - box[1], 0)


if __name__ == "__main__":
    main()
