"""Lay out Fashion-MNIST as an image folder: OUT/ankle-boot/00000.png, one PNG an image, one folder a class.

The four idx files come with Debian's package `dataset-fashion-mnist` (`apt install dataset-fashion-mnist`), or from
https://github.com/zalandoresearch/fashion-mnist; a file's number is its image's place in the idx file.

    python samples/fashion_mnist.py OUT                  # all 60,000 training images
    python samples/fashion_mnist.py OUT --per-class 20   # the first 20 of each class
"""

import argparse
import gzip
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle-boot")
FILES = {"train": "train-{}-ubyte.gz", "test": "t10k-{}-ubyte.gz"}


def main() -> None:
    """Read the options and lay the images out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT", help="the image folder to make")
    parser.add_argument(
        "--source",
        type=Path,
        default=Path("/usr/share/datasets/fashion-mnist"),
        metavar="DIR",
        help="folder of the idx files [%(default)s]",
    )
    parser.add_argument("--split", choices=FILES, default="train", help="[%(default)s]")
    parser.add_argument("--per-class", type=int, metavar="N", help="stop after N images of a class [all]")
    options = parser.parse_args()

    files = [options.source / FILES[options.split].format(kind) for kind in ("images-idx3", "labels-idx1")]
    for file in files:
        if not file.is_file():
            parser.error(f"there is no {file}: install Debian's dataset-fashion-mnist, or say --source DIR")
    images, labels = (read_idx(file) for file in files)
    count = lay_out(options.out, images, labels, options.per_class)
    print(f"{count:,} images in {len(CLASSES)} classes under {options.out}")


def read_idx(path: Path) -> np.ndarray:
    """Read a gzipped idx file of bytes.

    Its header is two zero bytes, the type (8: uint8), the number of dimensions, and each one's length as a big-endian
    int32.
    """
    data = gzip.decompress(path.read_bytes())
    if data[:3] != b"\0\0\x08":
        raise SystemExit(f"{path} is no idx file of bytes: it begins with {data[:4].hex()}")
    dimensions = data[3]
    shape = np.frombuffer(data, ">i4", dimensions, offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def lay_out(out: Path, images: np.ndarray, labels: np.ndarray, per_class: int | None) -> int:
    """Write (N, 28, 28) uint8 images into the folders of their classes; return how many were written."""
    count = 0
    for label, name in enumerate(CLASSES):
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        for index in np.flatnonzero(labels == label)[:per_class]:
            Image.fromarray(images[index]).save(folder / f"{index:05d}.png")
            count += 1
    return count


if __name__ == "__main__":
    main()
