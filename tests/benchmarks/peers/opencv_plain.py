"""A multiprocessing pool with OpenCV: workers make samples, the main process writes them to tar files."""

from __future__ import annotations

import cv2
import numpy as np

from tests.benchmarks.job import PNG_LEVEL, QUALITY, Job, answer
from tests.benchmarks.peers.drawing import draw_box, soft_label
from tests.benchmarks.peers.pool import Sample, Sources, in_pool

_JPEG = [cv2.IMWRITE_JPEG_QUALITY, QUALITY, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]


def make_sample(sources: Sources, number: int, base: int, is_mixed: bool) -> Sample:
    """Open one image or two, mix them and encode the result."""
    job = sources.job
    image, label = (
        load(job, sources.paths[base]),
        soft_label(sources.labels[base], sources.labels[base], 1.0, sources.classes),
    )
    if is_mixed:
        rng = np.random.default_rng(number)
        donor = int(rng.integers(len(sources.paths)))
        x1, y1, x2, y2 = draw_box(rng, job.size, job.size)
        image[y1:y2, x1:x2] = load(job, sources.paths[donor])[y1:y2, x1:x2]
        share = 1.0 - (x2 - x1) * (y2 - y1) / job.size**2
        label = soft_label(sources.labels[base], sources.labels[donor], share, sources.classes)
    options = _JPEG if job.image_format == "jpeg" else [cv2.IMWRITE_PNG_COMPRESSION, PNG_LEVEL]
    return Sample(number, cv2.imencode(f".{job.extension}", image, options)[1].tobytes(), label)


def load(job: Job, path: str) -> np.ndarray:
    """Open an image and bring it to the size."""
    image = cv2.imread(path, cv2.IMREAD_COLOR if job.image_format == "jpeg" else cv2.IMREAD_GRAYSCALE)
    height, width = image.shape[:2]
    side = min(height, width)
    y, x = (height - side) // 2, (width - side) // 2
    square = image[y : y + side, x : x + side]
    return cv2.resize(square, (job.size, job.size), interpolation=cv2.INTER_AREA)


if __name__ == "__main__":
    answer(in_pool(make_sample, cv2.setNumThreads, (1,)))
