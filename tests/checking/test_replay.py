from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from PIL import Image

from cutmix_gen import GenerateConfig, generate, open_dataset
from cutmix_gen.checking.replay import Replayer, replay
from cutmix_gen.cli import main
from cutmix_gen.errors import ImageError, SetError
from cutmix_gen.mixing.strategies import STRATEGIES
from cutmix_gen.shards import SHARD_FORMATS
from cutmix_gen.visualize.explain import _to_write
from tests.images import file_of, noise
from tests.sets import make_folder, reseal

ORIGINAL, MIXED = "0001-000-000000002", "0001-001-000000003"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_folder(tmp_path_factory.mktemp("source") / "images", per_class=8)
    for number, mode in enumerate(("L", "RGB")):  # others that have to be converted, turned to size, encoded
        (root / f"class-{number}" / "odd.png").write_bytes(file_of(noise(40, 30, mode, seed=number), "PNG"))
    return root


@pytest.fixture
def made(folder, tmp_path) -> Path:
    generate(GenerateConfig(source=folder, output=tmp_path / "out", backend="serial"))
    return tmp_path / "out"


@pytest.fixture
def own(folder, tmp_path) -> tuple[Path, Path]:
    """Return a folder of images that may be changed, and a set of them."""
    source = Path(shutil.copytree(folder, tmp_path / "images"))
    generate(GenerateConfig(source=source, output=tmp_path / "out", backend="serial"))
    return source, tmp_path / "out"


def all_of(output: Path, source: Path | None = None) -> list:
    replayer = Replayer(output, source)
    return [replayer.replay(number) for number in range(len(replayer.dataset))]


def change(output: Path, key: str, **fields) -> None:
    """Change fields of a stored sample."""
    dataset = open_dataset(output)
    place = dataset.place(dataset.find(key))
    table = pq.read_table(output / place.file)
    rows = table.to_pylist()
    rows[place.row] |= fields
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), output / place.file)
    record = output / f".cutmix_gen/shards/{int(Path(place.file).stem.rpartition('-')[2]):06d}.json"
    size = (output / place.file).stat().st_size
    reseal(record, bytes=size)


def run(*arguments: str | Path):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.parametrize("shards", SHARD_FORMATS)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_sample_of_every_strategy_is_made_again_byte_for_byte(folder, tmp_path, strategy, shards):
    config = {"strategy": strategy, "format": shards, "hflip": 0.5}
    generate(GenerateConfig(source=folder, output=tmp_path / "out", backend="serial", **config))
    results = all_of(tmp_path / "out")
    assert len(results) == 52
    assert [result for result in results if not result.same] == []


@pytest.mark.parametrize(
    "config",
    [
        {"size": "20x30"},
        {"size": "20x30", "fit": "random-resized-crop"},
        {"size": "7x5", "fit": "stretch", "interpolation": "nearest"},
        {"size": "33x17", "fit": "letterbox", "strategy": tuple(STRATEGIES), "hflip": 0.5},
        {"size": "4x3", "codec": "pillow"},  # so small that the decoder shrinks
        {"mode": "L"},
        {"mode": "I;16", "size": "16x16"},
        {"image_format": "webp", "quality": 100},
        {"pairs": ("class-0,class-1,30", "class-2,class-2,5")},
        {"copies": 2.5, "originals": False, "shard_size": 7, "label_smoothing": 0.1},
    ],
    ids=str,
)
def test_every_sample_is_made_again_whatever_the_options(folder, tmp_path, config):
    generate(GenerateConfig(source=folder, output=tmp_path / "out", backend="serial", **config))
    results = all_of(tmp_path / "out")
    assert results
    assert [result for result in results if not result.same] == []


@pytest.mark.parametrize("shards", SHARD_FORMATS)
def test_a_sample_whose_sources_lie_in_shards_is_made_again(folder, tmp_path, shards):
    generate(GenerateConfig(source=folder, output=tmp_path / "first", backend="serial", format=shards))
    generate(GenerateConfig(source=tmp_path / "first", output=tmp_path / "out", backend="serial", size="16x16"))
    assert all(result.same for result in all_of(tmp_path / "out"))


