"""The files that describe a set: what it is, the runs that made it, and a commit record for each shard."""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, get_origin, get_type_hints

from cutmix_gen.codecs import image_extension
from cutmix_gen.errors import SetError
from cutmix_gen.records import RowSchema, ShardHead, ShardRecord, Skip
from cutmix_gen.seals import is_sealed, sealed
from cutmix_gen.shards import shard_format
from cutmix_gen.storage import Place, local_copy, put_bytes, put_new, remove_leftovers, sha256

T = TypeVar("T")

FORMAT_VERSION = 1
"""Of everything under `.cutmix_gen`; a program that finds a higher one refuses to touch the set."""

SIDECAR = "idx"
"""Ending of the index files beside tar shards, without the dot."""

_RECORD_NAME = re.compile(r"\d{6,}\.json")
_RUN_NAME = re.compile(r"\d{4,}\.json")
_SHARD_NAME = re.compile(r"[A-Za-z0-9_.]+-\d{6,}\.(parquet|tar)")
_INDEX_NAME = re.compile(rf"[A-Za-z0-9_.]+-\d{{6,}}\.{SIDECAR}")


@dataclass(frozen=True, slots=True)
class SetInfo:
    """What all runs of a set have in common: `dataset.json`."""

    format_version: int
    shard_format: str
    classes: tuple[str, ...]
    mode: str
    """`RGB`, `L` or `I;16`."""
    image_format: str
    dense_labels: bool
    sources: int
    """How many sources a label row holds."""

    @property
    def shard_extension(self) -> str:
        """Ending of the shard files, without the dot."""
        return shard_format(self.shard_format).extension

    @property
    def schema(self) -> RowSchema:
        """What the rows of the set's shards look like."""
        return RowSchema(self.classes, self.sources, self.dense_labels, image_extension(self.image_format))


@dataclass(frozen=True, slots=True)
class RunInfo:
    """One run of `generate`: `runs/0001.json`."""

    number: int
    """From 1."""
    config: dict[str, Any]
    """The resolved configuration's identity: every setting that decides about the bytes."""
    digest: str
    """Of the configuration."""
    source: str
    """The folder that was scanned."""
    fingerprint: str
    """Of the sources: SHA-256 over paths, classes and sizes."""
    source_state: str
    """Of the class folders when they were scanned: a quick look tells whether another scan is worth while."""
    num_images: int
    class_counts: list[int]
    """Images of each class; the source index is sorted by class."""
    part_images: int
    """Images of a block that are paired with each other at most, so that their pixels fit into memory."""
    first_shard: int
    shards: int
    samples: int
    """Planned; a skip makes one less."""
    passed_over: dict[str, int]
    """What the scan left out: reason to count."""
    versions: dict[str, str]
    """Libraries whose code decides about the bytes."""
    index_sha256: str
    """Of the file of the source index."""

    @property
    def planned_shards(self) -> range:
        """The numbers of the run's shards, made or not."""
        return range(self.first_shard, self.first_shard + self.shards)

    def shard_file(self, shard: int, extension: str) -> str:
        """Return the path of a shard's file, relative to the set."""
        return f"data/{self.config['split']}-{shard:06d}.{extension}"


