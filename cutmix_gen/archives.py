"""Sources that lie in shards: a set made by this program, a WebDataset, Parquet files in Hugging Face's form."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cutmix_gen.errors import SourceError
from cutmix_gen.ledger import Ledger
from cutmix_gen.listing import Listing, sorted_by_class
from cutmix_gen.manifest import Manifest
from cutmix_gen.shards.pages import Chunk, PlainPages, image_chunk
from cutmix_gen.source import Part, Scan, passed_over_text, scan, source_state
from cutmix_gen.storage import Place
from cutmix_gen.storage.members import member_path
from cutmix_gen.walk import EXTENSIONS

_log = logging.getLogger(__name__)

_SPLIT = re.compile(r"([A-Za-z0-9_.]+?)-\d{2,}")
"""What comes before the number in the name of a shard."""

_AT_A_TIME = 1 << 16
"""Samples that are in memory at a time."""

_MOST_CLASSES = 1_000_000
"""Classes where shards have numbers only: a label beyond is damage."""

_LOOKED_INTO = 4
"""Shards that are listed where a part of the sources is enough."""

Label = int | str


@dataclass(frozen=True, slots=True)
class _Shards:
    """The files of a folder that hold sources."""

    root: Path
    files: tuple[Path, ...]
    classes: tuple[str, ...]
    """Empty where the files have to tell."""


def scan_source(root: Place, part: Part | None = None, scratch: Path | None = None) -> Scan:
    """List the images of SRC: a folder of class folders, or one of shards.

    Parameters
    ----------
    root : Place
    part : Part, optional
        List so many classes and images only; of shards, a few.
    scratch : Path, optional
        A folder on the disk that holds the list while it is in use; by default that for temporary files.

    Raises
    ------
    SourceError
        If it is neither, or has fewer than two images.
    """
    _log.info("Scanning %s.", root)
    shards = _shards_in(root)
    if shards is None:
        scanned = scan(root, part, scratch)
    else:
        scanned = _scan_shards(shards if part is None else _some_of(shards, part), scratch)
    _log.info("Planning for %s images of %s classes.", f"{len(scanned):,}", f"{len(scanned.classes):,}")
    return scanned


def _some_of(shards: _Shards, part: Part) -> _Shards:
    """Return some of the shards, chosen by chance."""
    chosen = part.rng.choice(len(shards.files), min(_LOOKED_INTO, len(shards.files)), replace=False)
    return replace(shards, files=tuple(shards.files[place] for place in sorted(chosen.tolist())))


def state_of_source(root: Place) -> str:
    """Return a digest that changes when SRC does, as far as a quick look tells."""
    shards = _shards_in(root)
    if shards is None:
        return source_state(root)
    facts = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in shards.files]
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def _shards_in(root: Place) -> _Shards | None:
    """Return the shards that a folder holds; None where it is no folder of shards."""
    if not isinstance(root, Path) or not root.is_dir():
        return None
    if Manifest(root).exists():
        return _own(root)
    folders = [path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")]
    if not set(folders) <= {"data"}:
        return None
    for folder in (root, root / "data"):
        for extension in ("parquet", "tar"):
            files = tuple(sorted(folder.glob(f"*.{extension}")))
            if files:
                _check_splits(root, files)
                return _Shards(root, files, ())
    return None


def _own(root: Path) -> _Shards:
    """Return the originals of a set that this program made."""
    manifest = Manifest(root)
    heads = list(Ledger(manifest).heads())
    files = tuple(root / head.file for head in heads if head.kind == "original")
    if not files or len(heads) < len(manifest.planned_shards()):
        raise SourceError(
            f"SRC is a set made by cutmix-gen, whose originals are taken. It must have some and be finished, "
            f"but {root} has {len(files)} shards of originals, and {len(heads)} of {len(manifest.planned_shards())} "
            "shards in all."
        )
    _check_splits(root, files)
    return _Shards(root, files, manifest.read_set().classes)


def _check_splits(root: Path, files: tuple[Path, ...]) -> None:
    names = {match[1] for path in files if (match := _SPLIT.match(path.name))}
    if len(names) > 1:
        raise SourceError(
            f"SRC must hold the shards of one split, but {root} has {', '.join(sorted(names))}. "
            "Give a folder that has the files of one of them, or links to them."
        )


def _scan_shards(shards: _Shards, scratch: Path | None) -> Scan:
    passed_over: Counter[str] = Counter()
    places: dict[Label, int] = {}
    classes = shards.classes
    with Listing(scratch) as listing:
        for file in shards.files:
            try:
                read = _parquet_images if file.suffix == ".parquet" else _tar_images
                samples = read(shards.root, file, passed_over)
                while some := list(islice(samples, _AT_A_TIME)):
                    labels = [places.setdefault(label, len(places)) for _, _, label in some]
                    listing.add_some([(path, size) for path, size, _ in some], np.array(labels, np.int32))
                classes = classes or _names_in(file)
            except (pa.ArrowException, tarfile.TarError, OSError, ValueError, KeyError) as error:
                raise SourceError(f"{file} cannot be read as a shard of images with labels: {error}") from error
        rows = listing.rows()
    if listing.count < 2:
        raise SourceError(
            f"{shards.root} must hold at least two images to mix, but {listing.count} with a label were found in its "
            f"{len(shards.files)} shards{passed_over_text(passed_over)}."
        )
    numbers, classes = _numbered(list(places), classes, shards.root)
    return Scan(classes, *sorted_by_class(rows, numbers, scratch), dict(sorted(passed_over.items())))


def _numbered(
    labels: list[Label], classes: tuple[str, ...], root: Path
) -> tuple[np.ndarray[Any, np.dtype[np.int32]], tuple[str, ...]]:
    """Return the number of each label, and the names of the classes: numbers where nobody names them."""
    if any(isinstance(label, str) for label in labels):
        names = tuple(sorted({str(label) for label in labels}))
        number_of = {name: number for number, name in enumerate(names)}
        return np.array([number_of[str(label)] for label in labels], np.int32), names
    last = max(map(int, labels))
    if classes and last >= len(classes):
        raise SourceError(f"{root} has the label {last}, but names {len(classes)} classes only.")
    if last >= _MOST_CLASSES or min(map(int, labels)) < 0:
        raise SourceError(
            f"{root} must have labels from 0 to {_MOST_CLASSES - 1:,}, but it has {min(map(int, labels))} to {last}."
        )
    return np.array(labels, np.int32), classes or tuple(map(str, range(last + 1)))


def _tar_images(root: Path, file: Path, passed_over: Counter[str]) -> Iterator[tuple[bytes, int, Label]]:
    """Give path, size and label of each sample of a WebDataset that has an image and a class."""
    name = file.relative_to(root).as_posix()
    with tarfile.open(file, "r:") as tar:
        for _, group in groupby((member for member in tar if member.isreg()), key=lambda member: _key(member.name)):
            members = {member.name.rpartition("/")[2].partition(".")[2].lower(): member for member in group}
            image = next((member for kind, member in members.items() if kind.encode() in EXTENSIONS), None)
            cls = members.get("cls")
            if image is None or cls is None:
                passed_over["sample without an image or a cls"] += 1
                continue
            content = tar.extractfile(cls)
            text = content.read().decode().strip() if content else ""
            label = int(text) if text.isdecimal() else text
            yield member_path(name, str(image.offset_data), image.size, image.name), image.size, label


def _key(name: str) -> str:
    """Return what the members of one sample have in common: the path up to the first dot of the last part."""
    folder, slash, last = name.rpartition("/")
    return folder + slash + last.partition(".")[0]


def _parquet_images(root: Path, file: Path, passed_over: Counter[str]) -> Iterator[tuple[bytes, int, Label]]:
    """Give path, size and label of each row of a Parquet file that has an image and a label."""
    name = file.relative_to(root).as_posix()
    source = pa.OSFile(os.fsencode(file))
    parquet = pq.ParquetFile(source)
    columns = parquet.schema_arrow.names
    if "image" not in columns or "label" not in columns:
        raise ValueError(f"it must have the columns image and label, but it has {', '.join(columns)}")
    row = 0
    for group in range(parquet.metadata.num_row_groups):
        labels = parquet.read_row_group(group, columns=["label"], use_threads=False).column("label").to_pylist()
        chunk = image_chunk(parquet.metadata, group)
        places = _byte_places(source, chunk) if chunk else _row_places(parquet, group)
        for label, (where, size) in zip(labels, places, strict=True):
            if label is None or label == -1 or not size:
                passed_over["row without an image or a label"] += 1
            else:
                yield member_path(name, where, size, f"{row:09d}"), size, label
            row += 1


def _byte_places(source: pa.NativeFile, chunk: Chunk) -> Iterator[tuple[str, int]]:
    for begin, size in PlainPages(source, chunk).places():
        yield str(begin), size


def _row_places(parquet: pq.ParquetFile, group: int) -> Iterator[tuple[str, int]]:
    images = parquet.read_row_group(group, columns=["image"], use_threads=False).column("image").combine_chunks()
    contents = images.field("bytes") if pa.types.is_struct(images.type) else images
    for row, content in enumerate(contents):
        yield f"{group}.{row}", len(content.as_buffer()) if content.is_valid else 0


def _names_in(file: Path) -> tuple[str, ...]:
    """Return the classes that a Parquet file names, as `datasets` writes them."""
    if file.suffix != ".parquet":
        return ()
    with pa.OSFile(os.fsencode(file)) as source:
        metadata = pq.read_schema(source).metadata or {}
    facts = json.loads(metadata.get(b"huggingface", b"{}"))
    label = facts.get("info", {}).get("features", {}).get("label", {})
    return tuple(map(str, label.get("names", ())))
