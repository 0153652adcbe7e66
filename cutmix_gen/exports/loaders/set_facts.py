"""What a script has to know of a set."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from cutmix_gen.codecs.guard import guarded
from cutmix_gen.dataset.info import RunInfo
from cutmix_gen.dataset.ledger import Ledger
from cutmix_gen.dataset.manifest import Manifest
from cutmix_gen.dataset.reader import Dataset, open_dataset
from cutmix_gen.dataset.records import ShardHead
from cutmix_gen.errors import SetError, UsageError
from cutmix_gen.shapes import Size
from cutmix_gen.storage import Place

_LOOKS = 256
"""Images whose sizes are looked at."""
_LONGEST = 224
"""Longest side to which images of different sizes are brought, in pixels: what most networks take."""


class RunShards(NamedTuple):
    """The shards of a run."""

    run: int
    originals: range
    copies: list[range]
    """Each has shards for the same blocks as the originals; the last may lack some at the end."""
    others: list[range]
    """Of samples that no original here goes with."""


@dataclass(frozen=True, slots=True)
class SetFacts:
    """What a script has to know of a set."""

    root: Path
    format: str
    extension: str
    """Of the shards."""
    image_extension: str
    mode: str
    classes: tuple[str, ...]
    is_dense: bool
    """Whether the set holds dense labels."""
    shards: dict[str, list[RunShards]]
    """By split."""
    samples: int
    largest: int
    """Samples of the largest shard."""
    size: Size
    is_one_size: bool
    has_index_files: bool

    @property
    def split(self) -> str:
        """The split to train on."""
        return "train" if "train" in self.shards else next(iter(self.shards))

    @property
    def summary(self) -> str:
        """The set in some words."""
        classes = f"{len(self.classes):,} class{'es' if len(self.classes) > 1 else ''}"
        return f"{self.samples:,} samples of {classes}, {self.mode}"

    def shard_lines(self) -> Iterator[str]:
        """Give the lines of a Python dictionary: the shards of each run, by split."""
        for split, runs in self.shards.items():
            yield f"    {literal(split)}: {{"
            for run in runs:
                yield f"        {run.run}: ({run.originals}, {run.copies}, {_chained(run.others)}),"
            yield "    },"


def set_facts(output: Place) -> SetFacts:
    """Return what a script has to know of a set.

    Raises
    ------
    SetError
        If there is no set, or it is not finished.
    UsageError
        If it does not lie in a local folder.
    """
    if not isinstance(output, Path):
        raise UsageError(f"The scripts read local folders, and {output} is none: copy the set to one first.")
    manifest = Manifest(output)
    info, runs, heads = manifest.read_set(), manifest.runs(), list(Ledger(manifest).heads())
    planned = sum(run.shards for run in runs)
    if len(heads) != planned:
        raise SetError(
            f"The set in {output} is not finished: {planned - len(heads)} of {planned} shards are missing. Run the "
            "command that makes it again first."
        )
    samples = sum(head.samples for head in heads)
    if not samples:
        raise SetError(f"The set in {output} has no samples.")
    sizes = _sizes(open_dataset(output))
    return SetFacts(
        root=output,
        format=info.shard_format,
        extension=info.shard_extension,
        image_extension=info.schema.extension,
        mode=info.mode,
        classes=info.classes,
        is_dense=info.dense_labels,
        shards=_by_split(runs, heads),
        samples=samples,
        largest=max(head.samples for head in heads),
        size=next(iter(sizes)) if len(sizes) == 1 else _common_size(sizes),
        is_one_size=len(sizes) == 1,
        has_index_files=all(manifest.sidecar_path(head).is_file() for head in heads),
    )


def literal(text: str) -> str:
    r"""Return a text as a Python literal in double quotes, whatever it holds.

    >>> print(literal('a "b"\n'))
    "a \"b\"\U0000000a"
    """
    plain = (char if char.isprintable() and char not in '"\\' else _escaped(char) for char in text)
    return '"' + "".join(plain) + '"'


def _escaped(char: str) -> str:
    return f"\\{char}" if char in '"\\' else f"\\U{ord(char):08x}"


def _by_split(runs: list[RunInfo], heads: list[ShardHead]) -> dict[str, list[RunShards]]:
    splits: dict[str, list[RunShards]] = {}
    for run in runs:
        own = [head for head in heads if head.run == run.number]
        splits.setdefault(str(run.config["split"]), []).append(_run_shards(run, own))
    return splits


def _run_shards(run: RunInfo, heads: list[ShardHead]) -> RunShards:
    parts = {copy: _range(list(group)) for copy, group in groupby(heads, key=lambda head: head.copy)}
    originals = parts.pop(0, range(0))
    has_bases = bool(originals) and not run.config["pairs"]
    copies, others = (list(parts.values()), []) if has_bases else ([], list(parts.values()))
    return RunShards(run.number, originals, copies, others)


def _range(heads: list[ShardHead]) -> range:
    return range(heads[0].shard, heads[-1].shard + 1)


def _chained(parts: list[range]) -> range:
    """Return ranges that follow on each other as one."""
    return range(parts[0].start, parts[-1].stop) if parts else range(0)


def _sizes(dataset: Dataset) -> Counter[Size]:
    """Count the sizes of some images, evenly spread over a set."""
    numbers = np.unique(np.linspace(0, len(dataset) - 1, _LOOKS).astype(int)).tolist()
    return Counter(_size(row.image, dataset.max_pixels) for row in dataset.rows(numbers))


def _size(image: bytes, max_pixels: int) -> Size:
    with guarded(image, max_pixels), Image.open(io.BytesIO(image)) as picture:
        return Size(*picture.size)


def _common_size(sizes: Counter[Size]) -> Size:
    """Return the size that the median sides make, brought below the longest that is taken."""
    every = np.array([(size.width, size.height) for size in sizes.elements()])
    width, height = np.median(every, axis=0) * min(1, _LONGEST / np.median(every, axis=0).max())
    return Size(round(width), round(height))
