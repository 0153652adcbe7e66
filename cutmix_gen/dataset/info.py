"""What a set is, and what a run of it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cutmix_gen.codecs import image_extension
from cutmix_gen.config import ResolvedConfig
from cutmix_gen.dataset.layout import (
    ShardName,
)
from cutmix_gen.shards import shard_format
from cutmix_gen.shards.rows import RowSchema
from cutmix_gen.storage import (
    Place,
    parse_place,
)

MAX_SHARDS = 10_000_000
"""Shards of a run at most: a hundred million images in the smallest shards that make sense are a tenth of it."""

FORMAT_VERSION = 1
"""Of everything under `.cutmix_gen`; a program that finds a higher one refuses to touch the set."""


@dataclass(frozen=True, slots=True)
class SetInfo:
    """What all runs of a set have in common: `dataset.json`."""

    format_version: int
    shard_format: str
    classes: tuple[str, ...]
    mode: str
    """`RGB`, `L` or `I;16`."""
    image_format: str
    dense_labels: bool
    sources: int
    """How many sources a label row holds."""

    @property
    def shard_extension(self) -> str:
        """Ending of the shard files, without the dot."""
        return shard_format(self.shard_format).extension

    @property
    def schema(self) -> RowSchema:
        """What the rows of the set's shards look like."""
        return RowSchema(self.classes, self.sources, self.dense_labels, image_extension(self.image_format))


@dataclass(frozen=True, slots=True)
class RunInfo:
    """One run of `generate`: `runs/0001.json`."""

    number: int
    """From 1."""
    config: dict[str, Any]
    """The resolved configuration's identity: every setting that decides about the bytes."""
    digest: str
    """Of the configuration."""
    source: str
    """The folder that was scanned."""
    fingerprint: str
    """Of the sources: SHA-256 over paths, classes and sizes."""
    source_state: str
    """Of the class folders when they were scanned: a quick look tells whether another scan is worth while."""
    num_images: int
    """Source images."""
    class_counts: list[int]
    """Images of each class; the source index is sorted by class."""
    part_images: int
    """Images of a block that are paired with each other at most, so that their pixels fit into memory."""
    first_shard: int
    """Number of its first shard in the set."""
    shards: int
    """Shards that it will have."""
    samples: int
    """Samples of the plan; a skip makes one less."""
    passed_over: dict[str, int]
    """What the scan left out: reason to count."""
    versions: dict[str, str]
    """Libraries whose code decides about the bytes."""
    index_sha256: str
    """Of the file of the source index."""

    @property
    def planned_shards(self) -> range:
        """The numbers of the run's shards, made or not."""
        return range(self.first_shard, self.first_shard + self.shards)

    def config_in(self, output: Place, source: Place | None = None) -> ResolvedConfig:
        """Return the resolved configuration, for the folder of the set, with other sources where they have moved."""
        return ResolvedConfig(source=source or parse_place(self.source), output=output, **self.config)

    def shard_file(self, shard: int, extension: str) -> str:
        """Return the path of a shard's file, relative to the set."""
        return ShardName(self.config["split"], shard).path(extension)
