"""Train the same network as mnist_loop.py on a set whose CutMix samples were made beforehand.

    cutmix-gen generate fashion out-fashion
    python samples/mnist_offline.py out-fashion fashion-test

The set is read without the package that made it: torch, pyarrow (for Parquet) and pillow are enough.
"""

import argparse
import io
import json
import random
import tarfile
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from mnist_training import Batch, add_training_options, network, read_folder, train
from PIL import Image
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

Sample = tuple[bytes, np.ndarray]  # an encoded image, and its soft label (C,) float32


def main() -> None:
    """Read the options and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT", help="a set of gray images, made by cutmix-gen")
    parser.add_argument("test", type=Path, metavar="TEST", help="image folder to test on")
    parser.add_argument("--workers", type=int, default=2, help="processes that read and decode [%(default)s]")
    add_training_options(parser)
    options = parser.parse_args()

    torch.manual_seed(0)
    classes = json.loads((options.out / ".cutmix_gen" / "dataset.json").read_text())["classes"]
    shards = sorted(path for path in (options.out / "data").glob("train-*") if path.suffix in READERS)
    loaders = (
        DataLoader(Shards(shards, epoch), batch_size=options.batch, num_workers=options.workers)
        for epoch in range(options.epochs)
    )
    epochs = (islice(loader, options.steps) for loader in loaders)
    train(network(len(classes)), epochs, read_folder(options.test))


class Shards(IterableDataset[Batch]):
    """The samples of all shards, shuffled: each worker takes every so manieth shard and keeps a pool to draw from."""

    def __init__(self, shards: list[Path], epoch: int) -> None:
        self.shards, self.epoch = shards, epoch

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        mine = random.Random(self.epoch).sample(self.shards, len(self.shards))[first::step]  # one order in all workers
        samples = (sample for shard in mine for sample in READERS[shard.suffix](shard))
        for image, soft_label in shuffled(samples, random.Random(f"{self.epoch} {first}")):
            pixels = np.asarray(Image.open(io.BytesIO(image)).convert("L"), np.float32) / 255
            yield torch.from_numpy(pixels[None]), torch.from_numpy(soft_label)


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
