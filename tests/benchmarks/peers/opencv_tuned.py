"""A multiprocessing pool with OpenCV; each worker writes tar files of its own.

Fair for the reasons of `pillow_pool`, with the faster library: OpenCV decodes and resizes with SIMD. Its own threads
are off, since two processes fill the two cores better.
"""

from __future__ import annotations

import json
import tarfile
from functools import partial
from io import BytesIO
from multiprocessing import Pool
from pathlib import Path

import cv2
import numpy as np

from tests.benchmarks.job import PNG_LEVEL, PROCESSES, QUALITY, Job, answer
from tests.benchmarks.peers.drawing import draw_box, soft_label

_JPEG = [
    cv2.IMWRITE_JPEG_QUALITY,
    QUALITY,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
]
_PNG = [cv2.IMWRITE_PNG_COMPRESSION, PNG_LEVEL]


def work(job: Job) -> int:
    """Make the set; return the number of samples."""
    paths, labels, classes = job.files()
    with Pool(PROCESSES, cv2.setNumThreads, (1,)) as pool:
        return sum(pool.imap_unordered(partial(make_shard, job, paths, labels, classes), job.parts(len(paths))))


def make_shard(
    job: Job, paths: list[str], labels: list[int], classes: int, part: tuple[int, list[tuple[int, bool]]]
) -> int:
    """Make and write one shard."""
    number, bases = part
    rng = np.random.default_rng(number)
    with tarfile.open(Path(job.output) / f"{number:06d}.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
        for place, (base, is_mixed) in enumerate(bases):
            image, label = load(job, paths[base]), soft_label(labels[base], labels[base], 1.0, classes)
            if is_mixed:
                donor = int(rng.integers(len(paths)))
                x1, y1, x2, y2 = draw_box(rng, job.size, job.size)
                image[y1:y2, x1:x2] = load(job, paths[donor])[y1:y2, x1:x2]
                share = 1.0 - (x2 - x1) * (y2 - y1) / job.size**2
                label = soft_label(labels[base], labels[donor], share, classes)
            key = f"{number:06d}-{place:04d}"
            add(tar, f"{key}.{job.extension}", encode(job, image))
            add(tar, f"{key}.json", json.dumps({"label": labels[base], "soft_label": label}).encode())
    return len(bases)


def load(job: Job, path: str) -> np.ndarray:
    """Decode an image, cut its centre out and resize it."""
    image = cv2.imread(path, cv2.IMREAD_COLOR if job.image_format == "jpeg" else cv2.IMREAD_GRAYSCALE)
    height, width = image.shape[:2]
    if height == width == job.size:
        return image
    side = min(height, width)
    y, x = (height - side) // 2, (width - side) // 2
    square = image[y : y + side, x : x + side]
    return cv2.resize(square, (job.size, job.size), interpolation=cv2.INTER_AREA)


def encode(job: Job, image: np.ndarray) -> bytes:
    """Return an image file."""
    options = _JPEG if job.image_format == "jpeg" else _PNG
    return cv2.imencode(f".{job.extension}", image, options)[1].tobytes()


def add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """Add a member to a tar file."""
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, BytesIO(data))


if __name__ == "__main__":
    answer(work)
