"""A folder of image files, one sub-folder a class, with `metadata.jsonl`: Hugging Face's imagefolder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from cutmix_gen.exports.base import Export
from cutmix_gen.records import Row, Rows, RowSchema

_PART = ".part.jsonl"


class ImageFolder(Export):
    """`SPLIT/CLASS/KEY.jpg` and `SPLIT/metadata.jsonl`; the class is that of the largest share."""

    name: ClassVar[str] = "imagefolder"

    def write(self, folder: Path, shard: str, split: str, rows: Iterator[Rows], schema: RowSchema) -> int:
        """Write the images of a shard, and its part of the metadata."""
        root = folder / split
        names = folder_names(schema.classes)
        for name in names:
            (root / name).mkdir(parents=True, exist_ok=True)
        samples = 0
        with (root / f"{shard}{_PART}").open("w", encoding="utf-8") as metadata:
            for part in rows:
                for place in range(len(part)):
                    row = part.row(place)
                    file_name = f"{names[row.label]}/{row.key}.{schema.extension}"
                    (root / file_name).write_bytes(row.image)
                    metadata.write(json.dumps(_facts(file_name, row), ensure_ascii=False) + "\n")
                samples += len(part)
        return samples

    def finish(self, folder: Path, schema: RowSchema) -> None:  # noqa: ARG002  the folders say the classes
        """Put the parts of the metadata together, in the order of the shards."""
        for split in sorted(folder.iterdir()):
            parts = sorted(split.glob(f"*{_PART}"), key=lambda path: int(path.name.removesuffix(_PART)[-6:]))
            with (split / "metadata.jsonl").open("wb") as metadata:
                for part in parts:
                    metadata.write(part.read_bytes())
                    part.unlink()


def folder_names(classes: Sequence[str]) -> list[str]:
    """Return the folder of each class: its name, unless that cannot be the name of a folder below."""
    taken = {name for name in classes if _is_plain(name)}
    names = []
    for number, name in enumerate(classes):
        folder = name if name in taken else f"class-{number:04d}"
        while folder in taken and folder != name:
            folder += "_"
        taken.add(folder)
        names.append(folder)
    return names


def _is_plain(name: str) -> bool:
    return name.isprintable() and "/" not in name and not name.startswith(".") and 0 < len(name.encode()) < 256


def _facts(file_name: str, row: Row) -> dict[str, Any]:
    """Return all fields of a sample but its image, as JSON has them."""
    facts = row._asdict()
    del facts["image"]
    if row.soft_label is None:
        del facts["soft_label"]
    values = {name: value.tolist() if hasattr(value, "tolist") else value for name, value in facts.items()}
    return {"file_name": file_name} | values
