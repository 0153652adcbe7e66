"""Train a linear classifier with JAX, fed by grain, on 400 samples of 10 classes, L.

It needs jax, grain, numpy, pillow.
"""

import hashlib
import io
import random
import sys
import tarfile
from pathlib import Path

import grain
import jax
import jax.numpy as jnp
import numpy as np
from absl import flags
from PIL import Image

ROOT = Path("out-tars")
SPLIT = "train"  # of: train
# Of each run, by number: the shards of the originals, those of each CutMix copy of them, and of all other samples.
SHARDS = {
    "train": {
        1: (range(0, 3), [range(3, 6)], range(0, 0)),
    },
}
CLASSES = [
    "ankle-boot",
    "bag",
    "coat",
    "dress",
    "pullover",
    "sandal",
    "shirt",
    "sneaker",
    "t-shirt",
    "trouser",
]
SIZE = (28, 28)  # width and height of all images
CHANNELS = 1
MIX = None  # all samples in each epoch; 0.5: each original once, with this probability a CutMix sample in its place
EPOCHS, BATCH, WORKERS, SEED = 2, 32, 2, 0
POOL = 1000  # samples held to draw from

flags.FLAGS.mark_as_parsed()  # grain asks for flags that only absl programs have


class Samples(grain.experimental.FlatMapTransform):
    """From a shard to its samples, encoded."""

    max_fan_out = 67  # samples of the largest shard

    def __init__(self, epoch):
        self.epoch = epoch

    def flat_map(self, task):
        """Return the samples of a shard."""
        return list(samples(task, self.epoch))


class Prepare(grain.transforms.RandomMap):
    """From an encoded image to its pixels."""

    def random_map(self, sample, rng):
        """Return an image (H, W, C) and its soft label."""
        image, label = sample
        return augment(decode(image), rng), label


def batches_of(epoch):
    """Return the batches of an epoch: (N, H, W, C) images, (N, classes) soft labels."""
    shards = grain.MapDataset.source(tasks(epoch)).to_iter_dataset()
    encoded = grain.experimental.FlatMapIterDataset(shards, Samples(epoch))
    shuffled = grain.experimental.WindowShuffleIterDataset(encoded, window_size=POOL, seed=SEED + epoch)
    batches = shuffled.seed(SEED + epoch).random_map(Prepare()).batch(BATCH)
    # Through pipes: grain frees shared memory late, and Python warns of what is left of it when the script ends.
    options = grain.experimental.DatasetOptions(min_shm_size=sys.maxsize)
    piped = grain.experimental.WithOptionsIterDataset(batches, options)
    return piped.mp_prefetch(grain.MultiprocessingOptions(num_workers=WORKERS))


def loss_of(weights, images, soft_labels):
    """Return the mean cross entropy with soft labels."""
    scores = images.reshape(len(images), -1) @ weights
    return -(soft_labels * jax.nn.log_softmax(scores)).sum(axis=1).mean()


@jax.jit
def step(weights, images, soft_labels):
    """Return the weights after a step down the slope, and the loss before it."""
    loss, slope = jax.value_and_grad(loss_of)(weights, images - 0.5, soft_labels)
    return weights - 16 / len(weights) * slope, loss


def train(batches_of):
    """Train on the batches of each epoch."""
    weights = jnp.zeros((SIZE[0] * SIZE[1] * CHANNELS, len(CLASSES)))
    for epoch in range(EPOCHS):
        count, total = 0, 0.0
        for images, soft_labels in batches_of(epoch):
            weights, loss = step(weights, images, soft_labels)
            count, total = count + len(images), total + float(loss) * len(images)
        print(f"epoch {epoch}: {count} samples, loss {total / count:.3f}")


def tasks(epoch):
    """Return what an epoch reads: shards, each with the one that has CutMix samples for some of its originals."""
    runs, found = SHARDS[SPLIT].values(), []
    for originals, copies, others in runs:
        if MIX is None:
            found += [(path(shard), None) for part in (originals, *copies, others) for shard in part]
            continue
        for block, shard in enumerate(originals):
            # Copy 1 + epoch mod K; the last copy may not have all blocks.
            turns = [copies[(epoch + step) % len(copies)] for step in range(len(copies))]
            variants = [path(copy[block]) for copy in turns if block < len(copy)]
            found.append((path(shard), variants[0] if variants else None))
    random.Random(f"{SEED} {epoch}").shuffle(found)
    return found


def path(shard):
    """Return where a shard lies."""
    return str(ROOT / "data" / f"{SPLIT}-{shard:06d}.tar")


def is_mixed(key, epoch):
    """Toss the coin of an original and its CutMix samples: it falls the same way in every process."""
    run, _, position = key.split("-")
    digest = hashlib.sha256(f"{SEED} {epoch} {run} {position}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < MIX * 2**64


def samples(task, epoch):
    """Give the encoded images and soft labels of a shard, some replaced by CutMix samples of the same originals."""
    shard, variant = task
    mixed = {}
    if variant is not None:
        mixed = {key.split("-")[2]: sample for key, sample in read(variant) if is_mixed(key, epoch)}
    for key, sample in read(shard):
        yield mixed.get(key.split("-")[2], sample)


def read(shard):
    """Give the samples of a shard, whose images come before their labels: key, then encoded image and soft label."""
    with tarfile.open(shard, "r:") as tar:
        for member in tar:
            key, _, kind = member.name.partition(".")
            if kind == "png":
                image = tar.extractfile(member).read()
            elif kind == "soft.npy":
                yield key, (image, soft_label(tar.extractfile(member).read()))


def soft_label(data):
    """Return the weight of each class, (C,) float32, from a file of NumPy."""
    return np.load(io.BytesIO(data))


def decode(data):
    """Return an encoded image as (H, W, C) float32 from 0 to 1."""
    picture = Image.open(io.BytesIO(data)).convert("L").resize(SIZE, Image.Resampling.BILINEAR)
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


if __name__ == "__main__":
    train(batches_of)
