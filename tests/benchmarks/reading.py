"""Seconds a sample of each way to read a set, as JSON: `python -m tests.benchmarks.reading OUT COUNT`."""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from cutmix_gen import open_dataset
from cutmix_gen.codecs import best_codec, make_codec


def measure(output: Path, count: int) -> dict[str, float]:
    """Read so many samples in each way; everything is in the cache of the file system by then."""
    dataset = open_dataset(output)
    codec = make_codec(best_codec())
    files = [dataset.row(number).image for number in range(count)]
    chosen = random.Random(0).sample(range(len(dataset)), count)
    epoch = dataset.epoch(0)

    def decode() -> None:
        for file in files:
            _ = codec.decode(file, dataset.info.mode, lambda _size: 1).pixels

    def batches() -> None:
        for start in range(0, count, 64):
            dataset.__getitems__(chosen[start : start + 64])

    ways: dict[str, Callable[[], None]] = {
        "decoding alone": decode,
        "in order": lambda: exhaust(map(open_dataset(output).__getitem__, range(count))),
        "at random": lambda: exhaust(map(dataset.__getitem__, chosen)),
        "at random in batches of 64": batches,
        "an epoch in order": lambda: exhaust(epoch[number % len(epoch)] for number in range(count)),
    }
    if find_spec("datasets"):
        ways["in order with datasets"] = lambda: exhaust(_datasets(output, count))
    if find_spec("webdataset") and dataset.info.shard_format == "webdataset":
        ways["in order with webdataset"] = lambda: exhaust(_webdataset(output, count))
    return {name: _seconds(way) / count for name, way in ways.items()}


def exhaust(samples: Iterable[Any]) -> None:
    """Take all samples and keep none."""
    for _ in samples:
        pass


def _seconds(way: Callable[[], None]) -> float:
    started = time.perf_counter()
    way()
    return time.perf_counter() - started


def _datasets(output: Path, count: int) -> Iterable[Any]:
    from datasets import load_dataset

    rows = load_dataset(str(output), split="train", streaming=True)
    image, label = ("image", "soft_label") if "image" in rows.features else ("jpg", "soft.npy")
    return ((np.asarray(row[image]), np.asarray(row[label], np.float32)) for row in islice(rows, count))


def _webdataset(output: Path, count: int) -> Iterable[Any]:
    import webdataset

    urls = [str(path) for path in sorted((output / "data").glob("*.tar"))]
    rows = webdataset.WebDataset(urls, shardshuffle=False).decode("rgb8").to_tuple("jpg", "soft.npy")
    return islice(rows, count)


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]), int(sys.argv[2]))))
