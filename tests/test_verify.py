from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cutmix_gen import GenerateConfig, generate
from cutmix_gen.errors import SetError
from cutmix_gen.masks import STRATEGIES
from cutmix_gen.shards import SHARD_FORMATS
from cutmix_gen.storage import sha256
from cutmix_gen.verify import Verification, verify
from tests.sets import make_folder, reseal


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("source") / "images", per_class=30)


@pytest.fixture(scope="module")
def parquet(folder, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("set") / "out"
    generate(GenerateConfig(source=folder, output=output, backend="serial", label_smoothing=0.1))
    return output


@pytest.fixture
def damaged(parquet, tmp_path) -> Path:
    return Path(shutil.copytree(parquet, tmp_path / "out"))


def only_problem(result: Verification) -> str:
    assert not result.ok
    assert len(result.problems) == 1, result.problems
    return result.problems[0].problem


def rewrite(output: Path, shard: int, change) -> None:
    """Change a shard's table and put the record in order again, so that only the content is wrong."""
    record_path = output / f".cutmix_gen/shards/{shard:06d}.json"
    record = json.loads(record_path.read_text())
    path = output / record["file"]
    table = pq.read_table(path)
    rows = table.to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)
    reseal(record_path, bytes=path.stat().st_size, sha256=sha256(path))


@pytest.mark.parametrize("shards", SHARD_FORMATS)
def test_a_set_of_every_strategy_is_all_good(folder, tmp_path, shards):
    config = GenerateConfig(
        source=folder, output=tmp_path / "out", format=shards, copies=2, strategy=tuple(STRATEGIES), backend="serial"
    )
    generate(config)
    result = verify(tmp_path / "out", deep=True, jobs=1)
    assert result.ok, result.problems[:3]
    assert result.samples == 270


def test_two_processes_find_what_one_finds(damaged):
    for path in sorted((damaged / "data").iterdir())[::2]:
        path.unlink()
    assert verify(damaged, jobs=2) == verify(damaged, jobs=1)


def test_a_missing_file_is_found(damaged):
    next((damaged / "data").iterdir()).unlink()
    assert only_problem(verify(damaged, jobs=1)) == "the file is missing"


def test_a_flipped_bit_is_found(damaged):
    path = sorted((damaged / "data").iterdir())[1]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert "SHA-256" in only_problem(verify(damaged, jobs=1))


def test_a_cut_file_is_found(damaged):
    path = sorted((damaged / "data").iterdir())[1]
    path.write_bytes(path.read_bytes()[:-100])
    assert "bytes, its record says" in only_problem(verify(damaged, jobs=1))


def test_a_missing_and_a_damaged_record_are_found(damaged):
    (damaged / ".cutmix_gen/shards/000000.json").unlink()
    (damaged / ".cutmix_gen/shards/000001.json").write_text("{")
    found = [problem.problem for problem in verify(damaged, jobs=1).problems if problem.shard.endswith(".json")]
    assert "commit record of this shard is gone" in found[0]
    assert "damaged" in found[1]


def test_a_stranger_in_the_data_folder_is_found(damaged):
    (damaged / "data/train-000099.parquet").write_bytes(b"")
    assert "no shard of the set" in only_problem(verify(damaged, jobs=1))


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("label_weight", [0.25, 0.75], "label_weight is"),
        ("lam", 0.123, "lam is not"),
        ("lam_drawn", 1.5, "lam_drawn is 1.5"),
        ("boxes", [[0, 0, 1, 1]], "boxes is"),
        ("soft_label", [0.0, 0.5, 0.5], "soft_label is not"),
        ("synthetic", False, "synthetic is False"),
        ("strategy", "patches", "strategy is patches"),
        ("sources", ["a/b.jpg"], "number of sources is 1"),
        ("recipe", "{}", "A recipe must be JSON"),
        ("key", "0001-001-000000000", "key does not follow"),
    ],
)
def test_each_field_that_breaks_the_law_is_found(damaged, field, value, problem):
    def change(rows):
        rows[3][field] = value

    record = json.loads((damaged / ".cutmix_gen/shards/000001.json").read_text())
    assert record["kind"] == "cutmix"
    rewrite(damaged, 1, change)
    assert any(problem in found.problem for found in verify(damaged, jobs=1).problems)


def test_a_wrong_dominant_label_is_found(damaged):
    def change(rows):
        rows[3]["label"] = 2 if rows[3]["label"] != 2 else 1

    rewrite(damaged, 1, change)
    assert "label is not" in only_problem(verify(damaged, jobs=1))


def test_a_lost_row_is_found(damaged):
    rewrite(damaged, 1, lambda rows: rows.pop())
    assert "samples, its record says" in only_problem(verify(damaged, jobs=1))


def test_only_a_deep_look_finds_an_image_that_is_none(damaged):
    def change(rows):
        rows[3]["image"]["bytes"] = rows[3]["image"]["bytes"][:60]

    rewrite(damaged, 1, change)
    assert verify(damaged, jobs=1).ok
    assert "cannot be decoded" in only_problem(verify(damaged, jobs=1, deep=True))


def test_a_folder_that_is_no_set_is_an_error(tmp_path):
    with pytest.raises(SetError, match="must be a set"):
        verify(tmp_path)
