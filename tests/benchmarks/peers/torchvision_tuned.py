"""torchvision's ImageFolder and v2.CutMix in a DataLoader, written with webdataset's ShardWriter.

Fair because the DataLoader's two workers do everything but the writing: they decode, resize, mix a batch with one box
(which is how v2.CutMix works, and cheaper than a box a sample) and encode it; the main process only writes bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import Any

import torch
from PIL import Image
from torch.utils.data import DataLoader, default_collate
from webdataset import ShardWriter

from tests.benchmarks.job import PNG_LEVEL, PROCESSES, QUALITY, SHARD, Job, answer
from tests.benchmarks.peers.torchvision_import import import_torchvision

import_torchvision()
from torchvision.datasets import ImageFolder  # noqa: E402  after the import that may need help
from torchvision.transforms import v2  # noqa: E402  after the import that may need help

_BATCH = 64


def work(job: Job) -> int:
    """Make the set; return the number of samples."""
    mode = "RGB" if job.image_format == "jpeg" else "L"
    dataset = ImageFolder(
        job.source,
        transform=v2.Compose([v2.PILToTensor(), v2.Resize(job.size, antialias=True), v2.CenterCrop(job.size)]),
        loader=partial(_open, mode),
    )
    cutmix = v2.CutMix(num_classes=len(dataset.classes))
    samples = 0
    with ShardWriter(f"{job.output}/%06d.tar", maxcount=SHARD, verbose=0) as writer:
        for copy in range(not job.originals, job.copies + 1):
            collate = partial(_make_batch, job, cutmix if copy else partial(_one_hot, len(dataset.classes)))
            loader = DataLoader(dataset, _BATCH, shuffle=True, num_workers=PROCESSES, collate_fn=collate)
            for batch in loader:
                for image, label in batch:
                    hard = max(range(len(label)), key=label.__getitem__)
                    writer.write(
                        {
                            "__key__": f"{samples:09d}",
                            job.extension: image,
                            "cls": hard,
                            "json": {"soft_label": label},
                        }
                    )
                    samples += 1
    return samples


def _open(mode: str, path: str) -> Image.Image:
    with Image.open(path) as image:
        return image.convert(mode)


def _one_hot(classes: int, images: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return images, torch.nn.functional.one_hot(labels, classes).float()


def _make_batch(job: Job, mix: Callable[..., Any], batch: list[Any]) -> list[tuple[bytes, list[float]]]:
    """Mix a batch and encode it, in a worker."""
    images, labels = mix(*default_collate(batch))
    pixels = images.permute(0, 2, 3, 1).numpy()
    return [(encode(job, image), label) for image, label in zip(pixels, labels.tolist(), strict=True)]


def encode(job: Job, pixels: Any) -> bytes:
    """Return an image file."""
    buffer = BytesIO()
    if job.image_format == "jpeg":
        Image.fromarray(pixels).save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    else:
        Image.fromarray(pixels[:, :, 0]).save(buffer, "PNG", compress_level=PNG_LEVEL)
    return buffer.getvalue()


if __name__ == "__main__":
    answer(work)
