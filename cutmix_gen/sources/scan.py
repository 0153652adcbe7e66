"""Scanning a folder of images."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cutmix_gen.errors import MachineError, SourceError, StorageError
from cutmix_gen.sources.listing import Listing
from cutmix_gen.sources.numbering import check_count
from cutmix_gen.sources.walk import StoreWalk, Walk, is_folder
from cutmix_gen.storage import Place, path_text, read_ahead
from cutmix_gen.text import printable

_log = logging.getLogger(__name__)

_SPLITS = frozenset({"train", "training", "val", "valid", "validation", "test", "testing", "dev", "eval"})
_TOLD = 100_000
"""Images after which a scan says how far it is."""
_LONGEST = 300
"""Characters of a path that an error quotes."""
_NAMED = 5
"""Class folders that a warning names at most."""
_PIECE = 1 << 16
"""Paths that are hashed at a time."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What a folder of images holds."""

    classes: tuple[str, ...]
    """Names of the first-level folders, sorted."""
    paths: Sequence[bytes]
    """Relative to the folder, with forward slashes, sorted within each class."""
    labels: npt.NDArray[np.int32]
    """(N,) index into `classes`, sorted."""
    sizes: npt.NDArray[np.int64]
    """(N,) bytes of each file."""
    passed_over: dict[str, int]
    """What was left out: reason to count."""

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def class_counts(self) -> npt.NDArray[np.int64]:
        """(C,) images of each class."""
        bounds = np.arange(len(self.classes) + 1, dtype=np.int32)  # of another type, all labels would be copied
        return np.diff(np.searchsorted(self.labels, bounds))


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


def scan(root: Place, part: Part | None = None, scratch: Path | None = None) -> Scan:
    """List the images below a folder whose first-level sub-folders are the classes.

    Images may lie deeper. Links are followed, but never in a circle. Hidden files and what has no image's name are
    passed over and counted. Names are sorted by their bytes, so that the same folder gives the same list everywhere.

    What grows with the number of images lies on disk: in memory are the names of one folder at a time and of those
    above it, 200 bytes for each, and in a store those of some classes at a time.

    Parameters
    ----------
    root : Place
    part : Part, optional
        List that much only; the classes are all there, most without an image.
    scratch : Path, optional
        A folder on the disk that holds the list while it is in use; by default that for temporary files.

    Raises
    ------
    SourceError
        If there is no such folder, or it is not laid out like that, or it has fewer than two images.
    """
    _check_there(root)
    walk = Walk(os.fsencode(root)) if isinstance(root, Path) else StoreWalk(root)
    folders = walk.first_level()
    _check_layout(root, folders, walk)
    check_count(len(folders), root)
    limit = None if part is None else part.images
    chosen = folders if part is None else part.folders(folders)
    told = _TOLD
    with Listing(scratch) as listing:
        listed = read_ahead(lambda name: walk.images(name, limit), chosen, root)
        for name, images in zip(chosen, listed, strict=True):
            for count in listing.add(images, bisect_left(folders, name)):
                if count >= told:
                    _log.info("Scanning %s: %s images so far.", root, f"{count:,}")
                    told = count + _TOLD
        rows = listing.rows()
    classes = tuple(path_text(name) for name in folders)
    if len(rows.paths) < 2:
        found = f"one image ({path_text(rows.paths[0])})" if rows.paths else "no image"
        raise SourceError(
            f"{root} must hold at least two images to mix, but {found} was found in its {len(classes)} class "
            f"folder{'s' if len(classes) > 1 else ''}{passed_over_text(walk.passed_over)}."
        )
    scanned = Scan(classes, *rows, dict(sorted(walk.passed_over.items())))
    if part is None:
        _warn_of_empty(scanned)
    return scanned


