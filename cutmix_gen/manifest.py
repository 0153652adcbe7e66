"""The files that describe a set: what it is, the runs that made it, and a commit record for each shard."""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cutmix_gen.codecs import IMAGE_FORMATS, MAX_PIXELS, MODES, image_extension
from cutmix_gen.config import GenerateConfig
from cutmix_gen.errors import SetError
from cutmix_gen.facts import LARGEST, fits, made_of, read_facts, read_sealed
from cutmix_gen.records import LAM_BINS, RowSchema, ShardHead, ShardRecord, Skip
from cutmix_gen.seals import is_sealed, sealed
from cutmix_gen.shards import SHARD_FORMATS, shard_format
from cutmix_gen.storage import (
    Place,
    alone,
    held,
    local_copy,
    one_at_a_time,
    parse_place,
    put_bytes,
    put_new,
    remove_leftovers,
    sha256,
    writing,
)

MAX_SHARDS = 10_000_000
"""Shards of a run at most: a hundred million images in the smallest shards that make sense are a tenth of it."""

FORMAT_VERSION = 1
"""Of everything under `.cutmix_gen`; a program that finds a higher one refuses to touch the set."""

SIDECAR = "idx"
"""Ending of the index files beside tar shards, without the dot."""

_RECORD_NAME = re.compile(r"\d{6,}\.json")
_RUN_NAME = re.compile(r"\d{4,}\.json")
_SHARD_NAME = re.compile(r"[A-Za-z0-9_.]+-\d{6,}\.(parquet|tar)")
_INDEX_NAME = re.compile(rf"[A-Za-z0-9_.]+-\d{{6,}}\.{SIDECAR}")


