"""Scanning a folder of images, and the index that comes of it."""

from __future__ import annotations

import hashlib
import logging
import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cutmix_gen.errors import SetError, SourceError
from cutmix_gen.records import Source
from cutmix_gen.storage import Place, atomic_file, path_text, read_ahead, sha256, source_path, writing

if TYPE_CHECKING:
    from cutmix_gen.storage.objects import ObjectPath

_log = logging.getLogger(__name__)

EXTENSIONS = frozenset(
    {b"jpg", b"jpeg", b"jpe", b"jfif", b"png", b"webp", b"bmp", b"gif", b"tif", b"tiff", b"ppm", b"pgm"}
)
"""File name endings, in lower case, of what is taken for an image."""

_SPLITS = frozenset({"train", "training", "val", "valid", "validation", "test", "testing", "dev", "eval"})
_TOLD = 100_000
"""Images after which a scan says how far it is."""
_BATCH = 1 << 16
"""Rows of a record batch of the index: a row is found without reading the others."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What a folder of images holds."""

    classes: tuple[str, ...]
    """Names of the first-level folders, sorted."""
    paths: Sequence[bytes]
    """Relative to the folder, with forward slashes, sorted within each class."""
    labels: npt.NDArray[np.int32]
    """(N,) index into `classes`."""
    sizes: npt.NDArray[np.int64]
    """(N,) bytes of each file."""
    passed_over: dict[str, int]
    """What was left out: reason to count."""

    def __len__(self) -> int:
        return len(self.paths)


class Part(NamedTuple):
    """How much of a folder is looked at, where a look at some of it is enough."""

    rng: np.random.Generator
    """Chooses the classes."""
    classes: int
    """Class folders at most."""
    images: int
    """Of each class at most: the first ones that the system names."""
    named: tuple[str, ...] = ()
    """Classes that are looked at; any where one of them is not there, or none is named."""

    def folders(self, folders: list[bytes]) -> list[bytes]:
        """Return those of the class folders that are looked at."""
        named = [name for name in folders if path_text(name) in self.named]
        if named and len(named) == len(self.named):
            return named
        chosen = self.rng.choice(len(folders), min(self.classes, len(folders)), replace=False)
        return [folders[place] for place in sorted(chosen.tolist())]


def scan(root: Place, part: Part | None = None) -> Scan:
    """List the images below a folder whose first-level sub-folders are the classes.

    Images may lie deeper. Links are followed, but never in a circle. Hidden files and what has no image's name are
    passed over and counted. Names are sorted by their bytes, so that the same folder gives the same list everywhere.

    Parameters
    ----------
    root : Place
    part : Part, optional
        List that much only; the classes are all there, most without an image.

    Raises
    ------
    SourceError
        If there is no such folder, or it is not laid out like that, or it has fewer than two images.
    """
    _check_there(root)
    walk = _Walk(os.fsencode(root)) if isinstance(root, Path) else _StoreWalk(root)
    folders = walk.first_level()
    _check_layout(root, folders, walk)
    paths: list[bytes] = []
    sizes: list[int] = []
    counts = np.zeros(len(folders), np.int64)
    limit = None if part is None else part.images
    chosen = folders if part is None else part.folders(folders)
    listed = read_ahead(lambda name: sorted(islice(walk.images(name), limit)), chosen, root)
    for name, files in zip(chosen, listed, strict=True):
        paths += [path for path, _ in files]
        sizes += [size for _, size in files]
        counts[bisect_left(folders, name)] = len(files)
        if len(paths) // _TOLD > (len(paths) - len(files)) // _TOLD:
            _log.info("Scanning %s: %s images so far.", root, f"{len(paths):,}")
    classes = tuple(path_text(name) for name in folders)
    if len(paths) < 2:
        found = f"one image ({path_text(paths[0])})" if paths else "no image"
        raise SourceError(
            f"{root} must hold at least two images to mix, but {found} was found in its {len(classes)} class "
            f"folder{'s' if len(classes) > 1 else ''}{_listing(walk.passed_over)}."
        )
    labels = np.repeat(np.arange(len(classes), dtype=np.int32), counts)
    return Scan(classes, paths, labels, np.array(sizes, np.int64), dict(sorted(walk.passed_over.items())))


def _check_there(root: Place) -> None:
    if not root.is_dir():
        raise SourceError(f"SRC must be a folder of class folders, but there is no folder {root}.")


