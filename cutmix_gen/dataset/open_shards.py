"""The shards that a process has open, and where their last reader stands."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cutmix_gen import storage
from cutmix_gen.codecs import best_codec, make_codec
from cutmix_gen.codecs.base import Codec
from cutmix_gen.dataset.info import SetInfo
from cutmix_gen.dataset.layout import Position
from cutmix_gen.dataset.manifest import Manifest
from cutmix_gen.dataset.plan import Plan, plan_of
from cutmix_gen.dataset.records import ShardHead
from cutmix_gen.errors import SetError
from cutmix_gen.shapes import Pixels
from cutmix_gen.shards import ShardLabels, ShardReader, checked, shard_format
from cutmix_gen.shards.rows import Row, Rows

_OPEN = 64
"""Shards that a process has open at a time at most."""
_WINDOWS = 4
"""Lots of neighbouring rows that are held for whoever reads on: a row group is 64 MB at most, most are far smaller."""
_STEP = 8
"""Who asks for a row at most so far behind the last one of a shard reads on, and gets its neighbours too."""


class _Shard:
    """An open shard, and where its last reader stands."""

    def __init__(self, reader: ShardReader) -> None:
        self.reader = reader
        self.last = -1 - _STEP
        self.positions: list[int] | None = None


class OpenShards:
    """What a process has open of a set. Another process that gets it, by whatever way, begins with nothing open."""

    def __init__(self, root: storage.Place, info: SetInfo, limit: int) -> None:
        self.root = root
        self.info = info
        self.limit = limit
        self._format = shard_format(info.shard_format)
        self._begin()

    def __reduce__(self) -> tuple[type[OpenShards], tuple[storage.Place, SetInfo, int]]:
        return OpenShards, (self.root, self.info, self.limit)

    def _begin(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._shards: OrderedDict[int, _Shard] = OrderedDict()
        self._windows: OrderedDict[int, tuple[range, Rows]] = OrderedDict()
        self._plans: dict[int, Plan] = {}
        self._codec: Codec | None = None
        self._max_pixels = 0

    def _mine(self) -> threading.Lock:
        """Return the lock, after leaving behind what a fork has copied."""
        if self._process != os.getpid():
            self._begin()
        return self._lock

    def row(self, head: ShardHead, row: int) -> Row:
        """Return a row; whoever reads on has its neighbours held ready."""
        with self._mine():
            held = self._windows.get(head.shard)
            if held is not None and row in held[0]:
                return held[1].row(row - held[0].start)
            shard = self._shard(head)
            near = shard.reader.near(row) if 0 < row - shard.last <= _STEP else range(row, row + 1)
            shard.last = row
            rows = checked(shard.reader.read(near), self.info.schema, head.file)
            if len(near) > 1:
                shard.last = near[-1]
                self._windows[head.shard] = near, rows
                self._windows.move_to_end(head.shard)
                if len(self._windows) > _WINDOWS:
                    self._windows.popitem(last=False)
            return rows.row(row - near.start)

    def rows(self, head: ShardHead, rows: Sequence[int]) -> Rows:
        """Return some rows of a shard."""
        with self._mine():
            return checked(self._shard(head).reader.read(rows), self.info.schema, head.file)

    def labels(self, head: ShardHead) -> ShardLabels:
        """Return classes, shares and strategies of a shard."""
        with self._mine():
            return self._shard(head).reader.all_labels()

    def positions(self, head: ShardHead) -> list[int]:
        """Return the positions of a shard's rows in the order of their run, which ascend."""
        with self._mine():
            shard = self._shard(head)
            if shard.positions is None:
                keys = [Position.parse(key) for key in shard.reader.all_keys()]
                found = [key.position for key in keys if key]
                if len(found) < len(keys) or found != sorted(set(found)):
                    raise SetError(f"{head.file} has keys that do not ascend. `cutmix-gen verify` says more.")
                shard.positions = found
            return shard.positions

    def plan(self, run: int) -> Plan:
        """Return the plan of a run."""
        with self._mine():
            if run not in self._plans:
                self._plans[run] = plan_of(Manifest(self.root).read_run(run), self.root)
            return self._plans[run]

    def runs(self) -> list[int]:
        """Return the numbers of the runs of the set, whatever they have made."""
        return Manifest(self.root).run_numbers()

    def max_pixels(self) -> int:
        """Return how many pixels a sample may have, here and in this set."""
        with self._mine():
            self._max_pixels = self._max_pixels or min(Manifest(self.root).max_pixels(), self.limit)
            return self._max_pixels

    def pixels(self, row: Row) -> Pixels:
        """Decode an image.

        Raises
        ------
        SetError
            If it is damaged.
        """
        if self._codec is None:
            self._codec = make_codec(best_codec(), self.max_pixels())
        try:
            pixels = self._codec.decode(row.image, self.info.mode, _at_full_size).pixels
        except Exception as error:
            from cutmix_gen.codecs.pillow import check_room_for  # noqa: PLC0415  see make_codec

            check_room_for(row.image, self.max_pixels())
            raise SetError(f"The image of {row.key} cannot be decoded: {type(error).__name__}: {error}") from error
        return pixels if pixels.flags.writeable else pixels.copy()

    def _file(self, head: ShardHead) -> Path:
        file = self.root / head.file
        if isinstance(file, Path):
            return file
        return storage.cached(file, Manifest(self.root).read_record(head.shard).sha256)

    def _shard(self, head: ShardHead) -> _Shard:
        shard = self._shards.get(head.shard)
        if shard is None:
            index = Manifest(self.root).read_index(head.shard) if self._format.needs_index else b""
            shard = _Shard(self._format.open_reader(self._file(head), self.info.schema, index))
            if len(shard.reader) != head.samples:
                raise SetError(
                    f"{head.file} has {len(shard.reader):,} samples, its record says {head.samples:,}. "
                    "`cutmix-gen verify` says more."
                )
            self._shards[head.shard] = shard
            if len(self._shards) > _OPEN:
                self._shards.popitem(last=False)  # closed when the last thread that reads from it lets go
        self._shards.move_to_end(head.shard)
        return shard


def _at_full_size(_size: Any) -> int:
    return 1
