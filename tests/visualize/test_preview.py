from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from click.core import Context
from PIL import Image

from cutmix_gen import GenerateConfig, generate, open_dataset
from cutmix_gen.cli import main
from cutmix_gen.cli.options import _NOT_SEEN
from cutmix_gen.errors import SourceError, UsageError
from cutmix_gen.generation.resolve import look_at, resolve
from cutmix_gen.mixing.pairing import PAIRINGS
from cutmix_gen.mixing.strategies import STRATEGIES
from cutmix_gen.shards import SHARD_FORMATS
from cutmix_gen.sources.scan import Part, scan
from cutmix_gen.visualize.preview import _sketches, draw_preview
from cutmix_gen.visualize.preview_sample import Sketcher, look_into
from tests.cli.test_cli import call
from tests.images import noise
from tests.sets import make_folder, tree


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return make_folder(tmp_path_factory.mktemp("source") / "images", per_class=12)


def preview(source, **options):
    explain = options.pop("explain", False)
    rows, columns = options.pop("rows", 2), options.pop("columns", 3)
    return draw_preview(GenerateConfig(source=source, output=source, **options), rows, columns, explain=explain)


def same(one, other) -> bool:
    return np.array_equal(np.asarray(one.picture), np.asarray(other.picture))


@pytest.mark.parametrize("explain", [False, True])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_is_shown(folder, strategy, explain):
    found = preview(folder, strategy=(strategy,), explain=explain)
    assert found.skipped == []
    assert found.picture.width >= 600


@pytest.mark.parametrize("pairing", PAIRINGS)
@pytest.mark.parametrize("shape", [(1, 1), (8, 6)])
def test_every_pairing_is_shown_in_any_number(folder, pairing, shape):
    found = preview(folder, pairing=pairing, rows=shape[0], columns=shape[1])
    assert found.skipped == []
    assert found.picture.width == 2 * 16 + shape[1] * (32 * 8 + 14) - 14
    assert found.picture.height > shape[0] * 24 * 8


def test_the_same_options_give_the_same_picture_and_another_seed_another(folder):
    assert same(preview(folder), preview(folder))
    assert not same(preview(folder), preview(folder, seed=1))
    assert not same(preview(folder), preview(folder, size="20"))


def test_what_encoding_does_is_seen(folder):
    assert not same(preview(folder, quality=1), preview(folder))
    assert same(preview(folder, image_format="png"), preview(folder, image_format="webp", quality=100))


def test_a_small_folder_gives_several_samples_of_each_base(tmp_path):
    folder = make_folder(tmp_path / "images", per_class=1, classes=3)
    found = preview(folder, rows=4, columns=3)
    assert found.picture.height > 4 * 200
    rows = np.array_split(np.asarray(found.picture)[16:-16], 4)
    assert not np.array_equal(rows[0][:150], rows[1][:150])


def test_pairs_are_those_that_were_asked_for(folder):
    config = GenerateConfig(source=folder, output=folder, pairs=("class-0,class-2,5",))
    picture = draw_preview(config, 1, 5).picture
    assert picture.width == draw_preview(config, 2, 5).picture.width, "no more than five were asked for"
    assert {0, 2} == set(look_into(config).labels.tolist())


def test_pairs_of_a_class_that_is_not_there_are_an_error_that_names_it(folder):
    with pytest.raises(UsageError, match="--pairs names the class 'cats'"):
        preview(folder, pairs=("cats,class-2,5",))


def test_an_image_that_cannot_be_read_is_named(folder, tmp_path):
    folder = make_folder(tmp_path / "images", per_class=3, classes=2)
    (folder / "class-0/bad.jpg").write_bytes(b"not an image")
    result = call("preview", folder, "-o", tmp_path / "a.png", "--rows", "1")
    assert result.exit_code == 3
    assert "class-0/bad.jpg: no image of a format that is read" in result.output
    assert (tmp_path / "a.png").exists()


def test_where_nothing_can_be_mixed_that_is_an_error(tmp_path):
    folder = make_folder(tmp_path / "images", per_class=2, classes=2)
    for path in folder.rglob("*.jpg"):
        path.write_bytes(b"not an image")
    with pytest.raises(SourceError, match=r"none could be.*class-"):
        preview(folder)
    with pytest.raises(SourceError, match="there is no folder"):
        preview(tmp_path / "none")


def test_only_the_picture_is_written(folder, tmp_path):
    before = tree(folder)
    result = call("preview", folder, "-o", tmp_path / "p.jpg", "--size", "16", "--strategy", "fmix", "--hflip", "0.5")
    assert result.exit_code == 0, result.output
    assert tree(folder) == before
    with Image.open(tmp_path / "p.jpg") as picture:
        assert picture.format == "JPEG"
    assert [path.name for path in tmp_path.iterdir()] == ["p.jpg"]


