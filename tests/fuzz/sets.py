"""Readers of the files of a set: all that reads it, one way after the other."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count, islice
from pathlib import Path

from click.testing import CliRunner

from cutmix_gen import generate, open_dataset
from cutmix_gen.checking import repair, verify
from cutmix_gen.checking.replay import Replayer
from cutmix_gen.cli import main
from cutmix_gen.dataset.manifest import Manifest
from cutmix_gen.dataset.sealed_json import sealed
from cutmix_gen.exports.convert import convert_set
from cutmix_gen.exports.export import export_set
from cutmix_gen.shards import shard_format
from cutmix_gen.storage import sha256
from tests.fuzz.reading import CORPUS, FINE, FOUND, OWN, Make, Reader, choice
from tests.fuzz.seeds import set_config

HOME = ".cutmix_gen"
SOURCES = CORPUS / "sources"


def _fresh(folder: Path, shards: str) -> Iterator[Path]:
    """Give a fresh copy of a set of the corpus each time, in a folder of its own; the last one is deleted."""
    for number in count():
        home = folder / str(number)
        yield Path(shutil.copytree(CORPUS / f"sets/{shards}", home / shards))
        shutil.rmtree(home)


def set_reader(name: str, put: Callable[[Path, str, bytes], None], *kinds: str) -> Make:
    """Return the reader of a file of a set: all that reads it."""

    def make(folder: Path) -> Reader:
        sets = {shards: _fresh(folder / shards, shards) for shards in kinds or ("parquet", "webdataset")}

        def read(data: bytes) -> str:
            other = choice(data, 10) == 0  # that of the other kind of set
            shards = list(sets)[((b"webdataset" in data or b".tar" in data) ^ other) % len(sets)]
            output = next(sets[shards])
            put(output, name, data)
            return _use(output, choice(data, len(_MORE)))

        return read

    return make


def _use(output: Path, more: int) -> str:
    """Read a set in several ways; an error of one does not keep another from being tried."""
    found = FINE
    for work in (_read_all, _verify, _say("info"), _MORE[more]):
        try:
            if work(output) != FINE:
                found = FOUND
        except OWN:
            found = FOUND
    return found


def _read_all(output: Path) -> str:
    dataset = open_dataset(output)
    numbers = range(min(len(dataset), 20))
    for number in numbers:
        dataset[number]
    dataset.rows(list(numbers)[::-1])
    for key in ("0001-000-000000003", "0002-001-000000001"):
        try:
            dataset.find(key)
        except OWN:
            continue
    epoch = dataset.epoch(1)
    for number in range(min(len(epoch), 4)):
        epoch[number]
    for head in islice(dataset.shards, 8):
        dataset.labels_of(head)
    return FINE


def _verify(output: Path) -> str:
    return FINE if verify(output, deep=True, jobs=1).ok else FOUND


def _say(*words: str) -> Callable[[Path], str]:
    """Return what gives a command of the command line."""

    def say(output: Path) -> str:
        arguments = ["--debug", words[0], str(output), *words[1:]]
        result = CliRunner().invoke(main, arguments, catch_exceptions=False)
        return FINE if result.exit_code == 0 else FOUND

    return say


def _convert(output: Path) -> str:
    other = "webdataset" if output.name == "parquet" else "parquet"
    convert_set(output, output.with_name("converted"), other, jobs=1)
    return FINE


def _export(output: Path) -> str:
    export_set(output, output.with_name("files"), "imagefolder", jobs=1)
    return FINE


def _go_on(output: Path) -> str:
    """Make a part of a set anew: what is there is read for it."""
    for path in list((output / "data").iterdir())[:2]:
        path.unlink()
    generate(set_config(output))
    return FINE


def _append(output: Path) -> str:
    generate(set_config(output, append=True, seed=5))
    return FINE


def _repair(output: Path) -> str:
    repair(output, verify(output, jobs=1).problems)
    return _go_on(output)


def _replay_some(output: Path) -> str:
    replayer = Replayer(output, SOURCES)
    return FINE if all(replayer.replay(number).same for number in range(min(len(replayer.dataset), 8))) else FOUND


_MORE: tuple[Callable[[Path], str], ...] = (
    _convert,
    _export,
    _go_on,
    _append,
    _repair,
    _replay_some,
    _say("finalize"),
    _say("loader"),
    _say("info", "--json"),
    lambda output: _say("grid", "-o", str(output.with_name("grid.png")), "--columns", "2", "--rows", "2")(output),
)
"""What takes longer: one of these for an input."""


def write(output: Path, name: str, data: bytes) -> None:
    (output / name).write_bytes(data)


def write_shard(output: Path, name: str, data: bytes) -> None:
    """Write the file of a shard, and what its record has to say then."""
    path = output / f"data/{name}.{'parquet' if output.name == 'parquet' else 'tar'}"
    path.write_bytes(data)
    record = output / f"{HOME}/shards/000001.json"
    facts = json.loads(record.read_bytes()) | {"bytes": len(data), "sha256": sha256(path)}
    facts.pop("seal")
    if choice(data, 2):
        facts.pop("index", None)
    record.write_bytes(sealed(facts))


def write_index(output: Path, name: str, data: bytes) -> None:
    """Write a source index, and what its run has to say then."""
    write(output, name, data)
    path = Manifest(output).run_path(1)
    facts = json.loads(path.read_bytes()) | {"index_sha256": sha256(output / name)}
    facts.pop("seal")
    path.write_bytes(sealed(facts))


def write_copy(output: Path, name: str, data: bytes) -> None:
    """Write the copy of all records, and its SHA-256."""
    write(output, name, data)
    write(output, f"{name}.sha256", sha256(output / name).encode())


def replay_reader(folder: Path) -> Reader:
    """Return the reader of a recipe that stands in a shard, as `replay` follows it."""
    sets = _fresh(folder, "parquet")

    def read(data: bytes) -> str:
        output = next(sets)
        manifest = Manifest(output)
        path, schema = output / "data/train-000001.parquet", manifest.read_set().schema
        rows = next(shard_format("parquet").read(path, schema))
        text = data.decode("utf-8", "replace")
        writer = shard_format("parquet").open_writer(path, schema)
        writer.write(replace(rows, recipe=[text] * len(rows)))
        writer.close()
        write_shard(output, "train-000001", path.read_bytes())
        replayer = Replayer(output, SOURCES)
        same = [replayer.replay(number).same for number in (4, 5)]
        if choice(data, 8) == 0:
            sources = str(SOURCES)
            _say("replay", rows.key[0], "-o", str(folder / "sample.png"), "--source", sources)(output)
        return FINE if all(same) and verify(output, jobs=1).ok else FOUND

    return read
