"""Files beside a set for readers that want to know more than the shards tell: a list of them, indexes of tar files."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path

from cutmix_gen.dataset.layout import SHARD_LIST
from cutmix_gen.dataset.ledger import Ledger
from cutmix_gen.dataset.manifest import Manifest
from cutmix_gen.shards.webdataset import shard_members
from cutmix_gen.storage import Place, local_copy, put_bytes

_DALI_VERSION = "v1.2"
"""Of the index files that `readers.webdataset` takes: each component with its offset, size and name."""


def shard_list(manifest: Manifest) -> Place:
    """Return where the list of the shards lies."""
    return manifest.root / SHARD_LIST


def has_sidecars(manifest: Manifest) -> bool:
    """Tell whether a set has had such files made."""
    return shard_list(manifest).is_file()


def write_sidecars(manifest: Manifest) -> None:
    """Write the list of the shards, and an index file beside each tar file that has none yet."""
    for record in Ledger(manifest).records():
        index = manifest.sidecar_path(record)
        if record.file.endswith(".tar") and not index.is_file():
            with local_copy(manifest.root / record.file) as path:
                put_bytes(index, dali_index(path).encode())
    put_bytes(shard_list(manifest), shard_list_text(manifest))


def shard_list_text(manifest: Manifest) -> bytes:
    """Return the list of the shards."""
    records = Ledger(manifest).records()
    shards = [{"url": record.file, "nsamples": record.samples, "filesize": record.bytes} for record in records]
    facts = {"__kind__": "wids-shard-index-v1", "wids_version": 1, "shardlist": shards}
    return json.dumps(facts, indent=1).encode() + b"\n"


def dali_index(path: Path) -> str:
    """Return the index of a tar file as DALI's `wds2idx` makes it.

    The version and the number of samples, then a line for each sample: extension, offset, size and name of each
    member.
    """
    samples = [list(group) for _, group in groupby(shard_members(path), key=lambda member: member.key)]
    lines = [
        " ".join(f"{member.kind} {member.offset} {member.size} {member.name}" for member in sample)
        for sample in samples
    ]
    return "\n".join([f"{_DALI_VERSION} {len(samples)}", *lines]) + "\n"
