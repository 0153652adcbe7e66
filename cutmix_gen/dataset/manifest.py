"""The files that describe a set: what it is, the runs that made it, and a commit record for each shard."""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from cutmix_gen.codecs import IMAGE_FORMATS, MAX_PIXELS, MODES
from cutmix_gen.dataset.info import FORMAT_VERSION, MAX_SHARDS, RunInfo, SetInfo
from cutmix_gen.dataset.layout import (
    CARD,
    DATA,
    FOLDERS,
    HOME,
    INDEXES,
    LEDGER,
    LICENSE,
    RECORDS,
    RUNS,
    SET,
    SIDECAR,
    DataFile,
    Numbered,
)
from cutmix_gen.dataset.records import LAM_BINS, ShardHead, ShardRecord, Skip
from cutmix_gen.dataset.sealed_json import is_sealed, made_of, read_facts, read_sealed, read_small, sealed
from cutmix_gen.errors import IrregularFileError, SetError
from cutmix_gen.parsing import ParseError, fits, parse_json
from cutmix_gen.shards import SHARD_FORMATS
from cutmix_gen.storage import (
    Place,
    alone,
    file_size,
    held,
    is_digest,
    local_copy,
    one_at_a_time,
    put_bytes,
    put_new,
    remove_leftovers,
    sha256,
)


def is_shard_file(path: str) -> bool:
    """Tell whether a path that a record names, relative to the set, is one that a shard may have."""
    file = DataFile.parse(path)
    return file is not None and file.extension != SIDECAR


class Manifest:
    """The description of the set in one folder.

    Parameters
    ----------
    root : Place
        The folder of the set; it need not exist yet.
    """

    def __init__(self, root: Place) -> None:
        self.root = root
        self._home = root / HOME

    def exists(self) -> bool:
        """Tell whether the folder holds a set."""
        return (self.root / SET).is_file()

    def read_set(self) -> SetInfo:
        """Read what the set is.

        Raises
        ------
        SetError
            If there is no set, or one that this version cannot read.
        """
        path = self.root / SET
        if not path.is_file():
            raise SetError(f"{self.root} must be a set made by `cutmix-gen generate`, but it has no {SET}.")
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
        return put_new(self.root / SET, sealed(asdict(info), 2))

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
        path = self.root / SET
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
        return self.root / INDEXES.path(run)

    def run_path(self, run: int) -> Place:
        """Return where the file of a run lies."""
        return self.root / RUNS.path(run)

    def run_numbers(self) -> list[int]:
        """Return the numbers of all runs, in their order."""
        return self._numbers(RUNS)

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
        except IrregularFileError as error:
            raise SetError(f"{path} must be the source index of run {run.number}, but {error}. {remedy}") from error

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
        run = made_of(RunInfo, path, read_sealed(path, file_names=True))
        _check_forms(run, path)
        if run.number != number or not 0 < run.shards <= MAX_SHARDS or not run.num_images or not run.part_images:
            raise SetError(f"{path} does not describe a run {number} that this program would make.")
        _check_config(run, self.root, path)
        return run

    def max_pixels(self) -> int:
        """Return how many pixels a sample of any run may have."""
        return max((run.config_in(self.root).max_sample_pixels for run in self.runs()), default=MAX_PIXELS)

    def record_numbers(self) -> list[int]:
        """Return the numbers of the shards of which there is a commit record, valid or not, in their order."""
        return self._numbers(RECORDS)

    def add_run(self, info: RunInfo) -> bool:
        """Write a new run; return False if another process has written one of this number meanwhile."""
        return put_new(self.run_path(info.number), sealed(asdict(info), 2))

    def planned_shards(self) -> list[int]:
        """Return the numbers of the shards of all runs, made or not."""
        return [shard for run in self.runs() for shard in run.planned_shards]

    def has_card(self) -> bool:
        """Tell whether a run of the set was ever finished."""
        return (self.root / CARD).is_file()

    def record_path(self, shard: int) -> Place:
        """Return where the commit record of a shard lies."""
        return self.root / RECORDS.path(shard)

    @property
    def shards_home(self) -> Place:
        """The folder of the commit records."""
        return self.root / RECORDS.folder

    @property
    def ledger_path(self) -> Place:
        """Where the copy of all commit records lies; see `ledger`."""
        return self.root / LEDGER

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
            return record if file_size(self.root / record.file) == record.bytes else None
        except (FileNotFoundError, NotADirectoryError, IrregularFileError, SetError):
            return None

    def sidecar_path(self, record: ShardRecord | ShardHead) -> Place:
        """Return where the index file that DALI takes lies: beside the shard."""
        file = DataFile.parse(record.file)
        return self.root / (file._replace(extension=SIDECAR).path if file else record.file)

    def read_license(self) -> str:
        """Return the licence of the images, empty where none was given."""
        path = self.root / LICENSE
        name = read_sealed(path).get("license", "") if path.is_file() else ""
        if not isinstance(name, str) or not (name == "" or name.isprintable()):
            raise SetError(f"{path} must have a name on one line as license, but it has {repr(name)[:100]}.")
        return name

    def write_license(self, name: str) -> None:
        """Keep the licence of the images for the card."""
        put_bytes(self.root / LICENSE, sealed({"license": name}, 2))

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
        _check_digest("sha256", record.sha256, path)
        if record.shard != shard or len(record.lam_histogram) != LAM_BINS:
            raise SetError(f"{path} does not hold the record of shard {shard}.")
        return record

    def read_index(self, shard: int) -> bytes:
        """Return the index of a shard, empty where its record has none."""
        path = self.record_path(shard)
        try:
            return b64decode(str(read_sealed(path).get("index", "")), validate=True)
        except ValueError as error:
            raise SetError(f"{path} has an index that is damaged: {error}.") from error

    def stray_files(self) -> list[Place]:
        """Return what lies in the set's data folder and belongs to no shard of a run, temporary files aside."""
        info, runs = self.read_set(), self.runs()
        return [path for path in self.data_files() if not is_planned(path.name, runs, info.shard_extension)]

    def data_files(self) -> list[Place]:
        """Return what lies in the set's data folder, temporary files aside, in the order of the names."""
        folder = self.root / DATA
        paths: list[Place] = [path for path in folder.iterdir() if path.name[0] != "."] if folder.is_dir() else []
        return sorted(paths, key=lambda path: path.name)

    def remove_leftovers(self) -> None:
        """Remove the temporary files that killed processes of this machine left."""
        for folder in ("", *FOLDERS):
            remove_leftovers(self.root / folder if folder else self.root)

    def check_folders(self) -> None:
        """Raise `SetError` where a folder of the set is a link: what is written and deleted there lies elsewhere."""
        for name in FOLDERS:
            path = self.root / name
            if isinstance(path, Path) and (path.is_symlink() or (path.exists() and not path.is_dir())):
                if not path.is_symlink():
                    raise SetError(f"{path} must be a folder, but it is a file. Remove it.")
                raise SetError(
                    f"{path} must be a folder, but it is a link to {path.readlink()}. Nothing is written or deleted "
                    "through links in a set: put the folder itself there. OUT as a whole may be a link."
                )

    @contextmanager
    def left_alone(self, done: str) -> Iterator[None]:
        """Keep all others from the set while something is done to it.

        Raises
        ------
        SetError
            If another process is at work on it.
        """
        self.check_folders()
        path = self.root / SET
        with alone(path) if isinstance(path, Path) else nullcontext(enter_result=True) as is_alone:
            if not is_alone:
                raise SetError(
                    f"{self.root} must not be {done} while another process makes or adds to the set there. "
                    "Wait until that one ends, or stop it."
                )
            yield

    def _numbers(self, files: Numbered) -> list[int]:
        try:
            names = [path.name for path in (self.root / files.folder).iterdir()]
        except (FileNotFoundError, NotADirectoryError):  # `glob` would pass over a folder that may not be read, too
            return []
        return sorted(number for name in names if (number := files.number(name)) is not None)


