"""Train a linear classifier on batches from NVIDIA DALI, on 400 samples of 10 classes, L.

It needs nvidia-dali-cuda120 (no GPU), numpy.
"""

import random
from pathlib import Path

import numpy as np
from nvidia.dali import fn, math, pipeline_def, types

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


@pipeline_def(batch_size=BATCH, num_threads=WORKERS, device_id=None, seed=SEED)
def pipeline(shards, epoch):
    """Read, decode and change the samples of shards; beside each lies its index file."""
    encoded, labels = fn.readers.webdataset(
        paths=shards,
        index_paths=[str(Path(shard).with_suffix(".idx")) for shard in shards],
        ext=["png", "soft.npy"],
        missing_component_behavior="error",
        random_shuffle=True,
        initial_fill=POOL,
        pad_last_batch=False,
        seed=SEED + epoch,
        name="reader",
    )
    images = fn.decoders.image(encoded, output_type=types.GRAY, dtype=types.UINT8)
    return changed(images), fn.decoders.numpy(labels)


def batches_of(epoch):
    """Give the batches of an epoch: (N, H, W, C) images, (N, classes) soft labels."""
    loader = pipeline(shards_of(epoch), epoch)
    loader.build()
    left = loader.epoch_size("reader")
    while left > 0:
        images, labels = loader.run()
        count = min(left, BATCH)  # DALI goes on with the next epoch in the last batch
        yield images.as_array()[:count], soft_labels(labels)[:count]
        left -= count


def shards_of(epoch):
    """Return the shards of an epoch: DALI reads whole ones, so that a coin is tossed for each shard of originals."""
    coin = random.Random(f"{SEED} {epoch} coin")
    return [shard if variant is None or coin.random() >= MIX else variant for shard, variant in tasks(epoch)]


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
    return str(ROOT / "data" / f"{SPLIT}-{shard:06d}.tar")


def soft_labels(batch):
    """Return the weight of each class of a batch, (N, C) float32."""
    return batch.as_array()


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