class Manifest:
    """The description of the set in one folder.

    Parameters
    ----------
    root : Place
        The folder of the set; it need not exist yet.
    """

    def __init__(self, root: Place) -> None:
        self.root = root
        self._home = root / ".cutmix_gen"

    def exists(self) -> bool:
        """Tell whether the folder holds a set."""
        return (self._home / "dataset.json").is_file()

    def read_set(self) -> SetInfo:
        """Read what the set is.

        Raises
        ------
        SetError
            If there is no set, or one that this version cannot read.
        """
        path = self._home / "dataset.json"
        if not path.is_file():
            raise SetError(
                f"{self.root} must be a set made by `cutmix-gen generate`, but it has no .cutmix_gen/{path.name}."
            )
        facts = _parsed(path, path.read_bytes())  # a newer version may seal its files otherwise
        if facts.get("format_version") != FORMAT_VERSION:
            raise SetError(
                f"{path} has format version {facts.get('format_version')}, this program reads {FORMAT_VERSION}. "
                "Use the version of cutmix-gen that made the set, or a newer one."
            )
        return _from_json(SetInfo, path, _read_json(path))

    def write_set(self, info: SetInfo) -> bool:
        """Write what the set is; return False if that was written already."""
        return put_new(self._home / "dataset.json", sealed(asdict(info), 2))

    def index_path(self, run: int) -> Place:
        """Return where the source index of a run lies."""
        return self._home / "runs" / f"{run:04d}.arrow"

    def run_path(self, run: int) -> Place:
        """Return where the file of a run lies."""
        return self._home / "runs" / f"{run:04d}.json"

    def run_numbers(self) -> list[int]:
        """Return the numbers of all runs, in their order."""
        return [int(path.stem) for path in _numbered(self._home / "runs", _RUN_NAME)]

    def check_index(self, run: RunInfo) -> None:
        """Raise `SetError` unless the source index of a run is what was written."""
        path = self.index_path(run.number)
        remedy = "Copy it back from a copy of the set, or make the set again: --overwrite."
        try:
            with local_copy(path) as file:
                if sha256(file) != run.index_sha256:
                    raise SetError(
                        f"{path} is damaged: the source index does not have the SHA-256 that its run says. {remedy}"
                    )
        except FileNotFoundError as error:
            raise SetError(f"{path} is gone, the source index of run {run.number}. {remedy}") from error

    def runs(self) -> list[RunInfo]:
        """Read all runs, in their order."""
        return [self.read_run(number) for number in self.run_numbers()]

    def read_run(self, number: int) -> RunInfo:
        """Read one run."""
        path = self.run_path(number)
        return _from_json(RunInfo, path, _read_json(path))

    def record_numbers(self) -> list[int]:
        """Return the numbers of the shards of which there is a commit record, valid or not, in their order."""
        return [int(path.stem) for path in _numbered(self._home / "shards", _RECORD_NAME)]

    def add_run(self, info: RunInfo) -> bool:
        """Write a new run; return False if another process has written one of this number meanwhile."""
        return put_new(self.run_path(info.number), sealed(asdict(info), 2))

    def planned_shards(self) -> list[int]:
        """Return the numbers of the shards of all runs, made or not."""
        return [shard for run in self.runs() for shard in run.planned_shards]

    def has_card(self) -> bool:
        """Tell whether a run of the set was ever finished."""
        return (self.root / "README.md").is_file()

    def record_path(self, shard: int) -> Place:
        """Return where the commit record of a shard lies."""
        return self._home / "shards" / f"{shard:06d}.json"

    def commit(self, record: ShardRecord, index: bytes = b"") -> None:
        """Write the commit record of a shard, with its index if it has one: from now on the shard exists."""
        if record.file.endswith(".tar"):
            self.sidecar_path(record).unlink(missing_ok=True)  # of a shard that was there before this one
        facts = asdict(record) | ({"index": b64encode(index).decode()} if index else {})
        put_bytes(self.record_path(record.shard), sealed(facts))

    def record(self, shard: int) -> ShardRecord | None:
        """Return the valid commit record of a shard, None where there is none.

        A record is valid when its shard file is there with the size on record.
        """
        try:
            record = self.read_record(shard)
            return record if (self.root / record.file).stat().st_size == record.bytes else None
        except (FileNotFoundError, SetError):
            return None

    def records(self) -> Iterator[ShardRecord]:
        """Read all commit records, in the order of the shards, whether their files are there or not."""
        yield from map(self.read_record, self.record_numbers())

    def sidecar_path(self, record: ShardRecord) -> Place:
        """Return where the index file that DALI takes lies: beside the shard."""
        return self.root / str(Path(record.file).with_suffix(f".{SIDECAR}"))

    def read_license(self) -> str:
        """Return the licence of the images, empty where none was given."""
        path = self._home / "card.json"
        return str(_read_json(path).get("license", "")) if path.is_file() else ""

    def write_license(self, name: str) -> None:
        """Keep the licence of the images for the card."""
        put_bytes(self._home / "card.json", sealed({"license": name}, 2))

    def heads(self) -> Iterator[ShardHead]:
        """Read the first part of every valid commit record, in the order of the shards: ten times as fast as all."""
        for path in _numbered(self._home / "shards", _RECORD_NAME):
            head = _head(path)
            if head is not None and _size_of(self.root / head.file) == head.bytes:
                yield head

    def read_record(self, shard: int) -> ShardRecord:
        """Read the commit record of a shard.

        Raises
        ------
        FileNotFoundError
            If there is none.
        SetError
            If it is damaged.
        """
        path = self.record_path(shard)
        facts = _read_json(path)
        facts.pop("index", None)
        try:
            skipped = [Skip(**skip) for skip in facts.get("skipped", [])]
        except TypeError as error:
            raise SetError(f"{path} does not hold a commit record: {error}.") from error
        record = _from_json(ShardRecord, path, facts | {"skipped": skipped})
        if not _SHARD_NAME.fullmatch(Path(record.file).name) or Path(record.file).parent != Path("data"):
            raise SetError(f"{path} names the file {record.file!r}, which is no shard of this set.")
        return record

    def has_anything_of(self, shard: int, run: RunInfo, info: SetInfo) -> bool:
        """Tell whether there is anything of a shard: one of which there is nothing waits to be made."""
        file = self.root / run.shard_file(shard, info.shard_extension)
        return self.record_path(shard).is_file() or file.is_file()

    def read_index(self, shard: int) -> bytes:
        """Return the index of a shard, empty where its record has none."""
        return b64decode(str(_read_json(self.record_path(shard)).get("index", "")))

    def stray_files(self) -> list[Place]:
        """Return what lies in the set's data folder and belongs to no shard of a run, temporary files aside."""
        extension = self.read_set().shard_extension
        kinds = (extension, SIDECAR) if extension == "tar" else (extension,)
        names = {
            Path(run.shard_file(shard, kind)).name
            for run in self.runs()
            for shard in run.planned_shards
            for kind in kinds
        }
        folder = self.root / "data"
        files: list[Place] = sorted(folder.iterdir(), key=lambda path: path.name) if folder.is_dir() else []
        return [path for path in files if path.name not in names and not path.name.startswith(".")]

    def remove_leftovers(self) -> None:
        """Remove the temporary files that killed processes of this machine left."""
        for folder in (self.root, self.root / "data", self._home, self._home / "runs", self._home / "shards"):
            remove_leftovers(folder)

    def delete(self) -> None:
        """Delete the set: the files that this program made and no others.

        `dataset.json` goes last, so that a deletion that was cut short can be taken up again.
        """
        shards = [
            path
            for path in (self.root / "data").glob("*")
            if _SHARD_NAME.fullmatch(path.name) or _INDEX_NAME.fullmatch(path.name)
        ]
        runs = self._home / "runs"
        for path in (
            *(self._home / "shards").glob("*.json"),
            *shards,
            *runs.glob("*.json"),
            *runs.glob("*.arrow"),
            *(self.root / name for name in ("README.md", "croissant.json", "shards.json")),
            self._home / "card.json",
            self._home / "dataset.json",
        ):
            path.unlink(missing_ok=True)


