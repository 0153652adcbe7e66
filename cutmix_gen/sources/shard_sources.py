"""Sources that lie in shards: a set made by this program, a WebDataset, Parquet files in Hugging Face's form."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np

from cutmix_gen.dataset.ledger import Ledger
from cutmix_gen.dataset.manifest import Manifest
from cutmix_gen.errors import SourceError
from cutmix_gen.machine import check_machine
from cutmix_gen.shards.base import DAMAGES
from cutmix_gen.sources.listing import Listing, sorted_by_class
from cutmix_gen.sources.numbering import Label, as_numbers, check_count, check_names, numbered
from cutmix_gen.sources.parquet_images import names_in, parquet_images
from cutmix_gen.sources.scan import Part, Scan, looking_through, passed_over_text, scan, source_state
from cutmix_gen.sources.walk import is_folder
from cutmix_gen.sources.webdatasets import tar_images
from cutmix_gen.storage import Place
from cutmix_gen.storage.regular_files import REGULAR, what_is

_log = logging.getLogger(__name__)

_SPLIT = re.compile(r"([A-Za-z0-9_.]+?)-\d{2,}")
"""What comes before the number in the name of a shard."""

_AT_A_TIME = 1 << 16
"""Samples that are in memory at a time."""

_LOOKED_INTO = 4
"""Shards that are listed where a part of the sources is enough."""


@dataclass(frozen=True, slots=True)
class _Shards:
    """The files of a folder that hold sources."""

    root: Path
    files: tuple[Path, ...]
    classes: tuple[str, ...]
    """Empty where the files have to tell."""
    is_own: bool
    """Whether this program has made them."""
    passed_over: Mapping[str, int] = field(default_factory=dict)
    """What lies beside them: reason to count."""


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
    with looking_through(root):
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
    with looking_through(root):
        shards = _shards_in(root)
        if shards is None:
            return source_state(root)
        facts = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in shards.files]
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def _shards_in(root: Place) -> _Shards | None:
    """Return the shards that a folder holds; None where it is no folder of shards."""
    if not isinstance(root, Path) or not root.is_dir():
        return None
    beside, hidden = _entries(root)
    if Manifest(root).exists():
        return _own(root)
    if any(is_folder(entry) and entry.name != b"data" for entry in beside):
        return None
    inside, hidden_inside = _entries(root / "data") if any(is_folder(entry) for entry in beside) else ([], 0)
    found = {
        (folder, extension): files
        for folder, entries in ((root, beside), (root / "data", inside))
        for extension in (".parquet", ".tar")
        if (files := _files(entries, extension))
    }
    if not found:
        return None
    if len(found) > 1:
        each = " and ".join(f"{len(files)} {extension} in {folder}" for (folder, extension), files in found.items())
        raise SourceError(
            f"SRC must hold shards of one kind in one folder, but there are {each}. Give a folder that has those of "
            "one kind, or links to them."
        )
    (((_, _), files),) = found.items()
    _check_splits(root, files)
    others = sum(not is_folder(entry) for entry in beside + inside) - len(files)
    beside_them = {"hidden": hidden + hidden_inside, "no shard by its name": others}
    return _Shards(root, files, (), is_own=False, passed_over=beside_them)


def _entries(folder: Path) -> tuple[list[os.DirEntry[bytes]], int]:
    """Return what a folder holds, and how many hidden things beside that."""
    with os.scandir(os.fsencode(folder)) as entries:
        every = list(entries)
    seen = [entry for entry in every if not entry.name.startswith(b".")]
    return seen, len(every) - len(seen)


def _files(entries: list[os.DirEntry[bytes]], extension: str) -> tuple[Path, ...]:
    """Return the shards of a kind, sorted.

    Raises
    ------
    SourceError
        If one is a pipe or the like: who reads it waits, perhaps for ever.
    """
    named = [entry for entry in entries if entry.name.endswith(extension.encode()) and not is_folder(entry)]
    files = tuple(sorted(Path(os.fsdecode(entry.path)) for entry in named))
    for path in files:
        found = what_is(path)
        if found != REGULAR:
            raise SourceError(f"Shards in SRC must be regular files, but {path} is {found}. Take it out of SRC.")
    return files


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
    return _Shards(root, files, manifest.read_set().classes, is_own=True)


def _check_splits(root: Path, files: tuple[Path, ...]) -> None:
    names = {match[1] for path in files if (match := _SPLIT.match(path.name))}
    if len(names) > 1:
        raise SourceError(
            f"SRC must hold the shards of one split, but {root} has {', '.join(sorted(names))}. "
            "Give a folder that has the files of one of them, or links to them."
        )


def _scan_shards(shards: _Shards, scratch: Path | None) -> Scan:
    passed_over = +Counter(shards.passed_over)
    places: dict[Label, int] = {}
    names = shards.classes
    with Listing(scratch) as listing:
        for file in shards.files:
            try:
                samples = _samples(shards, file, passed_over)
                while some := list(islice(samples, _AT_A_TIME)):
                    labels = [places.setdefault(label, len(places)) for _, _, label in some]
                    listing.add_some([(path, size) for path, size, _ in some], np.array(labels, np.int32))
                    check_count(len(places), shards.root)
                own_names = names_in(file) if file.suffix == ".parquet" else ()
            except (*DAMAGES, tarfile.TarError) as error:
                check_machine(error, file)
                said = str(error) or type(error).__name__
                raise SourceError(f"{file} cannot be read as a shard of images with labels: {said}.") from error
            _check_same(shards, file, names, own_names)
            check_count(len(own_names), shards.root)
            names = names or own_names
        rows = listing.rows()
    if listing.count < 2:
        raise SourceError(
            f"{shards.root} must hold at least two images to mix, but {listing.count} with a label were found in its "
            f"{len(shards.files)} shards{passed_over_text(passed_over)}."
        )
    written = shards.files[0].suffix == ".tar"
    known = as_numbers([str(label) for label in places], shards.root) if written else list(places)
    numbers, classes = numbered(known, names, shards.root)
    check_names(classes, shards.root)
    return Scan(classes, *sorted_by_class(rows, numbers, scratch), dict(sorted(passed_over.items())))


def _samples(shards: _Shards, file: Path, passed_over: Counter[str]) -> Iterator[tuple[bytes, int, Label]]:
    """Give path, size and label of each sample of a shard."""
    name = file.relative_to(shards.root).as_posix()
    if file.suffix == ".parquet":
        return parquet_images(file, name, passed_over, is_own=shards.is_own)
    return tar_images(file, name, passed_over, is_own=shards.is_own)


def _check_same(shards: _Shards, file: Path, names: tuple[str, ...], own_names: tuple[str, ...]) -> None:
    """Raise `SourceError` if a shard names other classes than those before it: its numbers mean something else."""
    if names and own_names and names != own_names:
        raise SourceError(
            f"The shards of SRC must name the same classes in the same order, but {file} names {len(own_names)} and "
            f"what comes before it {len(names)}, or they differ. Make {shards.root} of files of one data set."
        )