def is_planned(name: str, runs: Iterable[RunInfo], extension: str) -> bool:
    """Tell whether a file of the data folder is a shard that one of some runs makes, or the index file beside it."""
    file = DataFile.parse(f"{DATA}/{name}")
    if file is None or file.extension not in {extension, SIDECAR if extension == "tar" else extension}:
        return False
    return any(file.shard.number in run.planned_shards and file.shard.split == run.config["split"] for run in runs)


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


def _check_forms(run: RunInfo, path: Place) -> None:
    """Raise `SetError` for digests that are none, and texts that are none: only a folder's name may hold such bytes."""
    for name in ("digest", "fingerprint", "index_sha256"):
        _check_digest(name, getattr(run, name), path)
    try:
        os.fsencode(run.source)
        json.dumps(asdict(replace(run, source="", class_counts=[])), ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise SetError(f"{path} has half a character (a lone surrogate), which is no text.") from error


def _check_digest(name: str, value: str, path: Place) -> None:
    if not is_digest(value):
        raise SetError(f"{path} must have a SHA-256 of 64 hexadecimal digits as {name}, but it has {value[:100]!r}.")


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
    try:
        data = read_small(path)
        text, _, _ = data.partition(b'"class_weight"')
        if not is_sealed(data):
            return None
        facts = parse_json(text.rstrip(b" ,\n") + b"}")
        head = made_of(ShardHead, path, {name: facts[name] for name in ShardHead._fields})
    except (ParseError, KeyError, TypeError, SetError):
        return None
    return head if is_shard_file(head.file) and head.samples <= head.bytes else None
