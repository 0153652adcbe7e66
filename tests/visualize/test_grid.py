from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cutmix_gen import GenerateConfig, generate, open_dataset
from cutmix_gen.dataset.open_shards import OpenShards
from cutmix_gen.errors import SetError, UsageError
from cutmix_gen.mixing.recipe import parse_recipe
from cutmix_gen.mixing.strategies import STRATEGIES
from cutmix_gen.shards import SHARD_FORMATS
from cutmix_gen.visualize.drawing import class_colour, outlined
from cutmix_gen.visualize.grid import Choice, choose, draw_grid, tile_of
from tests.cli.test_cli import call
from tests.sets import make_folder

SAMPLES = 360


@pytest.fixture(scope="module", params=SHARD_FORMATS)
def output(request, tmp_path_factory) -> Path:
    """Return a set of every strategy, in small shards, to which images of a class were added that few samples show."""
    folder = make_folder(tmp_path_factory.mktemp("source") / "images", per_class=40, size=(24, 24))
    rare = sorted((folder / "class-2").iterdir())
    for path in rare[2:]:
        path.rename(folder / "class-1" / f"2-{path.name}")
    root = tmp_path_factory.mktemp("set") / "out"
    config = GenerateConfig(
        source=folder, output=root, format=request.param, backend="serial", copies=2.0, shard_size=10,
        image_format="png", strategy=tuple(STRATEGIES),
    )  # fmt: skip
    generate(config)
    return root


def rows_of(output, **choice):
    dataset = open_dataset(output)
    return dataset.rows(choose(dataset, Choice(**choice), 24))


def test_samples_are_chosen_by_seed_each_once(output):
    dataset = open_dataset(output)
    first, again = (choose(dataset, Choice(seed=3), 24) for _ in range(2))
    assert first == again == sorted(set(first))
    assert len(first) == 24
    assert first != choose(dataset, Choice(seed=4), 24)
    assert choose(dataset, Choice(), 10_000) == list(range(SAMPLES))


def test_every_sample_is_chosen_as_often_as_any_other(output, looks_uniform):
    dataset = open_dataset(output)
    counts = np.zeros(SAMPLES)
    for seed in range(300):
        counts[choose(dataset, Choice(seed=seed), 12)] += 1
    assert looks_uniform(counts)


def test_originals_and_mixed_samples_are_chosen_apart(output):
    assert {row.synthetic for row in rows_of(output, only="original")} == {False}
    assert {row.synthetic for row in rows_of(output, only="cutmix")} == {True}


def test_samples_of_each_strategy_are_found(output):
    strategies = [row.strategy for row in open_dataset(output).rows(range(SAMPLES))]
    for strategy in STRATEGIES:
        rows = rows_of(output, strategies=(strategy,))
        assert {row.strategy for row in rows} == {strategy}
        assert len(rows) == min(24, strategies.count(strategy))


def test_a_rare_class_is_found_wherever_it_shows(output):
    dataset = open_dataset(output)

    def shows(row):
        return any(label == 2 and weight > 0 for label, weight in zip(row.label_index, row.label_weight, strict=True))

    expected = [number for number, row in enumerate(dataset.rows(range(SAMPLES))) if shows(row)]
    assert 2 < len(expected) < 24
    assert choose(dataset, Choice(classes=("class-2",)), 24) == expected
    mixed = choose(dataset, Choice(classes=("class-2",), only="cutmix"), 24)
    assert mixed == [number for number in expected if dataset.row(number).synthetic]


def test_several_classes_and_strategies_widen_the_choice(output):
    rows = rows_of(output, classes=("class-0", "class-2"), strategies=("cutmix", "ricap"))
    assert {row.strategy for row in rows} == {"cutmix", "ricap"}
    assert all(set(row.label_index[row.label_weight > 0]) & {0, 2} for row in rows)


def test_keys_are_shown_in_the_order_asked_for(output):
    keys = ("0001-002-000000007", "0001-000-000000003")
    assert [row.key for row in rows_of(output, keys=keys)] == list(keys)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_outline_is_that_of_the_pixels_that_donors_own(output, strategy):
    dataset = open_dataset(output)
    for number in choose(dataset, Choice(strategies=(strategy,)), 6):
        row = dataset.row(number)
        tile = tile_of(dataset, row)
        assert sum(share.weight for share in tile.shares) == pytest.approx(1, abs=1e-5)
        if tile.owners is None:
            assert strategy in ("mixup", "smoothmix")
            continue
        if strategy != "smoothmix":
            owned = [(tile.owners == source).mean() for source in range(len(tile.labels))]
            np.testing.assert_allclose(owned, row.label_weight[: len(owned)], atol=1e-6)
        colours = np.asarray(outlined(tile)).reshape(-1, 3)
        for source in np.unique(tile.owners[tile.owners > 0]):
            assert (colours == class_colour(tile.labels[source])).all(axis=1).any()


def test_an_original_has_no_outline(output):
    dataset = open_dataset(output)
    tile = tile_of(dataset, dataset.row(0))
    assert tile.owners is None
    assert [share.weight for share in tile.shares] == [1.0]
    assert tile.note == "0001-000-000000000  original"


