"""Train a small network with Keras on 96 samples of 6 classes, RGB.

It needs tensorflow, numpy, pillow, pyarrow.
"""

import hashlib
import io
import random
from pathlib import Path

import keras
import numpy as np
import pyarrow.parquet as pq
import tensorflow as tf
from PIL import Image

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

ENCODED = (tf.TensorSpec((), tf.string), tf.TensorSpec((len(CLASSES),), tf.float32))


def batches_of(epoch):
    """Return the batches of an epoch: (N, H, W, C) images, (N, classes) soft labels."""
    parts = tasks(epoch)
    rng = np.random.default_rng((SEED, epoch))

    def samples_of(number):
        yield from samples(parts[number], epoch)

    def open_shard(number):
        return tf.data.Dataset.from_generator(samples_of, args=(number,), output_signature=ENCODED)

    def prepare(image, label):
        pixels = tf.numpy_function(lambda data: augment(decode(data), rng), [image], tf.float32)
        return tf.ensure_shape(pixels, (SIZE[1], SIZE[0], CHANNELS)), label

    shards = tf.data.Dataset.range(len(parts))
    encoded = shards.interleave(open_shard, cycle_length=WORKERS, num_parallel_calls=WORKERS)
    return encoded.shuffle(POOL, SEED).map(prepare, num_parallel_calls=WORKERS).batch(BATCH).prefetch(2)


def network():
    """Return a small network; its loss takes soft labels as they are."""
    keras.utils.set_random_seed(SEED)
    layers = [keras.Input((SIZE[1], SIZE[0], CHANNELS))]
    layers += [keras.layers.Conv2D(width, 3, 2, padding="same", activation="relu") for width in (16, 32, 64)]
    layers += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(len(CLASSES))]
    model = keras.Sequential(layers)
    model.compile("adam", keras.losses.CategoricalCrossentropy(from_logits=True))
    return model


def train(model):
    """Train on the batches of each epoch."""
    for epoch in range(EPOCHS):
        model.reset_metrics()
        count = 0
        for images, soft_labels in batches_of(epoch):
            loss = model.train_on_batch(images, soft_labels)  # the mean over the epoch so far
            count += len(images)
        print(f"epoch {epoch}: {count} samples, loss {float(loss):.3f}")


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


if __name__ == "__main__":
    train(network())