def _read_json(path: Place) -> dict[str, Any]:
    """Read a file of the set's description, whose seal tells whether it is what was written."""
    data = path.read_bytes()
    facts = _parsed(path, data)
    if not is_sealed(data):
        raise SetError(f"{path} is damaged: it does not have the SHA-256 that stands at its end.")
    del facts["seal"]
    return facts


def _parsed(path: Place, data: bytes) -> dict[str, Any]:
    try:
        facts = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise SetError(f"{path} must hold JSON, but it is damaged: {error}.") from error
    if not isinstance(facts, dict):
        raise SetError(f"{path} must hold a JSON object, but it holds a {type(facts).__name__}.")
    return facts


def _head(path: Place) -> ShardHead | None:
    """Return what stands in a commit record before its lists; None where it is damaged."""
    data = path.read_bytes()
    if not is_sealed(data):
        return None
    text, _, _ = data.decode(errors="replace").partition('"class_weight"')
    try:
        facts = json.loads(text.rstrip(" ,\n") + "}")
        head = ShardHead(**{name: facts[name] for name in ShardHead._fields})
    except (ValueError, KeyError, TypeError):
        return None
    return head if _SHARD_NAME.fullmatch(head.file.removeprefix("data/")) else None


def _size_of(path: Place) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _numbered(folder: Place, name: re.Pattern[str]) -> list[Place]:
    """Return the files of a folder that are called by a number, in the order of the numbers."""
    return sorted((path for path in folder.glob("*") if name.fullmatch(path.name)), key=lambda path: int(path.stem))


def _from_json(kind: type[T], path: Place, facts: dict[str, Any]) -> T:
    """Make a dataclass of what a file holds; a list becomes a tuple where the class wants one."""
    values = dict(facts)
    for name, wanted in _kinds(kind).items():  # type: ignore[arg-type]  # a class can be hashed
        if wanted is tuple and isinstance(values.get(name), list):
            values[name] = tuple(values[name])
        if name in values and (not isinstance(values[name], wanted) or (wanted is int and values[name] is True)):
            raise SetError(f"{path} must have a {wanted.__name__} as {name}, but it has {values[name]!r}.")
    try:
        return kind(**values)
    except TypeError as error:
        raise SetError(f"{path} does not hold what this version of cutmix-gen writes there: {error}.") from error


@cache
def _kinds(kind: type[Any]) -> dict[str, Any]:
    """Return the type of each field; looking it up takes longer than reading a record."""
    return {name: get_origin(hint) or hint for name, hint in get_type_hints(kind).items()}
