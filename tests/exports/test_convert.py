from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from cutmix_gen import GenerateConfig, generate
from cutmix_gen.checking import verify
from cutmix_gen.cli import main
from cutmix_gen.errors import SetError, UsageError
from cutmix_gen.exports.convert import convert_set
from tests.sets import make_folder, tree


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_folder(tmp_path_factory.mktemp("source") / "images", size=(8, 8))
    (root / "class-1/0011.jpg").write_bytes(b"no image")
    return root


def make(folder: Path, output: Path, kind: str) -> Path:
    common = {"source": folder, "output": output, "format": kind, "backend": "serial", "max_failures": "1"}
    generate(GenerateConfig(**common, copies=1.5, strategy=("multi", "cutmix"), license="mit", sidecars=True))
    generate(GenerateConfig(**common, append=True, originals=False, seed=1, label_smoothing=0.1))
    return output


@pytest.fixture(scope="module", params=[("parquet", "webdataset"), ("webdataset", "parquet")], ids="-to-".join)
def pair(request, folder, tmp_path_factory) -> tuple[Path, Path, str]:
    """Return a set, the same made in the other format, and the other format's name."""
    root, (kind, other) = tmp_path_factory.mktemp("set"), request.param
    return make(folder, root / "one", kind), make(folder, root / "other", other), other


def test_a_converted_set_is_what_generate_makes_in_that_format(pair, tmp_path):
    output, expected, kind = pair
    assert convert_set(output, tmp_path / "new", kind, jobs=1).samples == 119 + 179 + 119
    assert tree(tmp_path / "new") == tree(expected)
    assert verify(tmp_path / "new", deep=True, jobs=1).ok


def test_images_of_more_than_a_page_are_converted_to_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr("cutmix_gen.shards.webdataset._BATCH", 8)  # of ten images a shard, each a seventh of a page
    folder = make_folder(tmp_path / "images", per_class=54, size=(300, 300))
    for kind in ("webdataset", "parquet"):
        generate(GenerateConfig(source=folder, output=tmp_path / kind, format=kind, originals=False, backend="serial"))
    assert convert_set(tmp_path / "webdataset", tmp_path / "new", "parquet", jobs=1).samples == 162
    assert tree(tmp_path / "new") == tree(tmp_path / "parquet")
    assert min(path.stat().st_size for path in (tmp_path / "new/data").iterdir()) > 1 << 20


def test_a_conversion_that_was_stopped_goes_on(pair, tmp_path):
    output, expected, kind = pair
    convert_set(output, tmp_path / "new", kind, jobs=1)
    for name in ("000001.json", "000003.json"):
        (tmp_path / "new/.cutmix_gen/shards" / name).unlink()
    next((tmp_path / "new/data").iterdir()).unlink()
    convert_set(output, tmp_path / "new", kind, jobs=2)
    assert tree(tmp_path / "new") == tree(expected)


def test_a_converted_set_is_the_same_run_to_generate(pair, folder, tmp_path):
    output, _, kind = pair
    convert_set(output, tmp_path / "new", kind, jobs=1)
    before = tree(tmp_path / "new")
    make(folder, tmp_path / "new", kind)
    assert tree(tmp_path / "new") == before


def test_what_cannot_be_converted_is_an_error(pair, folder, tmp_path):
    output, _, kind = pair
    there = "parquet" if kind == "webdataset" else "webdataset"
    with pytest.raises(UsageError, match="already"):
        convert_set(output, tmp_path / "new", there)
    with pytest.raises(SetError, match="must be a set"):
        convert_set(folder, tmp_path / "new", kind)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    with pytest.raises(SetError, match="NEW must be"):
        convert_set(output, tmp_path / "full", kind)
    common = {"source": folder, "max_failures": "1", "shard_size": 30}
    generate(GenerateConfig(**common, output=tmp_path / "half", slice="0/2", format=there))
    with pytest.raises(SetError, match="must be finished"):
        convert_set(tmp_path / "half", tmp_path / "new", kind)
    generate(GenerateConfig(**common, output=tmp_path / "else", format=kind))
    with pytest.raises(SetError, match="holds another set"):
        convert_set(output, tmp_path / "else", kind)


