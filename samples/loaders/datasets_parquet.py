"""Train a small network with Hugging Face's datasets and torch on 96 samples of 6 classes, RGB.

It needs datasets, torch, numpy, pillow.
"""

import hashlib
import io
from pathlib import Path

import datasets
import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader

ROOT = Path("out-photos")
SPLIT = "train"  # of: train
# Of each run, by number: the shards of the originals, those of each CutMix copy of them, and of all other samples.
SHARDS = {
    "train": {
        1: (range(0, 1), [range(1, 2)], range(0, 0)),
    },
}
CLASSES = [
    "astronaut",
    "cat",
    "coffee",
    "galaxies",
    "retina",
    "rocket",
]
SIZE = (64, 64)  # width and height of all images
CHANNELS = 3
MIX = None  # all samples in each epoch; 0.5: each original once, with this probability a CutMix sample in its place
EPOCHS, BATCH, WORKERS, SEED = 2, 32, 2, 0
POOL = 1000  # samples held to draw from


def batches_of(epoch):
    """Return the batches of an epoch: (N, C, H, W) images, (N, classes) soft labels."""
    chosen = SET.select(numbers_of(epoch)).with_transform(prepare)
    return DataLoader(chosen, batch_size=BATCH, shuffle=True, num_workers=WORKERS, collate_fn=collate)


def numbers_of(epoch):
    """Return the numbers of the samples of an epoch."""
    if MIX is None:
        return range(len(SET))
    number_of = {key: number for number, key in enumerate(SET["key"])}
    chosen = []
    for key, number in number_of.items():
        run, copy, position = key.split("-")
        if copy == "000":
            copies = len(SHARDS[SPLIT][int(run)][1])
            # Copy 1 + epoch mod K; the last copy may not have all originals.
            turns = [f"{run}-{1 + (epoch + step) % copies:03d}-{position}" for step in range(copies)]
            variants = [number_of[each] for each in turns if each in number_of]
            chosen.append(variants[0] if variants and is_mixed(key, epoch) else number)
    return chosen


def prepare(rows):
    """Return images (C, H, W) and soft labels of some rows, which come as columns."""
    rng = np.random.default_rng()
    pixels = [augment(decode(image["bytes"]), rng) for image in rows["image"]]
    return {
        "image": [torch.from_numpy(each).permute(2, 0, 1) for each in pixels],
        "soft_label": list(torch.from_numpy(soft_labels(rows))),
    }


def collate(samples):
    """Put samples together to a batch."""
    return torch.stack([each["image"] for each in samples]), torch.stack([each["soft_label"] for each in samples])


def soft_labels(rows):
    """Return the weight of each class of some rows, (N, C) float32."""
    return np.array(rows["soft_label"], np.float32)


def is_mixed(key, epoch):
    """Toss the coin of an original and its CutMix samples: it falls the same way in every process."""
    run, _, position = key.split("-")
    digest = hashlib.sha256(f"{SEED} {epoch} {run} {position}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < MIX * 2**64


def decode(data):
    """Return an encoded image as (H, W, C) float32 from 0 to 1."""
    picture = Image.open(io.BytesIO(data)).convert("RGB").resize(SIZE, Image.Resampling.BILINEAR)
    return np.asarray(picture, np.float32).reshape(SIZE[1], SIZE[0], CHANNELS) / 255


def augment(pixels, rng):
    """Change an image in ways that keep its label true: a flip, light and contrast, a shift by a few pixels.

    A crop that takes much away would change the shares of the classes: leave it out, or relabel.
    """
    if rng.random() < 0.5:  # leave this out where left and right matter, as in digits
        pixels = pixels[:, ::-1]
    contrast, light = rng.uniform(0.8, 1.2), rng.uniform(-0.1, 0.1)
    pixels = np.clip((pixels - 0.5) * contrast + 0.5 + light, 0, 1)
    height, width = pixels.shape[:2]
    down, right = height // 16, width // 16
    padded = np.pad(pixels, ((down, down), (right, right), (0, 0)), "edge")
    top, left = rng.integers(0, 2 * down + 1), rng.integers(0, 2 * right + 1)
    return np.ascontiguousarray(padded[top : top + height, left : left + width], np.float32)


def network():
    """Return a small network."""
    layers = []
    for inputs, outputs in ((CHANNELS, 16), (16, 32), (32, 64)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(), nn.AvgPool2d(2, 2, 1)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(256, len(CLASSES)))


def train(batches_of):
    """Train on the batches of each epoch."""
    torch.manual_seed(SEED)
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(EPOCHS):
        count, total = 0, 0.0
        for images, soft_labels in batches_of(epoch):
            loss = nn.functional.cross_entropy(model(images), soft_labels)  # takes (N, C) probabilities as they are
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            count, total = count + len(images), total + loss.item() * len(images)
        print(f"epoch {epoch}: {count} samples, loss {total / count:.3f}")


# The set as it stands, its images not decoded yet.
SET = datasets.load_dataset(str(ROOT), split=SPLIT).cast_column("image", datasets.Image(decode=False))

if __name__ == "__main__":
    train(batches_of)
