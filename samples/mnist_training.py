"""What mnist_loop.py and mnist_offline.py have in common: a small network, and how it is trained and tested."""

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

Batch = tuple[torch.Tensor, torch.Tensor]  # (N, 1, H, W) images from 0 to 1, and their labels


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """Add what both ways of training have in common."""
    parser.add_argument("--batch", type=int, default=128, help="samples a step [%(default)s]")
    parser.add_argument("--epochs", type=int, default=1, help="[%(default)s]")
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


def train(model: nn.Module, batches: Iterable[Batch]) -> None:
    """Train for an epoch; the loss cannot fall below the mean entropy of the soft labels."""
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    losses: list[float] = []
    model.train()
    for images, soft_labels in batches:
        loss = nn.functional.cross_entropy(model(images), soft_labels)  # takes (N, C) probabilities as they are
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    tenth = max(len(losses) // 10, 1)
    print(f"mean loss of the first tenth {np.mean(losses[:tenth]):.3f}, of the last {np.mean(losses[-tenth:]):.3f}")


@torch.no_grad()
def accuracy(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the share of images whose class is told right."""
    model.eval()
    found = torch.cat([model(part).argmax(dim=1) for part in images.split(1000)])
    return (found == labels).float().mean().item()