def test_the_picture_of_a_cutmix_sample_has_its_box(output):
    dataset = open_dataset(output)
    number = choose(dataset, Choice(strategies=("cutmix",)), 1)[0]
    row = dataset.row(number)
    tile = tile_of(dataset, row)
    line = (np.asarray(outlined(tile)) == class_colour(parse_recipe(row.recipe).labels[1])).all(axis=2)
    zoom = tile.size.width // 24
    rows, columns = np.flatnonzero(line.any(axis=1)), np.flatnonzero(line.any(axis=0))
    assert [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1] == (row.boxes[0] * zoom).tolist()


def test_few_shards_are_opened_and_few_images_read(output, monkeypatch):

    opened, read = [], []
    shard, rows = OpenShards._shard, OpenShards.rows
    monkeypatch.setattr(OpenShards, "_shard", lambda self, head: (opened.append(head.shard), shard(self, head))[1])
    monkeypatch.setattr(OpenShards, "rows", lambda self, head, each: (read.extend(each), rows(self, head, each))[1])
    draw_grid(output, Choice(classes=("class-0",)), rows=2, columns=4)
    assert len(read) == 8
    assert len(set(opened)) <= 10
    assert len(list((output / "data").iterdir())) > 30


def test_of_a_set_in_a_store_few_shards_are_fetched(output, monkeypatch):
    monkeypatch.setattr("cutmix_gen.visualize.grid.is_local", lambda _: False)
    dataset = open_dataset(output)
    numbers = choose(dataset, Choice(), 24)
    assert len(set(numbers)) == 24
    assert len({dataset.place(number).file for number in numbers}) <= 8
    with pytest.raises(SetError, match="nothing for --only original"):
        choose(dataset.copy(1), Choice(only="original"), 24)


def test_what_is_not_there_is_an_error_that_says_what_is(output):
    with pytest.raises(UsageError, match=r"no 'Class-1'\. Did you mean 'class-1'"):
        draw_grid(output, Choice(classes=("Class-1",)))
    with pytest.raises(UsageError, match=r"no 'xyz'\. It has 3: class-0, class-1, class-2"):
        draw_grid(output, Choice(classes=("xyz",)))
    with pytest.raises(SetError, match=r"nothing for --strategy cutmixx .* made with cutmix, fmix"):
        draw_grid(output, Choice(strategies=("cutmixx",)))
    with pytest.raises(SetError, match="nothing for --strategy fmix --only original"):
        draw_grid(output, Choice(strategies=("fmix",), only="original"))
    with pytest.raises(SetError, match="no sample 1 among the"):
        draw_grid(output, Choice(keys=("1",)))
    with pytest.raises(UsageError, match="--key names the samples"):
        Choice(keys=("1",), only="cutmix")


@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
def test_the_command_writes_a_picture(output, tmp_path, ending):
    result = call("grid", output, "-o", tmp_path / f"grid.{ending}", "--rows", "2", "--columns", "3")
    assert result.exit_code == 0, result.output
    assert f"grid.{ending}: 708 x" in result.output
    with Image.open(tmp_path / f"grid.{ending}") as picture:
        assert picture.width == 708
    assert [path.name for path in tmp_path.iterdir()] == [f"grid.{ending}"]


def test_the_command_takes_a_choice(output, tmp_path):
    path = tmp_path / "grid.png"
    options = ["--class", "class-0", "--class", "class-2", "--strategy", "fmix", "--only", "cutmix", "--seed", "5"]
    assert call("grid", output, "-o", path, *options).exit_code == 0
    before = path.read_bytes()
    assert call("grid", output, "-o", path, "--key", "0001-000-000000003").exit_code == 0
    assert path.read_bytes() != before, "a picture that is there is replaced"
    assert call("grid", output, "-o", path, "--class", "x").exit_code == 2
    assert call("grid", output, "-o", tmp_path / "no/grid.png").exit_code == 2
    assert call("grid", output, "-o", tmp_path / "grid.gif").exit_code == 2
    assert call("grid", tmp_path, "-o", path).exit_code == 1


def test_an_unfinished_set_is_shown_as_far_as_it_is_there(tmp_path):
    folder = make_folder(tmp_path / "images", per_class=20, size=(8, 8))
    generate(GenerateConfig(source=folder, output=tmp_path / "out", shard_size=10, slice="1/3", backend="serial"))
    assert draw_grid(tmp_path / "out", Choice()).width > 1000


def test_large_images_are_shrunk_while_they_are_decoded(tmp_path):
    folder = make_folder(tmp_path / "images", per_class=2, classes=2, size=(1600, 1200))
    generate(GenerateConfig(source=folder, output=tmp_path / "out", backend="serial"))
    dataset = open_dataset(tmp_path / "out")
    row = next(dataset.row(number) for number in range(len(dataset)) if dataset.row(number).synthetic)
    assert json.loads(row.recipe)["size"] == [1600, 1200]
    tile = tile_of(dataset, row)
    assert tile.size == (259, 194)
    assert tile.owners is not None
    assert (tile.owners == 1).mean() == pytest.approx(float(row.label_weight[1]), abs=0.02)
