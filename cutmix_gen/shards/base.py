"""What a shard format is: a writer, a reader and a file name ending."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cutmix_gen.errors import SetError
from cutmix_gen.shards.rows import Rows, RowSchema

_KEY = re.compile(r"[A-Za-z0-9_-]{1,96}")


def checked(rows: Rows, schema: RowSchema, shard: str) -> Rows:
    """Return rows after a look at what others rely on: keys become file names, labels numbers of columns.

    Raises
    ------
    SetError
        If a key or a label is none of a set.
    """
    classes = len(schema.classes)
    for key in rows.key:
        if not _KEY.fullmatch(key):
            raise SetError(f"{shard} has a sample whose key is {key[:100]!r}, which no set has.")
    for name, values in (("label", rows.label), ("label_index", rows.label_index)):
        # As unsigned numbers the negative ones are the largest.
        if (values.view(f"u{values.itemsize}") >= classes).any():
            raise SetError(f"{shard} has a {name} that is none of the {classes} classes.")
    return rows


class ShardLabels(NamedTuple):
    """What all rows of a shard are, without their images."""

    label_index: npt.NDArray[np.int32]
    """(n, S) class of each source."""
    label_weight: npt.NDArray[np.float32]
    """(n, S) share of each source."""
    strategy: list[str]


class ShardWriter(ABC):
    """Writes the rows of one shard to a file, in the order in which they come."""

    @abstractmethod
    def write(self, rows: Rows) -> None:
        """Append rows."""

    @abstractmethod
    def close(self) -> None:
        """Finish the file. Called once, after an error too, when the file is then thrown away."""

    def index(self) -> bytes:
        """Return what it takes to find single rows, of a finished file that does not tell itself."""
        return b""


class ShardReader(ABC):
    """Gives single rows of one shard. Holds one open file, closed when nobody refers to the reader any more."""

    @abstractmethod
    def __len__(self) -> int:
        """Return how many rows the file has."""

    @abstractmethod
    def near(self, row: int) -> range:
        """Return the rows that are best read together with a row by whoever wants its neighbours too."""

    @abstractmethod
    def read(self, rows: Sequence[int]) -> Rows:
        """Read rows, in the order asked for, and little else.

        Raises
        ------
        SetError
            If the file is damaged.
        """

    @abstractmethod
    def all_keys(self) -> list[str]:
        """Read the keys of all rows."""

    @abstractmethod
    def all_labels(self) -> ShardLabels:
        """Read classes, shares and strategies of all rows, and no image."""


class ShardFormat(ABC):
    """A way to hold samples in a file that other programs read. The same rows give the same bytes."""

    name: ClassVar[str]
    extension: ClassVar[str]
    """Of the shard files, without the dot."""
    needs_index: ClassVar[bool] = False
    """Whether a shard does not tell itself where its rows lie."""

    @abstractmethod
    def open_writer(self, path: Path, schema: RowSchema) -> ShardWriter:
        """Begin a shard at a path."""

    @abstractmethod
    def read(self, path: Path, schema: RowSchema) -> Iterator[Rows]:
        """Read a shard, some hundred rows at a time.

        Raises
        ------
        SetError
            If the file is no such shard or does not follow the schema.
        """

    @abstractmethod
    def open_reader(self, path: Path, schema: RowSchema, index: bytes = b"") -> ShardReader:
        """Open a shard for reading single rows.

        Parameters
        ----------
        path : Path
        schema : RowSchema
        index : bytes
            What the writer gave as the index of the file, if that is known.

        Raises
        ------
        SetError
            If the file is no such shard.
        """


DAMAGES = (
    pa.ArrowException,
    OSError,
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    OverflowError,
    RecursionError,
    MemoryError,
)
"""What readers raise on bytes that are no shard."""
