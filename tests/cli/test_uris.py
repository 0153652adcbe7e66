"""Every command that writes honours the URI of a store, or says that it does not; none makes a folder of its name."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from cutmix_gen import GenerateConfig, generate
from cutmix_gen.cli import main
from tests.buckets import Buckets
from tests.sets import make_folder, tree


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return make_folder(tmp_path_factory.mktemp("source") / "images", per_class=8, size=(16, 12))


@pytest.fixture(scope="module")
def made(folder, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("made") / "out"
    generate(GenerateConfig(source=folder, output=output, backend="serial", shard_size=8))
    return output


@pytest.fixture
def buckets(tmp_path, monkeypatch) -> Buckets:
    for name in ("work", "tmp"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.chdir(tmp_path / "work")
    return Buckets(tmp_path / "stores", monkeypatch)


def run(*arguments: str | Path, code: int = 0) -> str:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.output


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (("report", "OUT", "-o", "FILE"), "page.html"),
        (("grid", "OUT", "-o", "FILE"), "grid.png"),
        (("loader", "OUT", "--framework", "torch", "-o", "FILE"), "train.py"),
        (("replay", "OUT", "0001-001-000000003", "-o", "FILE"), "why.webp"),
        (("preview", "SRC", "-o", "FILE"), "preview.jpg"),
        (("strategies", "-o", "FILE", "SRC"), "strategies.png"),
    ],
)
def test_a_file_is_put_where_its_uri_says(request, buckets, command, name):
    words = {"OUT": request.getfixturevalue("made"), "SRC": request.getfixturevalue("folder")}
    there, here = f"S3://me:word@bucket/files/{name}", buckets.root.parent / name
    run(*((words | {"FILE": here}).get(each, each) for each in command))
    said = run(*((words | {"FILE": there}).get(each, each) for each in command))
    assert f"Wrote s3://bucket/files/{name}" in said
    assert (buckets / f"bucket/files/{name}").read_bytes() == here.read_bytes()
    assert list(Path().iterdir()) == []


def test_a_set_is_converted_to_a_store(made, buckets, tmp_path):
    run("convert", made, "s3://bucket/tars", "--format", "webdataset", "-j", "1")
    run("convert", made, tmp_path / "tars", "--format", "webdataset", "-j", "1")
    assert tree(buckets / "bucket/tars") == tree(tmp_path / "tars")
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("form", ["imagefolder", "tfrecord"])
@pytest.mark.parametrize("output", ["local", "s3://bucket/out"])
def test_an_export_to_a_store_is_refused_before_anything_is_written(made, buckets, output, form):
    shutil.copytree(made, buckets / "bucket/out")
    before = tree(buckets.root)
    place = made if output == "local" else output
    said = run("export", place, "s3://me:word@bucket/files", "--format", form, "-j", "1", code=2)
    assert "FOLDER must be on this machine, but it is s3://bucket/files." in said
    assert tree(buckets.root) == before
    assert list(Path().iterdir()) == []