def test_samples_of_an_appended_run_are_made_again(folder, made):
    generate(GenerateConfig(source=folder, output=made, backend="serial", append=True, seed=1, originals=False))
    assert [result.key[:4] for result in all_of(made) if result.same] == ["0001"] * 52 + ["0002"] * 26


def test_a_sample_is_made_again_where_its_neighbours_were_skipped(folder, tmp_path):
    source = Path(shutil.copytree(folder, tmp_path / "images"))
    (source / "class-1/0003.jpg").write_bytes(b"no image")
    generate(GenerateConfig(source=source, output=tmp_path / "out", backend="serial", max_failures="1"))
    results = all_of(tmp_path / "out")
    assert len(results) == 50
    assert all(result.same for result in results)


def test_an_image_of_other_bytes_is_told(made):
    change(made, MIXED, image={"bytes": file_of(noise(32, 24), "JPEG"), "path": f"{MIXED}.jpg"})
    assert "the image has other bytes" in replay(made, MIXED).problem
    assert replay(made, ORIGINAL).same
    assert run("replay", made, MIXED).exit_code == 3


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"sources": ["class-0/0000.jpg", "class-9/0001.jpg"]}, "its base is|is no source of class"),
        ({"sources": ["class-0/0000.jpg"]}, "its base is|it has 1 sources"),
        ({"recipe": "{}"}, "A recipe must be JSON"),
    ],
)
def test_a_sample_that_cannot_be_of_its_key_is_told(made, fields, problem):
    change(made, MIXED, **fields)
    result = replay(made, MIXED)
    assert not result.same
    assert any(part in result.problem for part in problem.split("|"))


@pytest.mark.parametrize(
    ("at", "value", "problem"),
    [
        (("views", 0, "crop"), [0, 0, 5000, 24], "has no part"),
        (("labels", 1), 1, "is no source of class 1"),
        (("labels", 1), -1, "labels (2, -1) of 3 classes"),
        (("run",), 5, "is one of run 5"),
        (("strategy",), "nonsense", "nonsense"),
        (("size",), [9, 9], "recipe"),
        (("params", "lam"), 0.123, "other bytes"),
    ],
)
def test_a_changed_recipe_is_told(made, at, value, problem):
    dataset = open_dataset(made)
    recipe = json.loads(dataset.row(dataset.find(MIXED)).recipe)
    inner = recipe
    for name in at[:-1]:
        inner = inner[name]
    inner[at[-1]] = value
    change(made, MIXED, recipe=json.dumps(recipe))
    result = replay(made, MIXED)
    assert not result.same
    assert not result.by_versions
    assert problem in result.problem


def base_of(output: Path, key: str) -> str:
    dataset = open_dataset(output)
    return dataset.row(dataset.find(key)).sources[0]


def test_a_source_that_is_gone_is_no_wrong_sample(own):
    source, output = own
    (source / base_of(output, MIXED)).unlink()
    with pytest.raises(ImageError, match=r"its source class-.*is not what it was: the file is gone"):
        replay(output, MIXED)
    assert run("replay", output, MIXED).exit_code == 1


def test_a_source_of_another_size_is_no_wrong_sample(own):
    source, output = own
    with (source / base_of(output, MIXED)).open("ab") as file:
        file.write(b"more")
    with pytest.raises(ImageError, match=r"is not what it was: the file has more bytes than the \d+ that it had"):
        replay(output, MIXED)


def test_sources_that_have_moved_can_be_named(own, tmp_path):
    source, output = own
    source.rename(tmp_path / "elsewhere")
    assert run("replay", output, MIXED).exit_code == 1
    assert replay(output, MIXED, tmp_path / "elsewhere").same
    assert run("replay", output, MIXED, "--source", tmp_path / "elsewhere").exit_code == 0


@pytest.mark.parametrize("stored", [1, 200], ids=["a hardly different image", "another image"])
def test_other_releases_of_the_libraries_are_told_from_a_wrong_sample(made, monkeypatch, stored):
    dataset = open_dataset(made)
    pixels = dataset[dataset.find(MIXED)].image
    other = file_of((pixels.astype(int) + stored).clip(0, 255).astype(np.uint8), "JPEG", quality=100, subsampling=0)
    change(made, MIXED, image={"bytes": other, "path": f"{MIXED}.jpg"})
    monkeypatch.setattr("cutmix_gen.checking.replay.changed_versions", lambda _: ["pillow 1 then, 2 now"])
    result = replay(made, MIXED)
    assert not result.same
    assert result.by_versions == (stored == 1)
    assert "pillow 1 then, 2 now" in result.problem


