"""A multiprocessing pool with Pillow; each worker writes Parquet files of its own.

Fair because it does no more than it has to: no image crosses a process boundary, a worker draws all its randomness from
one generator, the images are stored uncompressed, and `ImageOps.fit` crops and resizes in one step in C.
"""

from __future__ import annotations

from functools import partial
from io import BytesIO
from multiprocessing import Pool
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageOps

from tests.benchmarks.job import PNG_LEVEL, PROCESSES, QUALITY, Job, answer
from tests.benchmarks.peers.drawing import draw_box, soft_label


def work(job: Job) -> int:
    """Make the set; return the number of samples."""
    paths, labels, classes = job.files()
    with Pool(PROCESSES) as pool:
        return sum(pool.imap_unordered(partial(make_shard, job, paths, labels, classes), job.parts(len(paths))))


def make_shard(
    job: Job, paths: list[str], labels: list[int], classes: int, part: tuple[int, list[tuple[int, bool]]]
) -> int:
    """Make and write one shard."""
    number, bases = part
    rng = np.random.default_rng(number)
    rows = []
    for base, is_mixed in bases:
        image, label = load(job, paths[base]), soft_label(labels[base], labels[base], 1.0, classes)
        if is_mixed:
            donor = int(rng.integers(len(paths)))
            x1, y1, x2, y2 = draw_box(rng, *image.size)
            image.paste(load(job, paths[donor]).crop((x1, y1, x2, y2)), (x1, y1))
            share = 1.0 - (x2 - x1) * (y2 - y1) / (image.width * image.height)
            label = soft_label(labels[base], labels[donor], share, classes)
        rows.append({"image": encode(job, image), "label": labels[base], "soft_label": label})
    pq.write_table(pa.Table.from_pylist(rows), Path(job.output) / f"{number:06d}.parquet", compression="none")
    return len(rows)


def load(job: Job, path: str) -> Image.Image:
    """Decode an image, cut its centre out and resize it."""
    with Image.open(path) as image:
        upright = image.convert("RGB" if job.image_format == "jpeg" else "L")
    if upright.size == (job.size, job.size):
        return upright
    return ImageOps.fit(upright, (job.size, job.size), Image.Resampling.BILINEAR)


def encode(job: Job, image: Image.Image) -> bytes:
    """Return an image file."""
    buffer = BytesIO()
    if job.image_format == "jpeg":
        image.save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    else:
        image.save(buffer, "PNG", compress_level=PNG_LEVEL)
    return buffer.getvalue()


if __name__ == "__main__":
    answer(work)
