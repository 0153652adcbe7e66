"""What mnist_loop.py and mnist_offline.py have in common: a small network, and how it is trained and tested."""

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

Batch = tuple[torch.Tensor, torch.Tensor]  # (N, 1, H, W) images from 0 to 1, and their labels
REPORT_EVERY = 100  # steps


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """Add what both ways of training have in common."""
    parser.add_argument("--batch", type=int, default=128, help="samples a step [%(default)s]")
    parser.add_argument("--epochs", type=int, default=3, help="[%(default)s]")
    parser.add_argument("--steps", type=int, metavar="N", help="stop an epoch after N steps [all]")


def read_folder(root: Path) -> Batch:
    """Read a folder of small gray images, one sub-folder a class: (N, 1, H, W) float32 from 0 to 1, (N,) int64."""
    folders = sorted(path for path in root.iterdir() if path.is_dir())
    files = [(path, label) for label, folder in enumerate(folders) for path in sorted(folder.iterdir())]
    images = np.stack([np.asarray(Image.open(path).convert("L"), np.float32) / 255 for path, _ in files])
    return torch.from_numpy(images[:, None]), torch.tensor([label for _, label in files])


def network(num_classes: int) -> nn.Module:
    """Return three convolutions and a linear layer."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((1, 16), (16, 32), (32, 64)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(256, num_classes))


def train(model: nn.Module, epochs: Iterable[Iterable[Batch]], test: Batch) -> None:
    """Train on the batches of each epoch, and say how many test images are told right after it."""
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch, batches in enumerate(epochs, 1):
        losses: list[float] = []
        model.train()
        for images, soft_labels in batches:
            losses.append(train_step(model, optimizer, images, soft_labels))
            if len(losses) % REPORT_EVERY == 0:
                print(f"epoch {epoch}, step {len(losses)}: loss {np.mean(losses[-REPORT_EVERY:]):.3f}", flush=True)
        mean = np.mean(losses)
        print(f"epoch {epoch}: {len(losses)} steps, loss {mean:.3f}, accuracy {accuracy(model, *test):.3f}", flush=True)


def train_step(model: nn.Module, optimizer: torch.optim.Optimizer, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Train on a batch, return its loss; this cannot fall below the mean entropy of the soft labels."""
    loss = nn.functional.cross_entropy(model(images), labels)  # takes (N, C) probabilities as they are
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@torch.no_grad()
def accuracy(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the share of images whose class is told right."""
    model.eval()
    found = torch.cat([model(part).argmax(dim=1) for part in images.split(1000)])
    return (found == labels).float().mean().item()
