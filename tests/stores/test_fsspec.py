"""Sets in any file system of fsspec, and places that are named by a file:// URI."""

from __future__ import annotations

import pytest

from cutmix_gen import GenerateConfig, generate
from cutmix_gen.checking import verify
from cutmix_gen.dataset.describe import describe
from cutmix_gen.storage import parse_place
from tests.sets import finish, start, tree
from tests.stores.conftest import OPTIONS, SETTINGS, without_place

pytestmark = pytest.mark.stores


@pytest.fixture
def memory(folder):
    import fsspec

    system = fsspec.filesystem("memory")
    system.put(str(folder), "/images", recursive=True)
    yield system
    system.rm("/", recursive=True)


def test_a_set_in_the_memory_of_fsspec_has_the_bytes_of_a_local_one(memory, expected, tmp_path):
    source, output = parse_place("fsspec+memory://images"), parse_place("fsspec+memory://sets/one")
    generate(GenerateConfig(source=source, output=output, backend="serial", **SETTINGS))
    memory.get("/sets/one", str(tmp_path / "copy"), recursive=True)
    assert without_place(tree(tmp_path / "copy")) == expected
    assert describe(output).samples.total == 360
    assert verify(output, jobs=1).ok


def test_a_local_folder_through_fsspec_has_the_bytes_of_a_local_one(folder, expected, tmp_path):
    output = tmp_path / "out"
    finish(start("generate", f"fsspec+file://{folder}", f"fsspec+file://{output}", *OPTIONS), 0)
    assert without_place(tree(output)) == expected


def test_a_file_uri_is_a_local_folder(folder, expected, tmp_path):
    output = tmp_path / "o ü"
    finish(start("generate", f"file://{folder}", f"file://{tmp_path}/o%20%C3%BC", *OPTIONS), 0)
    assert without_place(tree(output)) == expected