def test_a_damaged_shard_is_not_converted(folder, tmp_path):
    config = GenerateConfig(source=folder, output=tmp_path / "out", backend="serial", max_failures="1")
    generate(config)
    path = sorted((tmp_path / "out/data").iterdir())[1]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(SetError, match="changed or damaged"):
        convert_set(tmp_path / "out", tmp_path / "new", "webdataset", jobs=1)


def test_a_damaged_source_index_is_not_converted(folder, tmp_path):
    output = make(folder, tmp_path / "out", "parquet")
    path = output / ".cutmix_gen/runs/0001.arrow"
    path.write_bytes(path.read_bytes().replace(b"class-1", b"class-2", 1))
    with pytest.raises(SetError, match="source index"):
        convert_set(output, tmp_path / "new", "webdataset", jobs=1)


def test_a_conversion_that_was_stopped_at_its_very_beginning_goes_on(pair, tmp_path):
    output, expected, kind = pair
    (tmp_path / "new/.cutmix_gen").mkdir(parents=True)
    convert_set(output, tmp_path / "new", kind, jobs=1)
    assert tree(tmp_path / "new/data") == tree(expected / "data")


def test_nothing_is_converted_into_a_set_or_among_the_images(pair, folder, tmp_path):
    output, expected, kind = pair
    before = tree(output), tree(expected), tree(folder)
    for new in (output, output / "data", output.parent, folder, folder / "class-3/new"):
        with pytest.raises(UsageError, match=rf"NEW must lie apart from the .*, but {new} is "):
            convert_set(output, new, kind, jobs=1)
    with pytest.raises(UsageError, match="NEW must lie outside of any set"):
        convert_set(output, _linked(tmp_path / "link", expected) / "new", kind, jobs=1)
    assert (tree(output), tree(expected), tree(folder)) == before


def _linked(path: Path, target: Path) -> Path:
    path.symlink_to(target)
    return path


@pytest.mark.parametrize("name", ["data", ".cutmix_gen"])
def test_a_set_is_not_converted_through_a_link(pair, tmp_path, name):
    output, _, kind = pair
    for place in ("new", "outside"):
        (tmp_path / place).mkdir()
    (tmp_path / "new" / name).symlink_to(tmp_path / "outside")
    with pytest.raises(SetError, match=rf"{name} must be a folder, but it is a link"):
        convert_set(output, tmp_path / "new", kind, jobs=1)
    assert tree(tmp_path) == {}


def test_the_source_index_of_another_set_is_not_taken_for_the_own_one(pair, folder, tmp_path):
    kind = pair[2]
    there = "parquet" if kind == "webdataset" else "webdataset"
    generate(GenerateConfig(source=folder, output=tmp_path / "other", format=there, max_failures="1", seed=9))
    convert_set(tmp_path / "other", tmp_path / "new", kind, jobs=1)
    (tmp_path / "new/.cutmix_gen/runs/0001.json").unlink()  # as a conversion leaves it that was stopped here
    (tmp_path / "new/.cutmix_gen/runs/0001.arrow").write_bytes(b"half")
    convert_set(tmp_path / "other", tmp_path / "new", kind, jobs=1)
    assert verify(tmp_path / "new", jobs=1).ok


def test_the_command_says_what_it_wrote(pair, tmp_path):
    output, _, kind = pair
    arguments = ["convert", str(output), str(tmp_path / "new"), "--format", kind]
    result = CliRunner().invoke(main, arguments)
    assert result.output == f"Wrote 417 samples to {tmp_path / 'new'} as {kind}.\n"
    again = CliRunner().invoke(main, arguments)
    assert again.output == f"All is done: {tmp_path / 'new'} has the 417 samples as {kind} already.\n"
    result = CliRunner().invoke(main, [*arguments, "--json"])
    expected = {"output": str(tmp_path / "new"), "format": kind, "samples": 417, "new_shards": 0}
    assert json.loads(result.output) == expected