def _check_layout(root: Place, folders: list[bytes], walk: _Walk | _StoreWalk) -> None:
    if not folders:
        found = "are images directly in it" if walk.loose_images else "is none"
        raise SourceError(
            f"{root} must hold one sub-folder for each class, but there {found}. "
            "Move the images of each class into a folder of the class's name."
        )
    names = {name.decode("utf-8", "replace").lower() for name in folders}
    nested = [name for name in folders if walk.has_folders(name)] if names <= _SPLITS else []
    if nested:
        raise SourceError(
            f"{root} holds splits ({', '.join(sorted(names))}), not classes. "
            f"Give one of them as SRC, e.g. {root / os.fsdecode(nested[0])}."
        )


def _listing(passed_over: Counter[str]) -> str:
    return "".join(f"; passed over: {count} {reason}" for reason, count in sorted(passed_over.items()))


class _Walk:
    """A walk through a tree that counts what it passes over."""

    def __init__(self, root: bytes) -> None:
        self.passed_over: Counter[str] = Counter()
        self.loose_images = False
        self._root = root
        # A link to the root or to what is above it would put the images of one class into another.
        whole = Path(os.fsdecode(os.path.realpath(root)))
        self._above = frozenset(_identity(os.fsencode(folder)) for folder in (whole, *whole.parents))

    def first_level(self) -> list[bytes]:
        folders = []
        with os.scandir(self._root) as entries:
            for entry in entries:
                if entry.name.startswith(b"."):
                    self.passed_over["hidden"] += 1
                elif not _is_folder(entry):
                    self.loose_images |= _is_image_name(entry.name)
                    self.passed_over["not in a class folder"] += 1
                elif _identity(entry.path) in self._above:
                    self.passed_over["link in a circle"] += 1
                else:
                    folders.append(entry.name)
        return sorted(folders)

    def has_folders(self, name: bytes) -> bool:
        with os.scandir(source_path(self._root, name)) as entries:
            return any(_is_folder(entry) for entry in entries)

    def images(self, name: bytes) -> Iterator[tuple[bytes, int]]:
        """Give (path, size in bytes) of each image below a first-level folder, in no order."""
        folder = source_path(self._root, name)
        pending = [(folder, name, self._above | {_identity(folder)})]
        while pending:
            folder, prefix, above = pending.pop()
            with os.scandir(folder) as entries:
                for entry in entries:
                    name = entry.name
                    if name[:1] == b".":
                        self.passed_over["hidden"] += 1
                    elif _is_folder(entry):
                        identity = _identity(entry.path)
                        if identity in above:
                            self.passed_over["link in a circle"] += 1
                        else:
                            pending.append((entry.path, prefix + b"/" + name, above | {identity}))
                    elif not _is_image_name(name):
                        self.passed_over["not an image by its name"] += 1
                    elif not _is_file(entry):
                        self.passed_over["broken link or special file"] += 1
                    else:
                        yield prefix + b"/" + name, entry.stat().st_size


class _StoreWalk:
    """The same of a store: there are no links, and a listing gives the sizes too."""

    def __init__(self, root: ObjectPath) -> None:
        self.passed_over: Counter[str] = Counter()
        self.loose_images = False
        self._root = root
        self._lock = Lock()

    def first_level(self) -> list[bytes]:
        folders = []
        for name, is_file, _ in self._root.listing():
            if name.startswith("."):
                self.passed_over["hidden"] += 1
            elif is_file:
                self.loose_images |= _is_image_name(os.fsencode(name))
                self.passed_over["not in a class folder"] += 1
            else:
                folders.append(os.fsencode(name))
        return sorted(folders)

    def has_folders(self, name: bytes) -> bool:
        return any(not is_file for _, is_file, _ in (self._root / os.fsdecode(name)).listing())

    def images(self, name: bytes) -> Iterator[tuple[bytes, int]]:
        """Give (path, size in bytes) of each image below a first-level folder, in no order."""
        passed_over: Counter[str] = Counter()
        for path, is_file, size in (self._root / os.fsdecode(name)).listing(deep=True):
            if not is_file:
                continue
            if any(part.startswith(".") for part in path.split("/")):
                passed_over["hidden"] += 1
            elif not _is_image_name(os.fsencode(path)):
                passed_over["not an image by its name"] += 1
            else:
                yield name + b"/" + os.fsencode(path), size
        with self._lock:  # several folders are listed at a time
            self.passed_over += passed_over


