"""A multiprocessing pool with Pillow: workers make samples, the main process writes them to tar files."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image, ImageOps

from tests.benchmarks.job import PNG_LEVEL, QUALITY, Job, answer
from tests.benchmarks.peers.drawing import draw_box, soft_label
from tests.benchmarks.peers.pool import Sample, Sources, in_pool


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
        x1, y1, x2, y2 = draw_box(rng, *image.size)
        image.paste(load(job, sources.paths[donor]).crop((x1, y1, x2, y2)), (x1, y1))
        share = 1.0 - (x2 - x1) * (y2 - y1) / (image.width * image.height)
        label = soft_label(sources.labels[base], sources.labels[donor], share, sources.classes)
    return Sample(number, encode(job, image), label)


def load(job: Job, path: str) -> Image.Image:
    """Open an image and bring it to the size."""
    image = Image.open(path).convert("RGB" if job.image_format == "jpeg" else "L")
    return ImageOps.fit(image, (job.size, job.size))


def encode(job: Job, image: Image.Image) -> bytes:
    """Return an image file."""
    buffer = BytesIO()
    if job.image_format == "jpeg":
        image.save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    else:
        image.save(buffer, "PNG", compress_level=PNG_LEVEL)
    return buffer.getvalue()


if __name__ == "__main__":
    answer(in_pool(make_sample))
