"""Images as they are found, one after another, in columns that take no memory however many they are."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice, pairwise
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, NamedTuple, overload

import numpy as np
import numpy.typing as npt

from cutmix_gen.storage import writing

NAMELESS = ".cutmix-gen-scan-"
"""How the name of a file begins for the moment that it has one, where no file can be made without."""
_IN_MEMORY = 4 << 20
"""Bytes of a column up to which it needs no file."""
_AT_A_TIME = 1 << 16
"""Images that are taken or moved at a time."""
_SORTED = 1 << 22
"""Images that are sorted by class at a time; those of one class may be more."""

Column = npt.NDArray[Any]


class Paths(Sequence[bytes]):
    """Paths that lie one behind another in one array, as many as there are.

    Parameters
    ----------
    text : (bytes,) array of uint8
    ends : (N + 1,) array of int64
        Where each path ends in it, after a 0.
    """

    def __init__(self, text: npt.NDArray[np.uint8], ends: npt.NDArray[np.int64]) -> None:
        self._text = text
        self._ends = ends

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, place: int) -> bytes: ...
    @overload
    def __getitem__(self, place: slice) -> list[bytes]: ...
    def __getitem__(self, place: int | slice) -> bytes | list[bytes]:
        places = range(len(self))[place]
        if isinstance(places, int):
            return self._text[self._ends[places] : self._ends[places + 1]].tobytes()
        if places.step != 1:
            return [self[number] for number in places]
        ends = self._ends[places.start : places.stop + 1] if places else self._ends[:1]
        text = self._text[ends[0] : ends[-1]].tobytes()
        ends = (ends - ends[0]).tolist()
        return [text[start:stop] for start, stop in pairwise(ends)]


class Rows(NamedTuple):
    """Images, a column for each fact."""

    paths: Sequence[bytes]
    labels: npt.NDArray[np.int32]
    sizes: npt.NDArray[np.int64]


class Listing:
    """Takes images one after another, and gives them as columns.

    A column of more than some megabytes lies in a file, mapped into memory: the system takes its pages back when it
    needs the room. The files have no name, so that they go with the process, however it ends; on a network file system
    that has no such files, one may stay behind when the machine fails.

    Parameters
    ----------
    folder : Path, optional
        A folder on the disk that holds the files; by default that of the system for temporary files.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.count = 0
        """Images taken so far."""
        self._files = ExitStack()
        self._text, self._ends, self._labels, self._sizes = (
            _File(dtype, folder, self._files) for dtype in (np.uint8, np.int64, np.int32, np.int64)
        )
        self._end = np.zeros(1, np.int64)
        self._ends.write(self._end.data)

    def __enter__(self) -> Listing:
        return self

    def __exit__(self, *error: object) -> None:
        self._files.close()

    def add(self, images: Iterable[tuple[bytes, int]], label: int) -> Iterator[int]:
        """Take images of a class, (path, size in bytes) each; give how many there are by now, time and again."""
        images = iter(images)
        while some := list(islice(images, _AT_A_TIME)):
            self.add_some(some, np.full(len(some), label, np.int32))
            yield self.count

    def add_some(self, images: list[tuple[bytes, int]], labels: npt.NDArray[np.int32]) -> None:
        """Take some images of any classes."""
        paths, sizes = zip(*images, strict=True)
        ends = np.fromiter(map(len, paths), np.int64, len(paths)).cumsum() + self._end
        self._text.write(b"".join(paths))
        self._ends.write(ends.data)
        self._labels.write(labels.data)
        self._sizes.write(np.array(sizes, np.int64).data)
        self._end = ends[-1:]
        self.count += len(paths)

    def rows(self) -> Rows:
        """Return all images; they stay when the listing is closed."""
        return Rows(Paths(self._text.column(), self._ends.column()), self._labels.column(), self._sizes.column())


class _File:
    """A column while it is written."""

    def __init__(self, dtype: type[np.generic], folder: Path | None, files: ExitStack) -> None:
        self._dtype = dtype
        self._bytes = 0
        self._place = str(folder or tempfile.gettempdir())
        spooled = tempfile.SpooledTemporaryFile(_IN_MEMORY, prefix=NAMELESS, dir=self._place)  # noqa: SIM115  the listing closes it
        self._file = files.enter_context(spooled)

    def write(self, data: bytes | memoryview) -> None:
        with writing(self._place):
            self._bytes += self._file.write(data)

    def column(self) -> Column:
        with writing(self._place):
            self._file.seek(0)
        if self._bytes <= _IN_MEMORY:
            return np.frombuffer(self._file.read(), self._dtype)
        return np.frombuffer(mmap(self._file.fileno(), 0, access=ACCESS_READ), self._dtype)


def sorted_by_class(rows: Rows, numbers: npt.NDArray[np.int32], folder: Path | None = None) -> Rows:
    """Return images with their classes numbered otherwise, and in the order of these numbers.

    Images of one class stay in their order. This takes some 8 bytes of memory for each image.

    Parameters
    ----------
    rows : Rows
    numbers : (C,) array of int32
        The new number of each class.
    folder : Path, optional
        As `Listing` takes it.
    """
    labels = np.empty(len(rows.labels), np.int32)
    counts = np.zeros(int(numbers.max()) + 1, np.int64)
    for start in range(0, len(labels), _SORTED):  # NumPy would make int64 of all labels at once
        new = labels[start : start + _SORTED] = numbers[rows.labels[start : start + _SORTED]]
        counts += np.bincount(new, minlength=len(counts))
    with Listing(folder) as listing:
        for places in _by_class(labels, counts):
            for start in range(0, len(places), _AT_A_TIME):
                some = places[start : start + _AT_A_TIME]
                paths = [rows.paths[place] for place in some.tolist()]
                listing.add_some(list(zip(paths, rows.sizes[some].tolist(), strict=True)), labels[some])
        return listing.rows()


def _by_class(labels: npt.NDArray[np.int32], counts: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
    """Give the places of all images, class by class: a sort of all at once would take 16 bytes for each."""
    ends = np.cumsum(counts)
    first = done = 0
    while done < len(labels):
        stop = max(first + 1, int(np.searchsorted(ends, done + _SORTED, "right")))
        places = np.flatnonzero((labels >= first) & (labels < stop))
        yield places[np.argsort(labels[places], kind="stable")]
        first, done = stop, int(ends[stop - 1])
