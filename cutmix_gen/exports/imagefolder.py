"""A folder of image files, one sub-folder a class, with `metadata.jsonl`: Hugging Face's imagefolder."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar
from unicodedata import normalize

from cutmix_gen.dataset.layout import ShardName
from cutmix_gen.exports.base import Export
from cutmix_gen.shards.rows import Row, Rows, RowSchema
from cutmix_gen.storage import checked_name, is_name

_log = logging.getLogger(__name__)

_PARTS = ".parts"
"""Folder of the parts of the metadata, one for each shard, until they are put together: no split is called so."""
_METADATA = "metadata.jsonl"
_READ_AS_METADATA = (_METADATA, "metadata.csv", "metadata.parquet")
"""What readers take for the metadata."""
_NAMED = 5
"""Classes that are named at most; the rest are counted."""


class ImageFolder(Export):
    """`SPLIT/CLASS/KEY.jpg` and `SPLIT/metadata.jsonl`; the class is that of the largest share."""

    name: ClassVar[str] = "imagefolder"

    def write(self, folder: Path, shard: ShardName, rows: Iterator[Rows], schema: RowSchema) -> int:
        """Write the images of a shard, and its part of the metadata."""
        root = folder / checked_name(shard.split)
        names = _names_in(folder, schema)
        for path in (root, folder / _PARTS, *(root / name for name in names)):
            path.mkdir(exist_ok=True)
        samples = 0
        with (folder / _PARTS / str(shard)).open("w", encoding="utf-8") as metadata:
            for part in rows:
                for place in range(len(part)):
                    row = part.row(place)
                    file_name = f"{names[row.label]}/{checked_name(f'{row.key}.{schema.extension}')}"
                    (root / file_name).write_bytes(row.image)
                    metadata.write(json.dumps(_facts(file_name, row), ensure_ascii=False) + "\n")
                samples += len(part)
        return samples

    def finish(self, folder: Path, schema: RowSchema) -> None:
        """Put the parts of the metadata together, in the order of the shards, and say which classes lie elsewhere."""
        shards = sorted(filter(None, (ShardName.parse(path.name) for path in (folder / _PARTS).iterdir())))
        for split, of_split in groupby(shards, key=lambda shard: shard.split):
            with (folder / split / _METADATA).open("wb") as metadata:
                for shard in of_split:
                    with (folder / _PARTS / str(shard)).open("rb") as part:
                        shutil.copyfileobj(part, metadata)
        shutil.rmtree(folder / _PARTS)
        names = zip(schema.classes, _names_in(folder, schema), strict=True)
        others = [f"{name!r} is in {at}" for name, at in names if name != at]
        if others:
            _log.warning(
                "Folders cannot be called like %d of the classes: %s%s. The number is the label.",
                len(others),
                ", ".join(others[:_NAMED]),
                ", ..." if len(others) > _NAMED else "",
            )


def _names_in(folder: Path, schema: RowSchema) -> list[str]:
    """Return the folder of each class, as the file system of the export takes them."""
    any_case = folder.with_name(folder.name.swapcase()).exists()
    return folder_names(schema.classes, any_case=any_case, longest=os.pathconf(folder, "PC_NAME_MAX"))


def folder_names(classes: Sequence[str], *, any_case: bool = False, longest: int = 255) -> list[str]:
    """Return the folder of each class: its name, unless that cannot be the name of a folder of its own.

    Parameters
    ----------
    classes : sequence of str
        All different.
    any_case : bool
        Whether the file system takes names for the same that differ by capitals only.
    longest : int
        Bytes of a name at most.
    """
    spelt = _any_case if any_case else str
    taken = set(_READ_AS_METADATA)
    own = set()
    for name in classes:
        if is_name(name, longest) and spelt(name) not in taken:
            taken.add(spelt(name))
            own.add(name)
    names = []
    for number, name in enumerate(classes):
        folder = name if name in own else f"class-{number:04d}"
        while name not in own and spelt(folder) in taken:
            folder += "_"
        taken.add(spelt(folder))
        names.append(folder)
    return names


def _any_case(name: str) -> str:
    return normalize("NFC", normalize("NFC", name).casefold())


def _facts(file_name: str, row: Row) -> dict[str, Any]:
    """Return all fields of a sample but its image, as JSON has them."""
    facts = row._asdict()
    del facts["image"]
    if row.soft_label is None:
        del facts["soft_label"]
    values = {name: value.tolist() if hasattr(value, "tolist") else value for name, value in facts.items()}
    return {"file_name": file_name} | values
