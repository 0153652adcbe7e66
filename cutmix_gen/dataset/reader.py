"""Reading a set at random: any sample by its number or its key, without reading the others."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import index as as_index
from typing import Any, NamedTuple, SupportsIndex

import numpy as np
import numpy.typing as npt

from cutmix_gen import storage
from cutmix_gen.codecs import MAX_PIXELS
from cutmix_gen.dataset.epoch import Epoch
from cutmix_gen.dataset.layout import Position
from cutmix_gen.dataset.ledger import Ledger
from cutmix_gen.dataset.manifest import Manifest
from cutmix_gen.dataset.open_shards import OpenShards
from cutmix_gen.dataset.records import ShardHead
from cutmix_gen.errors import SelectionError, SetError
from cutmix_gen.shapes import Pixels
from cutmix_gen.shards import ShardLabels
from cutmix_gen.shards.rows import Row
from cutmix_gen.text import brief


class Sample(NamedTuple):
    """What `dataset[i]` gives."""

    image: Pixels
    """(H, W, 3) uint8 for RGB, (H, W) uint8 for L, (H, W) uint16 for I;16; yours to write to."""
    soft_label: npt.NDArray[np.float32]
    """(C,) weight of each class, sums to 1; where the set holds none it is made from `row.label_weight`."""
    row: Row
    """All fields as they are stored, the encoded image among them."""


class Place(NamedTuple):
    """Where a sample lies."""

    file: str
    """The shard, relative to the set's folder."""
    row: int
    """In the shard."""


def open_dataset(
    output: str | storage.Place,
    transform: Callable[[Sample], Any] | None = None,
    *,
    max_pixels: int = MAX_PIXELS,
) -> Dataset:
    """Open a set, or as much of it as is there already, for reading at random.

    Parameters
    ----------
    output : path
        The folder of the set, or its URI: then a shard is fetched whole to the temporary folder (`TMPDIR`), once.
    transform : callable, optional
        What `dataset[i]` gives, made from the sample: for loaders that put samples together themselves, e.g.
        `lambda sample: (sample.image, sample.soft_label)`. Under "spawn" it has to be a function of a module.
    max_pixels : int, optional
        No larger image is decoded, whatever the set allows itself. [default: 250,000,000]

    Raises
    ------
    SetError
        If there is no set.
    """
    root = storage.parse_place(output)
    manifest = Manifest(root)
    info = manifest.read_set()
    return Dataset(OpenShards(root, info, max_pixels), _ShardTable.of(Ledger(manifest).heads()), transform)


@dataclass(frozen=True, slots=True)
class _ShardTable:
    """The committed shards of a selection, and how their rows are numbered."""

    heads: tuple[ShardHead, ...]
    starts: npt.NDArray[np.int64]
    """(n + 1,) number of the first row of each shard, then the number of all rows."""

    runs: frozenset[int]

    @classmethod
    def of(cls, heads: Iterator[ShardHead]) -> _ShardTable:
        kept = tuple(head for head in heads if head.samples)
        return cls(kept, np.cumsum([0, *(head.samples for head in kept)]), frozenset(head.run for head in kept))

    def place(self, number: int) -> tuple[ShardHead, int]:
        shard = int(np.searchsorted(self.starts, number, "right")) - 1
        return self.heads[shard], number - int(self.starts[shard])

    def first_row(self, shard: int) -> int | None:
        """Return the number of a shard's first row; None where the shard is not here."""
        place = bisect_left(self.heads, shard, key=lambda head: head.shard)
        found = place < len(self.heads) and self.heads[place].shard == shard
        return int(self.starts[place]) if found else None


