"""Train a small network on an MNIST-like image folder, with CutMix on each batch as it comes from a torch loader.

python samples/fashion_mnist.py fashion && python samples/fashion_mnist.py fashion-test --split test
python samples/mnist_loop.py fashion fashion-test
"""

import argparse
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from mnist_training import Batch, add_training_options, network, read_folder, train
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from cutmix_gen import cutmix


def main() -> None:
    """Read the options and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path, metavar="TRAIN", help="image folder to train on")
    parser.add_argument("test", type=Path, metavar="TEST", help="image folder to test on")
    parser.add_argument("--mix", type=float, default=0.5, metavar="P", help="share of mixed batches [%(default)s]")
    add_training_options(parser)
    options = parser.parse_args()

    torch.manual_seed(0)
    images, labels = read_folder(options.train)
    num_classes = int(labels.max()) + 1
    loader = DataLoader(TensorDataset(images, labels), options.batch, shuffle=True)
    rng = np.random.default_rng(0)
    epochs = (islice(mixed(loader, num_classes, options.mix, rng), options.steps) for _ in range(options.epochs))
    train(network(num_classes), epochs, read_folder(options.test))


def mixed(batches: Iterable[Batch], num_classes: int, mix: float, rng: np.random.Generator) -> Iterator[Batch]:
    """Mix a share of the batches; the labels of all become soft: (N, C) float32."""
    for images, labels in batches:
        if rng.random() < mix:
            new, soft_labels = cutmix(
                images.numpy(), labels.numpy(), num_classes=num_classes, rng=rng, data_format="NCHW"
            )
            yield torch.from_numpy(new), torch.from_numpy(soft_labels)
        else:
            yield images, nn.functional.one_hot(labels, num_classes).float()


if __name__ == "__main__":
    main()
