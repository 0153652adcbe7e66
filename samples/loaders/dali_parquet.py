"""Train a linear classifier on batches from NVIDIA DALI, on 96 samples of 6 classes, RGB.

It needs nvidia-dali-cuda120 (no GPU), numpy, pyarrow.
"""

import hashlib
import random
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from nvidia.dali import fn, math, pipeline_def, types

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


@pipeline_def(batch_size=BATCH, num_threads=WORKERS, device_id=None, seed=SEED)
def pipeline(epoch):
    """Decode and change the samples of an epoch; Parquet is read in Python, a batch ahead."""
    encoded, labels = fn.external_source(encoded_batches(epoch), num_outputs=2, batch=True, cycle=False)
    images = fn.decoders.image(encoded, output_type=types.RGB, dtype=types.UINT8)
    return changed(images), labels


def batches_of(epoch):
    """Give the batches of an epoch: (N, H, W, C) images, (N, classes) soft labels."""
    loader = pipeline(epoch)
    loader.build()
    while True:
        try:
            images, labels = loader.run()
        except StopIteration:
            return
        yield images.as_array(), labels.as_array()


def encoded_batches(epoch):
    """Give lists of encoded images and of soft labels."""
    mine = (sample for task in tasks(epoch) for sample in samples(task, epoch))
    order = shuffled(mine, random.Random(f"{SEED} {epoch} order"))
    while batch := list(islice(order, BATCH)):
        images, labels = zip(*batch, strict=True)
        yield [np.frombuffer(image, np.uint8) for image in images], list(labels)


def changed(images):
    """Change images in ways that keep their labels true: a flip, light and contrast, a shift by a few pixels.

    A crop that takes much away would change the shares of the classes: leave it out, or relabel.
    """
    images = fn.cast(fn.resize(images, size=(SIZE[1], SIZE[0])), dtype=types.FLOAT) / 255
    images = fn.flip(images, horizontal=fn.random.coin_flip())  # not where left and right matter, as in digits
    contrast, light = fn.random.uniform(range=(0.8, 1.2)), fn.random.uniform(range=(-0.1, 0.1))
    images = math.clamp((images - 0.5) * contrast + 0.5 + light, 0, 1)
    down, right = SIZE[1] // 16, SIZE[0] // 16
    top = fn.cast(fn.random.uniform(range=(-down, down + 0.99)), dtype=types.INT32)
    left = fn.cast(fn.random.uniform(range=(-right, right + 0.99)), dtype=types.INT32)
    place = fn.stack(top, left)
    return fn.slice(images, place, (SIZE[1], SIZE[0]), axes=(0, 1), out_of_bounds_policy="pad")


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
    return str(ROOT / "data" / f"{SPLIT}-{shard:06d}.parquet")


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
    """Give the samples of a shard: key, then encoded image and soft label."""
    with pq.ParquetFile(shard) as file:
        for batch in file.iter_batches(256, columns=["key", "image", "soft_label"], use_threads=False):
            for row in batch.to_pylist():
                yield row["key"], (row["image"]["bytes"], soft_label(row))


def soft_label(row):
    """Return the weight of each class, (C,) float32."""
    return np.array(row["soft_label"], np.float32)


def shuffled(samples, rng):
    """Give the samples in a random order, drawn from a pool."""
    held = []
    for sample in samples:
        held.append(sample)
        if len(held) > POOL:
            place = rng.randrange(POOL)
            yield held[place]
            held[place] = held.pop()
    rng.shuffle(held)
    yield from held


def train(batches_of):
    """Train a linear classifier on the batches of each epoch, in NumPy alone."""
    weights = np.zeros((SIZE[0] * SIZE[1] * CHANNELS, len(CLASSES)), np.float32)
    for epoch in range(EPOCHS):
        count, total = 0, 0.0
        for images, soft_labels in batches_of(epoch):
            flat = images.reshape(len(images), -1) - 0.5
            scores = flat @ weights
            scores -= scores.max(axis=1, keepdims=True)
            log_probabilities = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
            loss = -(soft_labels * log_probabilities).sum(axis=1).mean()  # cross entropy with soft labels
            slope = np.exp(log_probabilities) - soft_labels
            weights -= 0.5 / flat.shape[1] * (flat.T @ slope)
            count, total = count + len(images), total + float(loss) * len(images)
        print(f"epoch {epoch}: {count} samples, loss {total / count:.3f}")


if __name__ == "__main__":
    train(batches_of)
