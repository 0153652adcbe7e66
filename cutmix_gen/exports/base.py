"""What an export does: the rows of a shard to files of another kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from cutmix_gen.dataset.layout import ShardName
from cutmix_gen.shards.rows import Rows, RowSchema


class Export(ABC):
    """A form that a set's samples can take, written shard by shard, several at a time."""

    name: ClassVar[str]

    @abstractmethod
    def write(self, folder: Path, shard: ShardName, rows: Iterator[Rows], schema: RowSchema) -> int:
        """Write the samples of one shard.

        Parameters
        ----------
        folder : Path
        shard : ShardName
        rows : iterator of Rows
        schema : RowSchema

        Returns
        -------
        int
            Samples.
        """

    @abstractmethod
    def finish(self, folder: Path, schema: RowSchema) -> None:
        """Write what is about all shards; called once, when they are written."""
