"""Runs that are killed between any two of their file operations."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.faults.runs import check_goes_on, check_whole, make
from tests.sets import make_folder, tree


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Return a folder of ten images: three shards."""
    return make_folder(tmp_path_factory.mktemp("steps") / "images", per_class=5, classes=2)


def killed_at_each(folder: Path, output: Path, step: int, **options: Any) -> list[Path]:
    """Return sets, each of a run that was killed before another one of its file operations."""
    output.mkdir()
    command = [sys.executable, "-m", "tests.faults.step", folder, output, json.dumps(options), "0", str(step)]
    # A process that forks may have one thread only.
    subprocess.run(command, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"}, check=True, timeout=600)
    return sorted(output.iterdir(), key=lambda path: int(path.name))


@pytest.mark.parametrize("shards", ["parquet", "webdataset"])
def test_killed_before_any_file_operation_a_run_ends_in_the_same_bytes(folder, tmp_path, shards, slow):
    make(folder, tmp_path / "expected", format=shards)
    expected = tree(tmp_path / "expected")
    outputs = killed_at_each(folder, tmp_path / "killed", 1 if slow else 9, format=shards)
    assert len(outputs) > (40 if slow else 4)
    for output in outputs:
        check_whole(output, expected)
        check_goes_on(folder, output, expected, format=shards)


def test_killed_before_any_file_operation_overwriting_goes_on(folder, tmp_path, slow):
    make(folder, tmp_path / "expected")
    expected = tree(tmp_path / "expected")
    outputs = killed_at_each(folder, tmp_path / "killed", 1 if slow else 25, overwrite=True)
    assert len(outputs) > (50 if slow else 2)
    for output in outputs:
        check_goes_on(folder, output, expected, overwrite=True)
