from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from cutmix_gen.cli import main
from cutmix_gen.generation import space
from tests.images import photo
from tests.sets import tree


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["generate", *map(str, arguments)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Return images of mixed sizes."""
    folder = tmp_path_factory.mktemp("source") / "images"
    for number in range(60):
        (folder / f"class-{number % 2}").mkdir(parents=True, exist_ok=True)
        side = 24 + 3 * (number % 20)
        Image.fromarray(photo(side, side, seed=number)).save(folder / f"class-{number % 2}/{number}.jpg")
    return folder


OPTIONS = ("--backend", "serial", "--copies", "2", "--shard-size", "10")


@pytest.fixture(scope="module")
def made(folder, tmp_path_factory) -> tuple[Path, int]:
    """Return a set, and the bytes of its shards."""
    output = tmp_path_factory.mktemp("set") / "out"
    assert call(folder, output, *OPTIONS).exit_code == 0
    return output, sum(path.stat().st_size for path in (output / "data").iterdir())


@pytest.fixture
def free(monkeypatch):
    def set_free(number: float) -> None:
        monkeypatch.setattr(space.shutil, "disk_usage", lambda _: SimpleNamespace(free=int(number)))

    return set_free


def test_too_little_room_is_an_error_before_anything_is_written(folder, made, free, tmp_path):
    free(made[1] / 4)
    result = call(folder, tmp_path / "out", *OPTIONS)
    assert result.exit_code == 1
    assert "more in" in result.output
    assert "--force goes on" in result.output
    assert not (tmp_path / "out").exists()


def test_what_fits_is_never_refused(folder, made, free, tmp_path):
    free(made[1] * 1.02)
    assert call(folder, tmp_path / "out", *OPTIONS).exit_code == 0


def test_force_goes_on(folder, free, tmp_path):
    free(10)
    assert call(folder, tmp_path / "out", *OPTIONS, "--force").exit_code == 0


def test_nothing_is_looked_at_where_there_is_plenty(folder, free, tmp_path, monkeypatch):
    free(1 << 40)
    monkeypatch.setattr(space, "Images", None)
    assert call(folder, tmp_path / "out", *OPTIONS).exit_code == 0


@pytest.mark.parametrize("fit", ["center-crop", "random-resized-crop", "letterbox"])
def test_images_of_one_size_are_measured_at_that_size(folder, free, tmp_path, fit):
    options = [*OPTIONS, "--size", "40", "--fit", fit]
    assert call(folder, tmp_path / "first", *options).exit_code == 0
    size = sum(path.stat().st_size for path in (tmp_path / "first/data").iterdir())
    free(size / 3)
    assert call(folder, tmp_path / "out", *options).exit_code == 1
    free(size * 1.02)
    assert call(folder, tmp_path / "out", *options).exit_code == 0


def test_a_run_that_goes_on_needs_room_for_its_rest_only(folder, made, free, tmp_path):
    shutil.copytree(made[0], tmp_path / "out")
    records = sorted((tmp_path / "out/.cutmix_gen/shards").iterdir())
    for record in records[::3]:  # of both kinds
        record.unlink()
    before = tree(tmp_path / "out")
    free(made[1] / 10)
    result = call(folder, tmp_path / "out", *OPTIONS)
    assert result.exit_code == 1
    assert "--force" in result.output
    assert tree(tmp_path / "out") == before
    free(made[1] / 2)
    assert call(folder, tmp_path / "out", *OPTIONS).exit_code == 0


def test_a_set_that_is_replaced_gives_its_room(folder, made, free, tmp_path):
    shutil.copytree(made[0], tmp_path / "out")
    options = [*OPTIONS, "--seed", "1", "--overwrite"]
    free(made[1] / 4)
    assert call(folder, tmp_path / "new", *OPTIONS, "--seed", "1").exit_code == 1
    assert json.loads(call(folder, tmp_path / "out", *options, "--dry-run", "--json").output)["free"] > made[1]


def test_a_dry_run_says_its_figures_and_then_that_they_do_not_fit(folder, made, free, tmp_path):
    free(made[1] / 1.2)
    result = call(folder, tmp_path / "out", *OPTIONS, "--dry-run")
    assert result.exit_code == 1
    assert "60 images give 180 samples in 18 shards" in result.output
    assert f"The disk has {made[1] / 1.2 / 1000:.1f} kB free" in result.output
    assert "Error: The set needs about" in result.output
    assert call(folder, tmp_path / "out", *OPTIONS, "--dry-run", "--force").exit_code == 0