@contextmanager
def looking_through(root: Place) -> Iterator[None]:
    """Say in this program's words why SRC cannot be looked through.

    Raises
    ------
    SourceError
        If a folder cannot be opened, or is gone since its name was read: without it the set would lack images.
    MachineError
        If no file at all can be opened.
    """
    try:
        yield
    except StorageError:
        raise  # says what is wrong with a store already
    except OSError as error:
        where = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else str(root)
        where = where if len(where) <= _LONGEST else f"{where[:_LONGEST]}..."
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        remedy = _REMEDIES.get(error.errno or 0, "See to it")
        if error.errno in _OF_THE_MACHINE:
            raise MachineError(f"{where} cannot be looked into: {reason}. {remedy}.") from error
        raise SourceError(
            f"All of SRC must be readable, but {where} cannot be looked into: {reason}. {remedy}, and give the same "
            "command again."
        ) from error


_OF_THE_MACHINE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""What the system says when it can open no file, whichever it is."""

_REMEDIES = {
    errno.EACCES: "Make it readable for you (`chmod -R u+rX`), or move it out of SRC",
    errno.EPERM: "Make it readable for you, or move it out of SRC",
    errno.ENOENT: "It was there a moment ago: wait until nobody changes SRC any more",
    errno.ENOTDIR: "It was a folder a moment ago: wait until nobody changes SRC any more",
    errno.ELOOP: "Take away the links that lead in a circle",
    errno.ENAMETOOLONG: "Bring what lies so deep further up",
    errno.EMFILE: "Have the limit on open files raised (`ulimit -n`)",
    errno.ENFILE: "Have the limit on open files raised (`ulimit -n`)",
    errno.ENOMEM: "Give the machine more memory",
}
"""What to do, by what the system says."""


def _warn_of_empty(scanned: Scan) -> None:
    """Say which classes have no image: they count as classes all the same, and somebody may have forgotten them."""
    empty = [scanned.classes[label] for label in np.flatnonzero(scanned.class_counts == 0).tolist()]
    if empty:
        named = ", ".join(map(printable, empty[:_NAMED])) + (", ..." if len(empty) > _NAMED else "")
        if len(empty) == 1:
            _log.warning("One class folder holds no image, but counts as a class: %s.", named)
        else:
            _log.warning("%s class folders hold no image, but count as classes: %s.", f"{len(empty):,}", named)


def _check_there(root: Place) -> None:
    if not root.is_dir():
        found = f"{root} is a file" if root.exists() else f"there is no folder {root}"
        raise SourceError(f"SRC must be a folder of class folders, but {found}.")


def _check_layout(root: Place, folders: list[bytes], walk: Walk | StoreWalk) -> None:
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


def passed_over_text(passed_over: Counter[str]) -> str:
    """Return what an error says of that which was left out."""
    return "".join(f"; passed over: {count} {reason}" for reason, count in sorted(passed_over.items()))


def source_state(root: Place) -> str:
    """Return the SHA-256 over names and change times of the class folders: a file more or less in one shows.

    In a store folders have no times: there only a class more or less shows.
    """
    if not isinstance(root, Path):
        names = sorted(name for name, is_file, _ in root.listing() if not is_file)
        return hashlib.sha256(repr(names).encode()).hexdigest()
    _check_there(root)
    with os.scandir(os.fsencode(root)) as entries:
        folders = sorted((entry.name, entry.stat().st_mtime_ns) for entry in entries if is_folder(entry))
    return hashlib.sha256(repr(folders).encode()).hexdigest()


def fingerprint(scanned: Scan) -> str:
    """Return the SHA-256 over all paths, classes and sizes: whether two folders hold the same sources."""
    digest = hashlib.sha256()
    for start in range(0, len(scanned), _PIECE):
        digest.update(b"\0" * (start > 0) + b"\0".join(scanned.paths[start : start + _PIECE]))
    digest.update(np.ascontiguousarray(scanned.labels).data)
    digest.update(np.ascontiguousarray(scanned.sizes).data)
    return digest.hexdigest()
