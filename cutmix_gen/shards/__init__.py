"""The shard formats: one file each, one line each in the registry."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from cutmix_gen.shards.base import ShardFormat, ShardLabels, ShardReader, ShardWriter, checked

__all__ = ["SHARD_FORMATS", "ShardFormat", "ShardLabels", "ShardReader", "ShardWriter", "checked", "shard_format"]

SHARD_FORMATS = {
    "parquet": "ParquetShards",
    "webdataset": "WebDatasetShards",
}
"""Every format: the module of this package that holds it, and its class there. Imported when it is used."""


def shard_format(name: str) -> ShardFormat:
    """Return a shard format by name."""
    return cast(ShardFormat, getattr(import_module(f"{__name__}.{name}"), SHARD_FORMATS[name])())
