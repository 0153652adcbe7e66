from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.runs import make
from tests.sets import make_folder, tree


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """Return a folder of 360 images."""
    return make_folder(tmp_path_factory.mktemp("faults") / "images", per_class=120, size=(48, 32))


@pytest.fixture(scope="session")
def expected(folder, tmp_path_factory) -> dict[str, dict[str, str]]:
    """Return for each format all files of the set that a run makes if nothing disturbs it."""
    found = {}
    for shards in ("parquet", "webdataset"):
        output = tmp_path_factory.mktemp("undisturbed") / "out"
        make(folder, output, format=shards)
        found[shards] = tree(output)
    return found
