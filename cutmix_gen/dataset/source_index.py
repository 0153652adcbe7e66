"""The index of the sources of a run: an Arrow file that workers memory-map."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cutmix_gen.dataset.records import Source
from cutmix_gen.errors import SetError
from cutmix_gen.machine import check_machine
from cutmix_gen.storage import Place, atomic_file, path_text, regular, sha256, writing

_BATCH = 1 << 16
"""Rows of a record batch: a row is found without reading the others."""
_SCHEMA = pa.schema([("path", pa.string()), ("label", pa.int32()), ("bytes", pa.int64())])


class SourceColumns(Protocol):
    """The sources of a run, sorted by class: a column for each property of them."""

    @property
    def paths(self) -> Sequence[bytes]:
        """Relative to SRC."""

    @property
    def labels(self) -> npt.NDArray[np.int32]:
        """(N,) index of the class of each source."""

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """(N,) bytes of each file."""


def write_index(sources: SourceColumns, path: Place) -> str:
    """Write the index of the sources of a run; return the file's SHA-256."""
    file = atomic_file(path)
    try:
        with (
            writing(file.path),
            pa.OSFile(os.fsencode(file.temporary), "wb") as sink,
            pa.ipc.new_file(sink, _SCHEMA) as writer,
        ):
            for start in range(0, len(sources.paths), _BATCH):
                part = slice(start, start + _BATCH)
                texts = [path_text(name) for name in sources.paths[part]]
                columns = [
                    pa.array(texts, pa.string()),
                    pa.array(sources.labels[part]),
                    pa.array(sources.sizes[part]),
                ]
                writer.write_batch(pa.record_batch(columns, schema=_SCHEMA))
        digest = sha256(file.temporary)
        file.commit()
        return digest
    finally:
        file.discard()


class SourceIndex:
    """The sources of a run, memory-mapped: only the rows that are asked for are read, and looked at before.

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
            self._file = pa.ipc.open_file(pa.memory_map(regular(path)))
        batches = -(-int(self._ends[-1]) // _BATCH)
        if self._file.schema != _SCHEMA or self._file.num_record_batches != batches:
            raise SetError(
                f"{path} is no index of {self._ends[-1]:,} source images. Restore it, or make the set again."
            )

    def rows(self, indices: npt.NDArray[np.int64]) -> list[Source]:
        """Return the sources at some places of the index, in the order asked for."""
        found: list[Source | None] = [None] * len(indices)
        batches = indices // _BATCH
        for number in np.unique(batches).tolist():
            here = np.flatnonzero(batches == number)
            with self._damage():
                for place, source in zip(here.tolist(), self._some(number, indices[here]), strict=True):
                    found[place] = source
        return [source for source in found if source is not None]

    def find(self, path: str, within: range) -> Source | None:
        """Return the source that has a path, looked for in a part of the index; None where there is none."""
        import pyarrow.compute as pc  # noqa: PLC0415  takes as long to import as the rest of pyarrow, and no run needs it

        with self._damage():
            for number in range(within.start // _BATCH, -(-within.stop // _BATCH)):
                place = pc.index(self._whole(number).column("path"), path).as_py()
                if place >= 0:
                    return self._some(number, np.array([number * _BATCH + place]))[0]
        return None

    def _some(self, number: int, indices: npt.NDArray[np.int64]) -> list[Source]:
        """Return rows of a batch, after a look at these rows alone: those of a task lie all over the index."""
        batch = self._batch(number)
        offsets, text = (memoryview(buffer or b"") for buffer in batch.column("path").buffers()[1:])
        ends, rows = np.frombuffer(offsets, np.int32), indices - number * _BATCH
        starts, stops = ends[rows], ends[rows + 1]
        labels, sizes = (batch.column(name).to_numpy()[rows] for name in ("label", "bytes"))
        if not (np.all(starts >= 0) and np.all(starts <= stops) and np.all(stops <= len(text))):
            raise ValueError("a path lies outside of its text")
        self._check(indices, labels, sizes)
        places = zip(starts.tolist(), stops.tolist(), strict=True)
        paths = [str(text[start:stop], "utf-8") for start, stop in places]
        return list(map(Source._make, zip(paths, labels.tolist(), sizes.tolist(), strict=True)))

    def _whole(self, number: int) -> pa.RecordBatch:
        """Return a batch, after a look at all of it when it is first asked for."""
        batch = self._batch(number)
        if number not in self._known:
            batch.validate(full=True)
            indices = np.arange(number * _BATCH, number * _BATCH + len(batch))
            self._check(indices, batch.column("label").to_numpy(), batch.column("bytes").to_numpy())
            self._known.add(number)
        return batch

    def _batch(self, number: int) -> pa.RecordBatch:
        """Return a batch whose columns have as many rows as they should, and no null among them."""
        batch = self._file.get_batch(number)
        batch.validate()
        if len(batch) != min(_BATCH, int(self._ends[-1]) - number * _BATCH):
            raise ValueError("it has other images than its run")
        if any(column.null_count for column in batch.columns):
            raise ValueError("a field is null")
        return batch

    def _check(
        self, indices: npt.NDArray[np.int64], labels: npt.NDArray[np.int32], sizes: npt.NDArray[np.int64]
    ) -> None:
        if not np.array_equal(labels, np.searchsorted(self._ends, indices, "right")) or sizes.min() < 0:
            raise ValueError("it has other images than its run")

    @contextmanager
    def _damage(self) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError, ValueError, IndexError, MemoryError) as error:
            check_machine(error, self._path)
            raise SetError(f"{self._path} cannot be read as an index of source images: {error}") from error