def is_shard_file(path: str) -> bool:
    """Tell whether a path that a record names, relative to the set, is one that a shard may have."""
    folder, _, name = path.rpartition("/")
    return folder == "data" and _SHARD_NAME.fullmatch(name) is not None


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

    def config_in(self, output: Place, source: Place | None = None) -> GenerateConfig:
        """Return the resolved configuration, for the folder of the set, with other sources where they have moved."""
        return GenerateConfig(source=source or parse_place(self.source), output=output, **self.config)

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
        facts = read_facts(path)  # a newer version may seal its files otherwise
        if facts.get("format_version") != FORMAT_VERSION:
            raise SetError(
                f"{path} has format version {facts.get('format_version')}, this program reads {FORMAT_VERSION}. "
                "Use the version of cutmix-gen that made the set, or a newer one."
            )
        info = made_of(SetInfo, path, read_sealed(path))
        _check_set(info, path)
        return info

    def write_set(self, info: SetInfo) -> bool:
        """Write what the set is; return False if that was written already."""
        return put_new(self._home / "dataset.json", sealed(asdict(info), 2))

    @contextmanager
    def beginning(self) -> Iterator[None]:
        """Let one process at a time decide about the runs of the set; in a store nobody is kept out."""
        with one_at_a_time(self._home) if isinstance(self._home, Path) else nullcontext():
            yield

    @contextmanager
    def held(self) -> Iterator[str]:
        """Keep the set from being deleted while it is worked on; give what tells it from one that takes its place.

        Raises
        ------
        SetError
            If it was deleted already.
        """
        path = self._home / "dataset.json"
        if not isinstance(path, Path):
            yield ""
            return
        with ExitStack() as stack:
            try:
                state = stack.enter_context(held(path))
            except FileNotFoundError:
                raise SetError(f"The set in {self.root} was removed while this run was at work on it.") from None
            yield state

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
        """Read one run.

        Raises
        ------
        SetError
            If there is none, or it is damaged.
        """
        path = self.run_path(number)
        if not path.is_file():
            raise SetError(f"The set in {self.root} has shards of run {number}, but no {path}.")
        run = made_of(RunInfo, path, read_sealed(path))
        if run.number != number or not 0 < run.shards <= MAX_SHARDS or not run.num_images or not run.part_images:
            raise SetError(f"{path} does not describe a run {number} that this program would make.")
        _check_config(run, self.root, path)
        return run

    def max_pixels(self) -> int:
        """Return how many pixels a sample of any run may have."""
        return max((run.config_in(self.root).max_sample_pixels for run in self.runs()), default=MAX_PIXELS)

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

    @property
    def shards_home(self) -> Place:
        """The folder of the commit records."""
        return self._home / "shards"

    @property
    def ledger_path(self) -> Place:
        """Where the copy of all commit records lies; see `ledger`."""
        return self._home / "records.parquet"

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
        except (FileNotFoundError, NotADirectoryError, SetError):
            return None

    def sidecar_path(self, record: ShardRecord) -> Place:
        """Return where the index file that DALI takes lies: beside the shard."""
        return self.root / str(Path(record.file).with_suffix(f".{SIDECAR}"))

    def read_license(self) -> str:
        """Return the licence of the images, empty where none was given."""
        path = self._home / "card.json"
        return str(read_sealed(path).get("license", "")) if path.is_file() else ""

    def write_license(self, name: str) -> None:
        """Keep the licence of the images for the card."""
        put_bytes(self._home / "card.json", sealed({"license": name}, 2))

    def head(self, shard: int) -> ShardHead | None:
        """Return the first part of a commit record; None where it is gone or damaged."""
        try:
            head = _head(self.record_path(shard))
        except FileNotFoundError:
            return None
        return head if head is not None and head.shard == shard else None

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
        facts = read_sealed(path)
        facts.pop("index", None)
        skips = facts.get("skipped", [])
        if not fits(skips, list[dict[str, Any]]):
            raise SetError(f"{path} does not hold a commit record: its skips are {repr(skips)[:100]}.")
        record = made_of(ShardRecord, path, facts | {"skipped": [made_of(Skip, path, skip) for skip in skips]})
        if not is_shard_file(record.file):
            raise SetError(f"{path} names the file {record.file!r}, which is no shard of this set.")
        if record.shard != shard or len(record.lam_histogram) != LAM_BINS:
            raise SetError(f"{path} does not hold the record of shard {shard}.")
        return record

    def has_anything_of(self, shard: int, run: RunInfo, info: SetInfo) -> bool:
        """Tell whether there is anything of a shard: one of which there is nothing waits to be made."""
        file = self.root / run.shard_file(shard, info.shard_extension)
        return self.record_path(shard).is_file() or file.is_file()

    def read_index(self, shard: int) -> bytes:
        """Return the index of a shard, empty where its record has none."""
        path = self.record_path(shard)
        try:
            return b64decode(str(read_sealed(path).get("index", "")), validate=True)
        except ValueError as error:
            raise SetError(f"{path} has an index that is damaged: {error}.") from error

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

        Raises
        ------
        SetError
            If another process is at work on the set.
        """
        with self.left_alone("replaced"):
            self._delete()

    @contextmanager
    def left_alone(self, done: str) -> Iterator[None]:
        """Keep all others from the set while something is done to it.

        Raises
        ------
        SetError
            If another process is at work on it.
        """
        path = self._home / "dataset.json"
        with alone(path) if isinstance(path, Path) else nullcontext(enter_result=True) as is_alone:
            if not is_alone:
                raise SetError(
                    f"{self.root} must not be {done} while another process makes or adds to the set there. "
                    "Wait until that one ends, or stop it."
                )
            yield

    def _delete(self) -> None:
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
            self.ledger_path,
            self._home / f"{self.ledger_path.name}.sha256",
            self._home / "dataset.json",
        ):
            with writing(path):
                path.unlink(missing_ok=True)


def _check_set(info: SetInfo, path: Place) -> None:
    """Raise `SetError` where a set is said to be something that there is not."""
    for name, value, known in (
        ("shard_format", info.shard_format, SHARD_FORMATS),
        ("mode", info.mode, MODES),
        ("image_format", info.image_format, IMAGE_FORMATS),
        ("sources", info.sources, range(2, 256)),
    ):
        if value not in known:
            raise SetError(
                f"{path} must have one of {', '.join(map(str, known))[:60]} as {name}, but it has {value!r}."
            )
    if not info.classes or len(set(info.classes)) < len(info.classes):
        raise SetError(f"{path} must name at least one class, and each once.")


def _check_config(run: RunInfo, root: Place, path: Place) -> None:
    """Raise `SetError` where a run has settings that `generate` would not take."""
    try:
        config = run.config_in(root)
        config.mixed_samples(run.num_images)
        if not {"split", "codec"} <= run.config.keys() <= config.identity().keys():
            raise SetError("there are settings too many or too few")
    except Exception as error:  # anything may stand there
        raise SetError(
            f"{path} has settings that this version of cutmix-gen does not take: {type(error).__name__}: {error}"
        ) from error


def _head(path: Place) -> ShardHead | None:
    """Return what stands in a commit record before its lists; None where it is damaged."""
    if path.stat().st_size > LARGEST:
        return None
    data = path.read_bytes()
    if not is_sealed(data):
        return None
    text, _, _ = data.decode(errors="replace").partition('"class_weight"')
    try:
        facts = json.loads(text.rstrip(" ,\n") + "}")
        head = made_of(ShardHead, path, {name: facts[name] for name in ShardHead._fields})
    except (ValueError, KeyError, TypeError, RecursionError, SetError):
        return None
    return head if is_shard_file(head.file) and head.samples <= head.bytes else None


def _numbered(folder: Place, name: re.Pattern[str]) -> list[Place]:
    """Return the files of a folder that are called by a number, in the order of the numbers."""
    return sorted((path for path in folder.glob("*") if name.fullmatch(path.name)), key=lambda path: int(path.stem))
