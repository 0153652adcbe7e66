from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from cutmix_gen.cli import main
from cutmix_gen.generation.estimate import _line, _sample
from cutmix_gen.sources.scan import Scan
from tests.images import photo
from tests.sets import make_folder, tree


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["generate", *map(str, arguments)])


def facts(*arguments: str | Path) -> dict:
    result = call(*arguments, "--backend", "serial", "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Return photos of mixed sizes."""
    folder = tmp_path_factory.mktemp("source") / "images"
    rng = np.random.default_rng(0)
    for number in range(150):
        (folder / f"class-{number % 3}").mkdir(parents=True, exist_ok=True)
        side = int(np.exp(rng.uniform(np.log(20), np.log(120))))
        pixels = photo(side, side * 3 // 4, seed=number)
        Image.fromarray(pixels).save(folder / f"class-{number % 3}/{number}.jpg", quality=90)
    return folder


@pytest.mark.parametrize(
    "options",
    [
        ["--copies", "1"],
        ["--copies", "4", "--format", "webdataset"],
        ["--copies", "12", "--size", "32"],
        ["--copies", "0.6", "--no-originals"],
        ["--copies", "0"],
        ["--num-samples", "100", "--image-format", "png"],
    ],
    ids=" ".join,
)
def test_a_dry_run_is_near_the_truth(folder, tmp_path, options):
    expected = facts(folder, tmp_path / "out", *options, "--dry-run")
    assert not (tmp_path / "out").exists()
    made = facts(folder, tmp_path / "out", *options)
    assert (expected["samples"], expected["shards"]) == (made["samples"], made["shards"])
    assert expected["bytes"] == pytest.approx(made["bytes"], rel=0.15)
    assert 0 < expected["seconds"] < 30


def test_a_dry_run_of_pairs_counts_what_they_ask_for(folder, tmp_path):
    (tmp_path / "pairs.csv").write_text("class-0,class-1,40\nclass-2,class-0,20\n")
    options = ["--pairs", tmp_path / "pairs.csv"]
    expected = facts(folder, tmp_path / "out", *options, "--dry-run")
    made = facts(folder, tmp_path / "out", *options)
    assert (expected["samples"], expected["shards"]) == (made["samples"], made["shards"]) == (210, made["shards"])
    assert expected["bytes"] == pytest.approx(made["bytes"], rel=0.2)


@pytest.fixture(scope="module")
def broken(tmp_path_factory) -> Path:
    """Return 16 images of which none can be read."""
    folder = make_folder(tmp_path_factory.mktemp("source") / "images", per_class=8, classes=2)
    for path in folder.rglob("*.jpg"):
        path.write_bytes(b"broken")
    return folder


def test_images_that_cannot_be_read_give_no_samples(broken, tmp_path):
    options = [broken, tmp_path / "out", "--backend", "serial", "--dry-run", "--max-failures", "16", "--json"]
    result = call(*options)
    assert result.exit_code == 3
    said = json.loads(result.stdout)
    assert (said["images"], said["tried"], said["samples"], len(said["skipped"])) == (16, 16, 0, 16)
    assert not said["stops"]
    assert said["skipped"][0]["path"] == "class-0/0000.jpg"
    text = call(*options[:-1]).output
    assert "16 images give about 0 samples" in text
    assert "Of 16 images that were tried 16 could not be read:" in text
    assert "and 11 more" in text


def test_a_dry_run_ends_with_the_error_that_the_run_would_end_with(broken, tmp_path):
    options = [broken, tmp_path / "out", "--backend", "serial"]
    dry, wet = call(*options, "--dry-run"), call(*options)
    assert (dry.exit_code, wet.exit_code) == (1, 1)
    assert wet.stderr.startswith("Error: ")
    assert " of the source images could not be read, more than --max-failures allows (1)." in wet.stderr
    assert dry.stderr == wet.stderr


def test_a_few_images_that_cannot_be_read_are_told_and_taken_off(tmp_path):
    folder = make_folder(tmp_path / "images", per_class=8)
    (folder / "class-1/0002.jpg").write_bytes(b"broken")
    options = [folder, tmp_path / "out", "--backend", "serial", "--copies", "2", "--max-failures", "1", "--json"]
    dry, wet = call(*options, "--dry-run"), call(*options)
    assert (dry.exit_code, wet.exit_code) == (3, 3)
    expected, made = json.loads(dry.stdout), json.loads(wet.stdout)
    assert expected["samples"] == made["samples"] == 23 * 3
    assert expected["skipped"] == made["skipped"]
    # What is no base of this call need not be read.
    assert (
        call(*options, "--dry-run", "--max-failures", "0", "--append", "--seed", "1", "--slice", "0/2").exit_code == 3
    )


def test_what_is_there_already_is_not_counted_and_nothing_is_touched(folder, tmp_path):
    options = [folder, tmp_path / "out", "--shard-size", "30"]
    half = facts(*options, "--slice", "0/2")
    before = tree(tmp_path / "out")
    expected = facts(*options, "--dry-run")
    assert tree(tmp_path / "out") == before
    whole = facts(*options)
    assert expected["samples"] == whole["samples"] - half["samples"]
    assert expected["shards"] == whole["shards"] - half["shards"]
    assert expected["bytes"] == pytest.approx(whole["bytes"] - half["bytes"], rel=0.15)
    nothing = call(*options, "--dry-run")
    assert "nothing left to make" in nothing.output
    assert facts(*options, "--dry-run")["bytes"] == 0


def test_a_slice_is_its_part(folder, tmp_path):
    options = [folder, tmp_path / "out", "--shard-size", "30", "--slice", "1/3"]
    expected = facts(*options, "--dry-run")
    made = facts(*options)
    assert (expected["samples"], expected["shards"]) == (made["samples"], made["shards"])


def test_an_appended_and_a_replaced_run_are_counted_whole(folder, tmp_path):
    options = [folder, tmp_path / "out"]
    whole = facts(*options)
    assert facts(*options, "--dry-run", "--append", "--seed", "1")["samples"] == whole["samples"]
    assert facts(*options, "--dry-run", "--overwrite", "--seed", "1")["samples"] == whole["samples"]
    refused = call(*options, "--dry-run", "--seed", "1")
    assert refused.exit_code == 2
    assert "was made otherwise (--seed 0 there, 1 now)" in refused.output


def test_a_sample_has_of_each_size_as_many_as_there_are():
    sizes = np.random.default_rng(0).lognormal(10, 2, 5000).astype(np.int64)
    scanned = Scan(("a",), [b"%d" % size for size in sizes], np.zeros(5000, np.int32), sizes, {})
    for trial in range(5):
        sample = _sample(scanned, 200, trial)
        assert len(set(sample.paths)) == 200
        assert [int(path) for path in sample.paths] == sample.sizes.tolist()
        for share in (0.1, 0.5, 0.9):
            assert np.mean(sample.sizes <= np.quantile(sizes, share)) == pytest.approx(share, abs=0.006)


def test_what_a_task_costs_whatever_its_images_is_told_from_what_each_costs():
    line = _line((10, 25.0), (100, 205.0))
    assert line.at(1000) == pytest.approx(2005)


@pytest.mark.parametrize("low", [(10, 250.0), (10, 5.0), (100, 205.0)])
def test_two_points_that_make_no_sense_leave_the_larger_one(low):
    assert _line(low, (100, 205.0)).at(200) == pytest.approx(410)


def test_samples_of_any_size_are_tried_in_a_moment(folder, tmp_path):
    started = time.monotonic()
    expected = facts(folder, tmp_path / "out", "--size", "16384x16384", "--num-samples", "3", "--dry-run", "--force")
    assert time.monotonic() - started < 30
    assert expected["samples"] == 153
    assert expected["bytes"] > 1 << 30
    assert expected["seconds"] > 10