def _is_folder(entry: os.DirEntry[bytes]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_file(entry: os.DirEntry[bytes]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link to itself
        return False


def _is_image_name(name: bytes) -> bool:
    _, dot, extension = name.rpartition(b".")
    return bool(dot) and extension.lower() in EXTENSIONS


def _identity(folder: bytes) -> tuple[int, int]:
    status = os.stat(folder)  # noqa: PTH116  names are bytes
    return status.st_dev, status.st_ino


_SCHEMA = pa.schema([("path", pa.string()), ("label", pa.int32()), ("bytes", pa.int64())])


def source_state(root: Place) -> str:
    """Return the SHA-256 over names and change times of the class folders: a file more or less in one shows.

    In a store folders have no times: there only a class more or less shows.
    """
    if not isinstance(root, Path):
        names = sorted(name for name, is_file, _ in root.listing() if not is_file)
        return hashlib.sha256(repr(names).encode()).hexdigest()
    _check_there(root)
    with os.scandir(os.fsencode(root)) as entries:
        folders = sorted((entry.name, entry.stat().st_mtime_ns) for entry in entries if _is_folder(entry))
    return hashlib.sha256(repr(folders).encode()).hexdigest()


def write_index(scanned: Scan, path: Place) -> str:
    """Write the index of a scan as an Arrow file that workers memory-map; return the file's SHA-256."""
    file = atomic_file(path)
    try:
        with (
            writing(file.path),
            pa.OSFile(os.fsencode(file.temporary), "wb") as sink,
            pa.ipc.new_file(sink, _SCHEMA) as writer,
        ):
            for start in range(0, len(scanned), _BATCH):
                part = slice(start, start + _BATCH)
                texts = [path_text(name) for name in scanned.paths[part]]
                columns = [
                    pa.array(texts, pa.string()),
                    pa.array(scanned.labels[part]),
                    pa.array(scanned.sizes[part]),
                ]
                writer.write_batch(pa.record_batch(columns, schema=_SCHEMA))
        digest = sha256(file.temporary)
        file.commit()
        return digest
    finally:
        file.discard()


def fingerprint(scanned: Scan) -> str:
    """Return the SHA-256 over all paths, classes and sizes: whether two folders hold the same sources."""
    digest = hashlib.sha256()
    for start in range(0, len(scanned), _BATCH):
        digest.update(b"\0" * (start > 0) + b"\0".join(scanned.paths[start : start + _BATCH]))
    digest.update(np.ascontiguousarray(scanned.labels).data)
    digest.update(np.ascontiguousarray(scanned.sizes).data)
    return digest.hexdigest()


class SourceIndex:
    """The sources of a run, memory-mapped: only the rows that are asked for are read.

    Parameters
    ----------
    path : Path
    class_counts : list of int
        Images of each class: the index is sorted by class.

    Raises
    ------
    SetError
        If the file is no index of so many images.
    """

    def __init__(self, path: Path, class_counts: list[int]) -> None:
        self._path = path
        self._ends = np.cumsum(class_counts)
        self._known: set[int] = set()
        with self._damage():
            self._file = pa.ipc.open_file(pa.memory_map(os.fsencode(path)))
        batches = -(-int(self._ends[-1]) // _BATCH)
        if self._file.schema != _SCHEMA or self._file.num_record_batches != batches:
            raise SetError(
                f"{path} is no index of {self._ends[-1]:,} source images. Restore it, or make the set again."
            )

    def rows(self, indices: npt.NDArray[np.int64]) -> list[Source]:
        """Return the sources at some places of the index, in the order asked for."""
        found: list[Source | None] = [None] * len(indices)
        batches, offsets = np.divmod(indices, _BATCH)
        for number in np.unique(batches).tolist():
            here = np.flatnonzero(batches == number)
            with self._damage():
                rows = self._batch(number).take(pa.array(offsets[here])).to_pydict()
            for place, row in zip(here.tolist(), zip(*rows.values(), strict=True), strict=True):
                found[place] = Source(*row)
        return [source for source in found if source is not None]

    def find(self, path: str, within: range) -> Source | None:
        """Return the source that has a path, looked for in a part of the index; None where there is none."""
        with self._damage():
            for number in range(within.start // _BATCH, -(-within.stop // _BATCH)):
                rows = self._batch(number)
                place = pc.index(rows.column("path"), path).as_py()
                if place >= 0:
                    return Source(*rows.slice(place, 1).to_pylist()[0].values())
        return None

    def _batch(self, number: int) -> pa.RecordBatch:
        """Return a batch, after a look at all of it when it is first asked for."""
        batch = self._file.get_batch(number)
        if number not in self._known:
            batch.validate(full=True)
            start = number * _BATCH
            if any(column.null_count for column in batch.columns):
                raise ValueError("a field is null")
            labels = np.searchsorted(self._ends, np.arange(start, start + len(batch)), "right")
            if (
                not np.array_equal(batch.column("label").to_numpy(), labels)
                or batch.column("bytes").to_numpy().min() < 0
            ):
                raise ValueError("it has other images than its run")
            self._known.add(number)
        return batch

    @contextmanager
    def _damage(self) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError, ValueError, IndexError, MemoryError) as error:
            raise SetError(f"{self._path} cannot be read as an index of source images: {error}") from error