def test_a_key_that_is_none_is_an_error_that_says_what_keys_look_like(made):
    for key in ("0001-001-000000099", "0009-001-000000000", "../x", ""):
        with pytest.raises(SetError, match=r"A key has run, copy and position, e\.g\. 0001-0"):
            replay(made, key)


@pytest.mark.parametrize("strategy", ["cutmix", "ricap", "smoothmix", "mixup", "resizemix", "fmix"])
@pytest.mark.parametrize("mode", ["RGB", "I;16"])
def test_the_picture_shows_sources_mask_and_result(folder, tmp_path, strategy, mode):
    config = {"strategy": strategy, "mode": mode, "size": "24x24", "fit": "letterbox", "hflip": 0.5}
    generate(GenerateConfig(source=folder, output=tmp_path / "out", backend="serial", **config))
    result = run("replay", tmp_path / "out", MIXED, "-o", tmp_path / "picture.png")
    assert result.exit_code == 0, result.output
    assert "Wrote" in result.output
    with Image.open(tmp_path / "picture.png") as picture:
        pixels = np.asarray(picture)
    panels = np.flatnonzero(np.diff((pixels[20:200] != 255).any(axis=(0, 2)).astype(int)) == 1)
    assert len(panels) >= STRATEGIES[strategy]().sources + 2


def test_the_picture_of_an_original_shows_source_and_result(made, tmp_path):
    assert run("replay", made, ORIGINAL, "-o", tmp_path / "picture.png").exit_code == 0
    assert (tmp_path / "picture.png").is_file()


@pytest.mark.parametrize("name", ["line\nbreak", "tab\tand \x1b[31mred", "猫", "\U00013000", "x" * 200])
def test_the_picture_takes_any_name(tmp_path, name):
    folder = make_folder(tmp_path / "images", classes=1, per_class=4)
    next(folder.iterdir()).rename(folder / name)
    generate(GenerateConfig(source=folder, output=tmp_path / "out", backend="serial"))
    assert run("replay", tmp_path / "out", MIXED, "-o", tmp_path / "picture.png").exit_code == 0
    with Image.open(tmp_path / "picture.png") as picture:
        assert picture.width < 5 * 560


def test_captions_are_written_in_escapes_where_no_font_has_the_letters(made, tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr("cutmix_gen.visualize.explain.write", lambda _sheet, _place, text, *_: written.append(text))
    assert run("replay", made, MIXED, "-o", tmp_path / "picture.png").exit_code == 0
    assert [text.split()[0] for text in written if text.startswith(("base:", "donor", "mask", "cutmix"))] == [
        *("base:", "donor", "mask", "cutmix"),
    ]
    monkeypatch.setattr("cutmix_gen.visualize.explain.can_write", lambda _text: False)
    assert _to_write("0.5 猫\n") == "0.5 \\u732b\\n"


def test_captions_leave_ink_below_the_panels(made, tmp_path):
    assert run("replay", made, MIXED, "-o", tmp_path / "picture.png").exit_code == 0
    with Image.open(tmp_path / "picture.png") as picture:
        below = np.asarray(picture.convert("L"))[12 + 256 :]
    assert (below < 128).sum() > 500


def test_a_picture_that_could_not_be_written_is_refused_before_any_work(made, tmp_path):
    for name in ("picture.txt", "nowhere/picture.png"):
        result = run("replay", made, MIXED, "-o", tmp_path / name)
        assert result.exit_code == 2
        assert "name must end in" in result.output or "There is no folder" in result.output


@pytest.mark.parametrize("command", [("replay", MIXED), ("verify", "--replay", "3")])
def test_sources_that_were_moved_to_nowhere_are_refused(made, tmp_path, command):
    name, *others = command
    result = run(name, made, *others, "--source", tmp_path / "nowhere")
    assert result.exit_code == 2
    assert f"There is no folder {tmp_path / 'nowhere'}" in result.output
