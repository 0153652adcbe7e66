"""Walking through class folders: which files are images, which are passed over, and in which order they come."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from operator import itemgetter
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from cutmix_gen.sources.read import source_path

if TYPE_CHECKING:
    from cutmix_gen.storage.objects import ObjectPath

EXTENSIONS = frozenset(
    {b"jpg", b"jpeg", b"jpe", b"jfif", b"png", b"webp", b"bmp", b"gif", b"tif", b"tiff", b"ppm", b"pgm"}
)
"""File name endings, in lower case, of what is taken for an image."""

Image = tuple[bytes, int]
"""Path relative to SRC, and size in bytes."""


class _Folder(NamedTuple):
    """A folder that is to be looked into."""

    place: bytes
    above: frozenset[tuple[int, int]]
    """What it is and what it lies in: a link to one of these is a circle."""


class Walk:
    """A walk through a tree that counts what it passes over."""

    def __init__(self, root: bytes) -> None:
        self.passed_over: Counter[str] = Counter()
        self.loose_images = False
        self._root = root
        # A link to the root or to what is above it would put the images of one class into another.
        whole = Path(os.fsdecode(os.path.realpath(root)))
        self._above = frozenset(_identity(os.fsencode(folder)) for folder in (whole, *whole.parents))

    def first_level(self) -> list[bytes]:
        """Return the names of the class folders, sorted."""
        folders = []
        with os.scandir(self._root) as entries:
            for entry in entries:
                if entry.name.startswith(b"."):
                    self.passed_over["hidden"] += 1
                elif not is_folder(entry):
                    self.loose_images |= _is_image_name(entry.name)
                    self.passed_over["not in a class folder"] += 1
                elif _identity(entry.path) in self._above:
                    self.passed_over["link in a circle"] += 1
                else:
                    folders.append(entry.name)
        return sorted(folders)

    def has_folders(self, name: bytes) -> bool:
        """Tell whether a class folder has folders in it."""
        with os.scandir(source_path(self._root, name)) as entries:
            return any(is_folder(entry) for entry in entries)

    def images(self, name: bytes, limit: int | None = None) -> Iterable[Image]:
        """Give the images below a class folder, sorted by the bytes of their paths; or the first ones that are found.

        One folder at a time is in memory, and those it lies in: a folder's path sorts with a slash at its end, so
        that all that lies in it stands together.
        """
        if limit is not None:
            return sorted(islice(self._in_no_order(name), limit))
        return self._in_order(name)

    def _in_order(self, name: bytes) -> Iterator[Image]:
        pending: list[tuple[bytes, int | _Folder]] = [(name + b"/", self._first(name))]
        while pending:
            path, found = pending.pop()
            if isinstance(found, int):
                yield path, found
            else:
                pending += sorted(self._entries(path, found), key=itemgetter(0), reverse=True)

    def _in_no_order(self, name: bytes) -> Iterator[Image]:
        pending = [(name + b"/", self._first(name))]
        while pending:
            for path, found in self._entries(*pending.pop()):
                if isinstance(found, int):
                    yield path, found
                else:
                    pending.append((path, found))

    def _first(self, name: bytes) -> _Folder:
        place = source_path(self._root, name)
        return _Folder(place, self._above | {_identity(place)})

    def _entries(self, prefix: bytes, folder: _Folder) -> Iterator[tuple[bytes, int | _Folder]]:
        """Give the images in a folder with their sizes, and the folders in it, whose paths end with a slash."""
        with os.scandir(folder.place) as entries:
            for entry in entries:
                name = entry.name
                if name[:1] == b".":
                    self.passed_over["hidden"] += 1
                elif is_folder(entry):
                    identity = _identity(entry.path)
                    if identity in folder.above:
                        self.passed_over["link in a circle"] += 1
                    else:
                        yield prefix + name + b"/", _Folder(entry.path, folder.above | {identity})
                elif not _is_image_name(name):
                    self.passed_over["not an image by its name"] += 1
                elif (size := _size(entry)) is None:
                    self.passed_over["broken link or special file"] += 1
                else:
                    yield prefix + name, size


class StoreWalk:
    """The same of a store: there are no links, and a listing gives the sizes too."""

    def __init__(self, root: ObjectPath) -> None:
        self.passed_over: Counter[str] = Counter()
        self.loose_images = False
        self._root = root
        self._lock = Lock()

    def first_level(self) -> list[bytes]:
        """Return the names of the class folders, sorted."""
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
        """Tell whether a class folder has folders in it."""
        return any(not is_file for _, is_file, _ in (self._root / os.fsdecode(name)).listing())

    def images(self, name: bytes, limit: int | None = None) -> Iterable[Image]:
        """Give the images below a class folder, sorted by the bytes of their paths; or the first ones that are found.

        A store names all objects of a class folder at once; the listings of several folders are in memory.
        """
        return sorted(islice(self._in_no_order(name), limit))

    def _in_no_order(self, name: bytes) -> Iterator[Image]:
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


def is_folder(entry: os.DirEntry[bytes]) -> bool:
    """Tell whether something is a folder, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _size(entry: os.DirEntry[bytes]) -> int | None:
    """Return the size of a regular file in bytes; None for what is none, or is gone by now."""
    try:
        is_file = entry.is_file()
    except OSError:  # a link to itself
        return None
    try:
        return entry.stat().st_size if is_file else None
    except FileNotFoundError:
        return None


def _is_image_name(name: bytes) -> bool:
    _, dot, extension = name.rpartition(b".")
    return bool(dot) and extension.lower() in EXTENSIONS


def _identity(folder: bytes) -> tuple[int, int]:
    status = os.stat(folder)  # noqa: PTH116  names are bytes
    return status.st_dev, status.st_ino
