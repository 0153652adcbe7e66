"""A plain count of what a set holds: over its shards, with readers of others, and none of this program's records."""

from __future__ import annotations

import json
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq


@dataclass
class Count:
    """What was counted in some samples."""

    shards: int = 0
    bytes: int = 0
    original: int = 0
    synthetic: int = 0
    strategies: Counter[str] = field(default_factory=Counter)
    mass: dict[bool, Counter[int]] = field(default_factory=lambda: {False: Counter(), True: Counter()})
    """Label mass by class: of originals, of mixed samples."""
    lam: list[float] = field(default_factory=list)
    """Of mixed samples."""
    bases: set[str] = field(default_factory=set)

    @property
    def samples(self) -> int:
        return self.original + self.synthetic

    @property
    def lam_histogram(self) -> list[int]:
        return np.histogram(np.array(self.lam, np.float32), 20, (0.0, 1.0))[0].tolist()

    def class_weight(self, names: list[str]) -> list[dict[str, Any]]:
        """Return what `info` says of the classes."""
        return [
            {"name": name, "original": self.mass[False][number], "synthetic": self.mass[True][number]}
            for number, name in enumerate(names)
        ]

    def add(self, row: dict[str, Any]) -> None:
        mixed = row["synthetic"]
        self.original += not mixed
        self.synthetic += mixed
        self.strategies[row["strategy"]] += 1
        for label, weight in zip(row["label_index"], row["label_weight"], strict=True):
            self.mass[mixed][label] += weight
        if mixed:
            self.lam.append(row["lam"])
        self.bases.add(row["sources"][0])


def plain_count(output: Path) -> tuple[Count, dict[int, Count]]:
    """Count what the shards of a set hold, in all and by run, which a key begins with."""
    all_of_it, runs = Count(), {}
    for path in sorted((output / "data").glob("[!.]*-*.*")):
        if path.suffix not in (".parquet", ".tar"):
            continue
        numbers = set()
        for row in shard_rows(path):
            number = int(row["key"][:4])
            numbers.add(number)
            for count in (all_of_it, runs.setdefault(number, Count())):
                count.add(row)
        assert len(numbers) == 1, f"{path} holds samples of several runs, or none"
        for count in (all_of_it, runs[numbers.pop()]):
            count.shards += 1
            count.bytes += path.stat().st_size
    return all_of_it, runs


def shard_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Give the fields of each sample of a shard, the image left out."""
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        yield from table.drop_columns(["image"]).to_pylist()
        return
    with tarfile.open(path) as archive:
        for member in archive:
            if member.name.endswith(".json"):
                yield json.load(archive.extractfile(member))