class Dataset:
    """The samples of a set, or some of them, by number.

    For torch's `DataLoader` and grain's `MapDataset.source`. It may be sent to other processes and shared by threads;
    files are opened when a sample is asked for, in the process that asks, and few of them stay open.

    Attributes
    ----------
    root : Path
        The folder of the set.
    info : SetInfo
        What the set is: `info.mode`, `info.image_format`, ...
    """

    def __init__(self, files: OpenShards, table: _ShardTable, transform: Callable[[Sample], Any] | None) -> None:
        self.root = files.root
        self.info = files.info
        self._table = table
        self._transform = transform
        self._files = files

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the labels."""
        return self.info.classes

    def __len__(self) -> int:
        return int(self._table.starts[-1])

    def __getitem__(self, number: SupportsIndex) -> Any:
        """Return a sample: a `Sample`, or what the transform makes of it."""
        return self._finished(self.row(number))

    def __getitems__(self, numbers: Sequence[SupportsIndex]) -> list[Any]:
        """Return several samples, reading what lies together in one go; torch's loader asks like this for a batch."""
        return [self._finished(row) for row in self.rows(numbers)]

    def __iter__(self) -> Iterator[Any]:
        return map(self.__getitem__, range(len(self)))

    def __repr__(self) -> str:
        kind = f"{self.info.mode} as {self.info.image_format}"
        return f"<{len(self):,} samples of {len(self.classes):,} classes, {kind}, in {self.root}>"

    def row(self, number: SupportsIndex) -> Row:
        """Return the stored fields of a sample, its image not decoded."""
        head, row = self._table.place(self._checked(number))
        return self._files.row(head, row)

    def rows(self, numbers: Sequence[SupportsIndex]) -> list[Row]:
        """Return the stored fields of several samples, in the order asked for."""
        places = [self._table.place(self._checked(number)) for number in numbers]
        order = sorted(range(len(places)), key=lambda each: (places[each][0].shard, places[each][1]))
        found: dict[int, Row] = {}
        for head, group in groupby(order, key=lambda each: places[each][0]):
            wanted = list(group)
            rows = self._files.rows(head, [places[each][1] for each in wanted])
            found |= {each: rows.row(place) for place, each in enumerate(wanted)}
        return [found[each] for each in range(len(places))]

    def place(self, number: SupportsIndex) -> Place:
        """Return where a sample lies."""
        head, row = self._table.place(self._checked(number))
        return Place(head.file, row)

    def shard(self, number: SupportsIndex) -> tuple[str, int]:
        """Return the file that a sample lies in, relative to the set's folder, and the run that made it."""
        head, _ = self._table.place(self._checked(number))
        return head.file, head.run

    def find(self, key: str) -> int:
        """Return the number of the sample that has a key.

        Raises
        ------
        SetError
            If there is none.
        """
        position = Position.parse(key)
        number = self.number(position) if position else None
        if number is None or self.row(number).key != key:
            raise SetError(
                f"There is no sample {brief(key)} among the {len(self):,} that were opened of {self.root}. A key has "
                f"run, copy and position, e.g. {self.row(0).key if len(self) else '0001-000-000000000'}. What was "
                "skipped, or lies in a shard that is missing, cannot be found."
            )
        return number

    def position(self, number: SupportsIndex) -> Position:
        """Return which sample of the plan a sample is."""
        head, row = self._table.place(self._checked(number))
        task, spec = self._files.plan(head.run).locate(head.shard)
        # Where something was skipped, what follows it moved up.
        position = task.start + row if head.samples == spec.count else self._files.positions(head)[row]
        return Position(head.run, head.copy, position)

    def number(self, position: Position) -> int | None:
        """Return the number of a sample of the plan; None where there is none, or not here."""
        if position.run not in self.runs:
            return None
        task, spec = self._files.plan(position.run).find(position.copy, position.position)
        first = self._table.first_row(spec.number) if spec else None
        if spec is None or first is None:
            return None
        head, _ = self._table.place(first)
        if head.samples == spec.count:
            return first + position.position - task.start
        positions = self._files.positions(head)
        row = bisect_left(positions, position.position)
        return first + row if positions[row : row + 1] == [position.position] else None

    @property
    def shards(self) -> tuple[ShardHead, ...]:
        """The shards that hold these samples, in their order."""
        return self._table.heads

    def first_number(self, head: ShardHead) -> int:
        """Return the number of the first sample of one of these shards."""
        number = self._table.first_row(head.shard)
        if number is None:
            raise ValueError(f"{head.file} is none of the shards of {self!r}")
        return number

    def labels_of(self, head: ShardHead) -> ShardLabels:
        """Return classes, shares and strategies of all samples of a shard; no image is read."""
        return self._files.labels(head)

    @property
    def max_pixels(self) -> int:
        """Pixels of a sample at most, as the runs of the set were allowed to make them and this reader takes them."""
        return self._files.max_pixels()

    @property
    def runs(self) -> frozenset[int]:
        """Numbers of the runs that these samples come from."""
        return self._table.runs

    def variants(self, run: int) -> int:
        """Return how many mixed samples a run makes of each original: the last one of some only, for 2.5 copies."""
        plan = self._files.plan(run)
        return 0 if plan.given_samples else plan.num_copies

    def originals(self) -> Dataset:
        """Return the originals alone; none where the set was made without them."""
        return self._selection(lambda head: head.copy == 0)

    def mixed(self) -> Dataset:
        """Return the mixed samples of all copies alone."""
        return self._selection(lambda head: head.kind == "cutmix")

    def copy(self, copy: int) -> Dataset:
        """Return the samples of one CutMix copy, from 1; 0 stands for the originals.

        Of a copy that is not made yet, or whose samples were not selected, there are none.

        Raises
        ------
        SelectionError
            If no run makes so many copies; it says how many there are.
        """
        most = max((self._files.plan(run).num_copies for run in self.runs or self._files.runs()), default=0)
        if not 0 <= copy <= most:
            there = f"the copies 1 to {most:,}" if most > 1 else "the copy 1" if most else "no copies"
            raise SelectionError(f"There is no copy {copy} in {self!r}: it has the originals, as 0, and {there}.")
        return self._selection(lambda head: head.copy == copy)

    def run(self, run: int) -> Dataset:
        """Return what one run of `generate` made, from 1; of one that has made nothing yet there are no samples.

        Raises
        ------
        SelectionError
            If the set has no such run; it says which there are.
        """
        runs = self._files.runs()
        if run not in runs:
            there = ", ".join(map(str, runs[:20])) + (", ..." if len(runs) > 20 else "")
            raise SelectionError(f"There is no run {run} in {self!r}: its runs are {there or 'still to come'}.")
        return self._selection(lambda head: head.run == run)

    def epoch(self, epoch: int, mix: float = 0.5, seed: int = 0) -> Epoch:
        """Return an epoch: each original once, and with probability `mix` a mixed sample in its place.

        With `--copies K` the K variants of an original take turns from epoch to epoch, so that copies made beforehand
        act like CutMix while training, with probability `mix`.

        Parameters
        ----------
        epoch : int
            From 0.
        mix : float
        seed : int

        Examples
        --------
        >>> dataset = open_dataset("out")  # doctest: +SKIP
        >>> for epoch in range(90):  # doctest: +SKIP
        ...     for sample in dataset.epoch(epoch, mix=0.5):
        ...         train(sample.image, sample.soft_label)
        """
        return Epoch(self, epoch, mix, seed)

    def _selection(self, is_wanted: Callable[[ShardHead], bool]) -> Dataset:
        table = _ShardTable.of(head for head in self._table.heads if is_wanted(head))
        return Dataset(OpenShards(self.root, self.info, self._files.limit), table, self._transform)

    def _checked(self, number: SupportsIndex) -> int:
        place = as_index(number)
        if not -len(self) <= place < len(self):
            raise IndexError(f"sample {place} was asked for, but there are {len(self):,}")
        return place % len(self)

    def _finished(self, row: Row) -> Any:
        sample = Sample(self._files.pixels(row), self._soft_label(row), row)
        return sample if self._transform is None else self._transform(sample)

    def _soft_label(self, row: Row) -> npt.NDArray[np.float32]:
        if row.soft_label is not None:
            return row.soft_label.copy()
        label = np.zeros(len(self.classes), np.float32)
        np.add.at(label, row.label_index, row.label_weight)
        return label
