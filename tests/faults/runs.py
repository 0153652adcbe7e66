"""Runs that are disturbed, and what must hold after each of them."""

from __future__ import annotations

import json
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from cutmix_gen import GenerateConfig, generate
from cutmix_gen.generation.make import Report
from tests.sets import tree

OPTIONS = ("--copies", "2", "--shard-size", "20", "--jobs", "2")
"""54 shards of the folder of these tests."""


def make(folder: Path, output: Path, **options: Any) -> Report:
    """Make a set in this process as `OPTIONS` say."""
    settings = {"copies": 2, "shard_size": 20, "backend": "serial"} | options
    return generate(GenerateConfig(source=folder, output=output, **settings))


def records(output: Path) -> list[Path]:
    """Return the commit records of a set."""
    return sorted(output.glob(".cutmix_gen/shards/[0-9]*.json"))


def temporary_files(output: Path) -> list[str]:
    """Return what is left of files that were never finished."""
    return [path for path in tree(output) if path.endswith(".tmp")]


def wait_for(what: Callable[[], object], seconds: float = 60) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.002)


def check_whole(output: Path, expected: dict[str, str]) -> None:
    """Require that every file that has its final name is whole, whatever is missing.

    A shard or record has the bytes of the undisturbed run; the files that change while a set grows can be read.
    """
    for name, digest in tree(output).items():
        path = output / name
        if name.endswith(".tmp") or not path.is_file():
            continue
        if name.startswith((".cutmix_gen/shards/", "data/", ".cutmix_gen/dataset.json")) or name.endswith(".arrow"):
            assert digest == expected[name], name
        elif path.suffix == ".json":
            json.loads(path.read_bytes())
        else:
            assert path.name == "README.md", name
            assert path.read_text().count("---") >= 2


def check_readable(output: Path) -> None:
    """Require that every shard of a set can be read to its end, without this package."""
    for path in (output / "data").glob("[!.]*"):
        if path.suffix == ".parquet":
            assert pq.read_table(path).num_rows
        else:
            with tarfile.open(path) as archive:
                assert archive.getnames()


def check_goes_on(folder: Path, output: Path, expected: dict[str, str], **options: Any) -> Report:
    """Require that the same command ends in the bytes of the undisturbed run, with nothing beside them."""
    report = make(folder, output, **options)
    assert tree(output) == expected
    return report