@pytest.mark.parametrize("command", ["preview", "strategies"])
def test_no_picture_is_written_among_the_sources(folder, command):
    before = tree(folder)
    result = call(command, folder, "-o", folder / "class-0/0001.jpg")
    assert result.exit_code == 2
    assert "lies inside SRC" in result.output
    assert tree(folder) == before


def test_the_command_has_every_option_that_decides_what_mixed_images_look_like():
    names = {param.name for param in main.get_command(Context(main), "preview").params}
    seen = {item.name for item in fields(GenerateConfig) if item.metadata.get("identity")} - set(_NOT_SEEN)
    assert seen <= names
    assert not names & set(_NOT_SEEN)
    assert {"strategy", "alpha", "pairing", "pairs", "size", "fit", "mode", "quality", "seed"} <= seen


def test_columns_of_an_explanation_are_refused(folder, tmp_path):
    result = call("preview", folder, "--explain", "--columns", "2", "-o", tmp_path / "a.png")
    assert result.exit_code == 2
    assert "--columns would have no effect" in result.output


def test_a_part_of_a_folder_is_listed_without_a_look_at_the_rest(tmp_path, monkeypatch):
    folder = make_folder(tmp_path / "images", per_class=30, classes=6, size=(2, 2))
    whole = scan(folder)
    part = scan(folder, Part(np.random.default_rng(0), classes=2, images=5))
    assert part.classes == whole.classes
    assert len(part) == 10
    assert len(set(part.labels.tolist())) == 2
    assert set(zip(part.paths, part.labels, part.sizes, strict=True)) <= set(
        zip(whole.paths, whole.labels, whole.sizes, strict=True)
    )
    named = scan(folder, Part(np.random.default_rng(0), classes=2, images=5, named=("class-3",)))
    assert set(named.labels.tolist()) == {3}
    asked = []
    monkeypatch.setattr("cutmix_gen.sources.walk._size", lambda entry: asked.append(entry.name) or entry.stat().st_size)
    scan(folder, Part(np.random.default_rng(0), classes=2, images=5))
    assert len(asked) == 10


def test_the_bases_are_those_that_generate_takes_first(folder, tmp_path):
    """A folder that is looked at as a whole is mixed of the same images, so that a picture shows what comes."""
    config = GenerateConfig(source=folder, output=tmp_path / "out", backend="serial", size="24", image_format="png")
    generate(config)
    first = open_dataset(tmp_path / "out").copy(1)
    scanned = look_into(config)
    resolved = resolve(config, scanned, look_at(config, scanned))
    found, _ = _sketches(resolved, scanned, Sketcher(resolved, scanned.classes), 6)
    shown = [sketch.images[0].source.path for sketch in found]
    assert shown == [first.row(number).sources[0] for number in range(6)]


@pytest.mark.parametrize("shards", SHARD_FORMATS)
def test_a_set_can_be_the_source(folder, tmp_path, shards):
    generate(GenerateConfig(source=folder, output=tmp_path / "set", format=shards, shard_size=5, backend="serial"))
    found = preview(tmp_path / "set", strategy=("patches",))
    assert found.skipped == []


@pytest.mark.parametrize(("mode", "kind"), [("L", np.uint8), ("I;16", np.uint16)])
def test_gray_and_deep_images_are_shown(tmp_path, mode, kind):
    for number in range(6):
        (tmp_path / f"images/{number % 2}").mkdir(parents=True, exist_ok=True)
        pixels = noise(16, 12, mode, number)
        assert pixels.dtype == kind
        Image.fromarray(pixels).save(tmp_path / f"images/{number % 2}/{number}.png")
    shown = np.asarray(preview(tmp_path / "images").picture)
    assert len(np.unique(shown[16:100, 16:100])) > 20


def test_samples_of_a_large_size_are_shown_without_filling_the_memory(folder, tmp_path):
    code = (
        "import pathlib, re, sys; from cutmix_gen.cli import main\n"
        "main(sys.argv[1:], standalone_mode=False)\n"
        "status = pathlib.Path('/proc/self/status').read_text()\n"
        "print(re.search(r'VmHWM:\\s+(\\d+)', status)[1])"  # in kB, since this program began
    )
    options = ["--size", "16384", "--rows", "3", "-o", str(tmp_path / "preview.png")]
    command = [sys.executable, "-c", code, "preview", str(folder), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert int(done.stdout.split()[-1]) < 1_000_000
