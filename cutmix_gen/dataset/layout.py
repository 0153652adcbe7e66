"""Where the files of a set lie, and what its samples are called: the one place that makes these names and reads them.

Paths are relative to the set's folder. A name is read only where making it gives that name again: a file that is merely
called like one of the set's is none of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from cutmix_gen.config.values import is_split

DATA = "data"
"""The folder of the shards."""
HOME = ".cutmix_gen"
"""The folder of what describes the set."""
FOLDERS = (DATA, HOME, f"{HOME}/runs", f"{HOME}/shards")
"""All folders of a set, an outer one before those in it."""
SET = f"{HOME}/dataset.json"
LICENSE = f"{HOME}/card.json"
LEDGER = f"{HOME}/records.parquet"
LEDGER_DIGEST = f"{LEDGER}.sha256"
CARD = "README.md"
METADATA = "croissant.json"
SHARD_LIST = "shards.json"
SIDECAR = "idx"
"""Ending of the index files beside tar shards, without the dot."""

_LONGEST = 18
"""Digits of a number at most: it fits into 64 bits."""


class Numbered(NamedTuple):
    """Files of a folder that differ by their number: `0001.json`, `0002.json`, ..."""

    folder: str
    digits: int
    """At least; a larger number has as many as it needs."""
    ending: str

    def path(self, number: int) -> str:
        """Return the path of a file."""
        return f"{self.folder}/{self.name(number)}"

    def name(self, number: int) -> str:
        """Return the name of a file in the folder."""
        return f"{number:0{self.digits}d}{self.ending}"

    def number(self, name: str) -> int | None:
        """Return the number of the file of a name in the folder; None where there is no such file."""
        number = _number(name.removesuffix(self.ending))
        return number if number is not None and self.name(number) == name else None

    def number_at(self, path: str) -> int | None:
        """Return the number of the file at a path; None where there is no such file."""
        folder, _, name = path.rpartition("/")
        return self.number(name) if folder == self.folder else None


RUNS = Numbered(f"{HOME}/runs", 4, ".json")
INDEXES = Numbered(f"{HOME}/runs", 4, ".arrow")
"""The source index of each run."""
RECORDS = Numbered(f"{HOME}/shards", 6, ".json")
"""The commit record of each shard."""


class ShardName(NamedTuple):
    """What a shard is called."""

    split: str
    number: int

    def __str__(self) -> str:
        return f"{self.split}-{self.number:06d}"

    def path(self, extension: str) -> str:
        """Return the path of the shard's file, or of one beside it with another ending, given without the dot."""
        return f"{DATA}/{self}.{extension}"

    @classmethod
    def parse(cls, name: str) -> ShardName | None:
        """Return the shard of a name without an ending; None where no shard is called so.

        >>> ShardName.parse("train.000002.x-1000000")
        ShardName(split='train.000002.x', number=1000000)
        """
        split, _, digits = name.rpartition("-")
        number = _number(digits)
        found = cls(split, number) if number is not None and is_split(split) else None
        return found if found and str(found) == name else None


class DataFile(NamedTuple):
    """A file in the folder of the shards: a shard, or its index file."""

    shard: ShardName
    extension: str
    """Without the dot."""

    @property
    def path(self) -> str:
        """Where it lies."""
        return self.shard.path(self.extension)

    @classmethod
    def parse(cls, path: str) -> DataFile | None:
        """Return the file at a path; None where no shard or index file can lie."""
        stem, _, extension = path.removeprefix(f"{DATA}/").rpartition(".")
        shard = ShardName.parse(stem)
        found = cls(shard, extension) if shard and extension.isascii() and extension.isalpha() else None
        return found if found and found.path == path else None


def shard_pattern(split: str, numbers: str, extension: str) -> str:
    """Return a pattern for the paths of a split's shards, from one for their numbers as names have them."""
    return f"{DATA}/{split}-{numbers}.{extension}"


def shard_at(path: str) -> int | None:
    """Return the number of the shard that a path is of: of its file, its index file or its record; None where of none.

    >>> shard_at("data/x.000002.y-000000.parquet"), shard_at(".cutmix_gen/shards/000007.json"), shard_at("README.md")
    (0, 7, None)
    """
    file = DataFile.parse(path)
    return file.shard.number if file else RECORDS.number_at(path)


def is_own(path: str) -> bool:
    """Tell whether a path is one at which a set has, or may have, a file of its own."""
    return path in (CARD, METADATA, SHARD_LIST) or path.partition("/")[0] in (DATA, HOME)


class Position(NamedTuple):
    """Which sample of the plan one is: what its key says."""

    run: int
    copy: int
    """0 for an original."""
    position: int
    """Of the base, in the order of the run."""

    @property
    def key(self) -> str:
        """The key."""
        return keys(self.run, self.copy, [self.position])[0]

    @classmethod
    def parse(cls, key: str) -> Position | None:
        """Return what a key says; None where it is none.

        >>> Position.parse("0001-002-000000013")
        Position(run=1, copy=2, position=13)
        """
        numbers = [_number(part) for part in key.split("-")]
        if len(numbers) != len(cls._fields):
            return None
        known = [number for number in numbers if number is not None]
        found = cls(*known) if len(known) == len(numbers) else None
        return found if found and found.key == key else None


def keys(run: int, copy: int, positions: Iterable[int]) -> list[str]:
    """Return the keys of samples of one copy."""
    prefix = f"{run:04d}-{copy:03d}"
    return [f"{prefix}-{position:09d}" for position in positions]


def _number(digits: str) -> int | None:
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= _LONGEST else None
