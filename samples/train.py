"""Train a small network for one epoch on the soft labels of a set, without the package that made it.

Install torch, pyarrow (for Parquet) and pillow, then: python samples/train.py OUT
"""

import argparse
import io
import json
import random
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

Sample = tuple[bytes, np.ndarray]  # an encoded image, and its soft label (C,) float32


def main() -> None:
    """Read the options and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT", help="a set made by cutmix-gen")
    parser.add_argument("--side", type=int, default=28, help="of the images that the network sees [%(default)s]")
    parser.add_argument("--batch", type=int, default=128, help="samples a step [%(default)s]")
    parser.add_argument("--workers", type=int, default=2, help="processes that read and decode [%(default)s]")
    options = parser.parse_args()

    torch.manual_seed(0)
    classes = json.loads((options.out / ".cutmix_gen" / "dataset.json").read_text())["classes"]
    shards = sorted((options.out / "data").glob("train-*"))
    loader = DataLoader(Shards(shards, options.side), batch_size=options.batch, num_workers=options.workers)
    losses: list[float] = []
    for step, loss in enumerate(train(network(len(classes)), loader), 1):
        losses.append(loss)
        if step % 100 == 0:
            print(f"step {step:5d}  loss {np.mean(losses[-100:]):.3f}")
    tenth = max(len(losses) // 10, 1)
    print(f"mean loss of the first tenth {np.mean(losses[:tenth]):.3f}, of the last {np.mean(losses[-tenth:]):.3f}")


def train(model: nn.Module, loader: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> Iterator[float]:
    """Give the loss of each step of one epoch; it cannot fall below the mean entropy of the soft labels."""
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for images, soft_labels in loader:
        loss = nn.functional.cross_entropy(model(images), soft_labels)  # takes (N, C) probabilities as they are
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.item()


def network(num_classes: int) -> nn.Module:
    """Return three convolutions and a linear layer."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((3, 16), (16, 32), (32, 64)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(256, num_classes))


class Shards(IterableDataset[tuple[torch.Tensor, torch.Tensor]]):
    """The samples of all shards, shuffled: each worker takes every so manieth shard and keeps a pool to draw from."""

    def __init__(self, shards: list[Path], side: int) -> None:
        self.shards, self.side = shards, side

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        mine = random.Random(0).sample(self.shards, len(self.shards))[first::step]  # one order in all workers
        samples = (sample for shard in mine for sample in READERS[shard.suffix](shard))
        for image, soft_label in shuffled(samples, random.Random(first)):
            picture = Image.open(io.BytesIO(image)).convert("RGB").resize((self.side, self.side))
            pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)
            yield pixels / 255, torch.from_numpy(soft_label)


def shuffled(samples: Iterable[Sample], rng: random.Random, pool: int = 4096) -> Iterator[Sample]:
    """Give the samples in a random order, drawn from a pool of so many."""
    held: list[Sample] = []
    for sample in samples:
        held.append(sample)
        if len(held) > pool:
            place = rng.randrange(pool)
            yield held[place]
            held[place] = held.pop()
    rng.shuffle(held)
    yield from held


def read_parquet(shard: Path) -> Iterator[Sample]:
    """Read a shard's images and soft labels, a few rows at a time."""
    import pyarrow.parquet as pq  # noqa: PLC0415  a set of tar files needs no pyarrow

    with pq.ParquetFile(shard) as file:
        for batch in file.iter_batches(256, columns=["image", "soft_label"], use_threads=False):
            for row in batch.to_pylist():
                yield row["image"]["bytes"], np.array(row["soft_label"], np.float32)


def read_tar(shard: Path) -> Iterator[Sample]:
    """Read a shard's images and soft labels; the image comes first of a sample's members."""
    with tarfile.open(shard, "r:") as tar:
        for member in tar:
            kind, data = member.name.partition(".")[2], tar.extractfile(member).read()
            if kind in ("jpg", "png", "webp"):
                image = data
            elif kind == "soft.npy":
                yield image, np.load(io.BytesIO(data))


READERS = {".parquet": read_parquet, ".tar": read_tar}

if __name__ == "__main__":
    main()
