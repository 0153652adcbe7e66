"""torchvision as its documentation has it: a DataLoader, v2.CutMix on each batch that comes out, a ShardWriter.

The two workers of the DataLoader decode and resize; the main process mixes, encodes with Pillow and writes.
"""

from __future__ import annotations

import torch
from torch.utils.data import DataLoader
from webdataset import ShardWriter

from tests.benchmarks.job import PROCESSES, SHARD, Job, answer
from tests.benchmarks.peers.torchvision_import import import_torchvision
from tests.benchmarks.peers.torchvision_tuned import encode

import_torchvision()
from torchvision.datasets import ImageFolder  # noqa: E402  after the import that may need help
from torchvision.transforms import v2  # noqa: E402  after the import that may need help

_BATCH = 64


def work(job: Job) -> int:
    """Make the set; return the number of samples."""
    gray = [] if job.image_format == "jpeg" else [v2.Grayscale()]
    shape = v2.Compose([v2.PILToTensor(), *gray, v2.Resize(job.size, antialias=True), v2.CenterCrop(job.size)])
    dataset = ImageFolder(job.source, transform=shape)
    cutmix, samples = v2.CutMix(num_classes=len(dataset.classes)), 0
    with ShardWriter(f"{job.output}/%06d.tar", maxcount=SHARD, verbose=0) as writer:
        for copy in range(not job.originals, job.copies + 1):
            for images, labels in DataLoader(dataset, _BATCH, shuffle=True, num_workers=PROCESSES):
                soft_labels = torch.nn.functional.one_hot(labels, len(dataset.classes)).float()
                if copy:
                    images, soft_labels = cutmix(images, labels)  # noqa: PLW2901  as the documentation has it
                for image, soft_label in zip(images.permute(0, 2, 3, 1).numpy(), soft_labels, strict=True):
                    writer.write(
                        {
                            "__key__": f"{samples:09d}",
                            job.extension: encode(job, image),
                            "cls": int(soft_label.argmax()),
                            "json": {"soft_label": soft_label.tolist()},
                        }
                    )
                    samples += 1
    return samples


if __name__ == "__main__":
    answer(work)
