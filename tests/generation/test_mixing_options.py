"""Whole runs with each way to mix, to fit and to pair, read back without this package."""

from __future__ import annotations

import io
import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import cutmix_gen.generation.resolve
import cutmix_gen.sources.images
from cutmix_gen import GenerateConfig, generate
from cutmix_gen.checking import verify
from cutmix_gen.cli import main
from cutmix_gen.errors import UsageError
from cutmix_gen.mixing.fitting import FITS
from cutmix_gen.mixing.pairing import PAIRINGS
from cutmix_gen.mixing.strategies import STRATEGIES, LamLaw
from tests.sets import make_folder, rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder whose classes have 150, 30 and 5 images."""
    root = make_folder(tmp_path_factory.mktemp("source") / "images", per_class=150)
    for label, count in ((1, 30), (2, 5)):
        for path in sorted((root / f"class-{label}").iterdir())[count:]:
            path.unlink()
    return root


def made(folder: Path, output: Path, **options: object) -> list[dict]:
    generate(GenerateConfig(source=folder, output=output, backend="serial", **options))
    return list(rows(output).values())


def mixed(folder: Path, output: Path, **options: object) -> list[dict]:
    return [row for row in made(folder, output, **options) if row["synthetic"]]


def classes(row: dict) -> tuple[int, ...]:
    return tuple(int(path[len("class-")]) for path in row["sources"])


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("size", ["keep", "20x28"])
def test_every_strategy_goes_with_every_fit(folder, tmp_path, fit, size):
    found = made(folder, tmp_path / "out", fit=fit, size=size, strategy=tuple(STRATEGIES), hflip=0.5)
    assert {row["strategy"] for row in found} == {"original", *STRATEGIES}
    for row in found:
        width, height = Image.open(io.BytesIO(row["image"]["bytes"])).size
        assert (width, height) == ((32, 24) if size == "keep" else (20, 28))
        assert sum(row["label_weight"]) == pytest.approx(1, abs=1e-6)
        assert len(row["label_weight"]) == 4
    assert verify(tmp_path / "out", deep=True, jobs=1).ok


@pytest.mark.parametrize("pairing", PAIRINGS)
def test_every_image_is_mixed_in_every_way_to_pair(folder, tmp_path, pairing):
    found = mixed(folder, tmp_path / "out", pairing=pairing, copies=2, shard_size=40)
    assert len(found) == 2 * 185
    assert all(row["sources"][0] != row["sources"][1] for row in found)
    same = [a == b for a, b in map(classes, found)]
    if pairing == "same-class":
        assert all(same)
    if pairing == "cross-class":
        assert not any(same)
    if pairing == "balanced":
        donors = Counter(classes(row)[1] for row in found)
        shares = np.array([donors[label] / len(found) for label in range(3)])
        law = np.array([1 / 150, 1 / 30, 1 / 5])
        law /= law.sum()
        assert (np.abs(shares - law) < 4 * np.sqrt(law * (1 - law) / len(found))).all()
        assert len({row["sources"][1] for row in found if classes(row)[1] == 2}) == 5


def test_a_class_of_one_image_has_no_partner_of_its_class_and_is_named(folder, tmp_path):
    report = generate(
        GenerateConfig(source=_with_one_image(folder, tmp_path), output=tmp_path / "out", pairing="same-class",
                       backend="serial", max_failures="1")
    )  # fmt: skip
    assert [skip.reason for skip in report.skipped] == ["there is no other readable image of its class in its block"]


def _with_one_image(folder: Path, tmp_path: Path) -> Path:
    source = make_folder(tmp_path / "images", per_class=5, classes=2)
    (source / "lonely").mkdir()
    (source / "lonely/one.jpg").write_bytes(next((folder / "class-0").iterdir()).read_bytes())
    return source


def test_pairings_that_the_data_cannot_give_are_refused(tmp_path):
    make_folder(tmp_path / "one", per_class=5, classes=1)
    with pytest.raises(UsageError, match="at least two classes"):
        made(tmp_path / "one", tmp_path / "out", pairing="cross-class")
    make_folder(tmp_path / "singles", per_class=1, classes=4)
    with pytest.raises(UsageError, match="at least two images"):
        made(tmp_path / "singles", tmp_path / "out2", pairing="same-class")


def test_pairs_of_classes_are_made_in_exact_numbers(folder, tmp_path):
    pairs = (
        "class_a,class_b,count",
        "class-0,class-2,200",
        "class-2,class-0,31",
        "class-1,class-1,40",
        "class-0,class-2,1",
    )
    found = mixed(folder, tmp_path / "out", pairs=pairs, shard_size=30)
    assert Counter(map(classes, found)) == {(0, 2): 201, (2, 0): 31, (1, 1): 40}
    assert all(row["sources"][0] != row["sources"][1] for row in found)
    bases = Counter(row["sources"][0] for row in found if classes(row) == (0, 2))
    assert set(bases.values()) == {1, 2}
    donors = Counter(row["sources"][1] for row in found if classes(row) == (0, 2))
    assert set(donors.values()) == {40, 41}
    assert len(rows(tmp_path / "out")) == 185 + 272
    assert verify(tmp_path / "out", deep=True, jobs=1).ok
    again = generate(GenerateConfig(source=folder, output=tmp_path / "out", pairs=pairs, shard_size=30))
    assert again.new_shards == 0


def test_pairs_come_from_a_file_on_the_command_line(folder, tmp_path):
    (tmp_path / "pairs.csv").write_text('"class-0",class-1,7\n')
    arguments = [
        "generate",
        str(folder),
        str(tmp_path / "out"),
        "--pairs",
        str(tmp_path / "pairs.csv"),
        "--no-originals",
    ]
    assert CliRunner().invoke(main, [*arguments, "--backend", "serial"]).exit_code == 0
    assert [classes(row) for row in rows(tmp_path / "out").values()] == [(0, 1)] * 7


@pytest.mark.parametrize(
    ("pairs", "options", "message"),
    [
        (("class-0,class-9,3",), {}, "names the class 'class-9'"),
        (("class-0,class-1",), {}, "Line 1 of --pairs"),
        (("class-0,class-1,many",), {}, "whole number from 0 to 1,000,000,000,000 as count"),
        (("class-0,class-1,3",), {"copies": 2}, "Leave --copies"),
        (("class-0,class-1,3",), {"strategy": ("multi",)}, "strategies of two images"),
    ],
)
def test_pairs_that_make_no_sense_are_refused(folder, tmp_path, pairs, options, message):
    with pytest.raises(UsageError, match=message):
        made(folder, tmp_path / "out", pairs=pairs, **options)


def test_strategies_are_drawn_by_weight(folder, tmp_path):
    found = mixed(folder, tmp_path / "out", strategy=("cutmix:3", "mixup:1"), copies=5)
    share = sum(row["strategy"] == "cutmix" for row in found) / len(found)
    assert share == pytest.approx(0.75, abs=4 * np.sqrt(0.75 * 0.25 / len(found)))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_realised_lam_lies_in_the_range_asked_for(folder, tmp_path, strategy):
    found = mixed(folder, tmp_path / "out", strategy=strategy, lam_range="0.3,0.6", max_failures="100%")
    # A box centred on a corner, because the donor is most salient there, leaves the base 3/4 whatever its size.
    assert len(found) == 185 or strategy == "saliencymix"
    assert len(found) > 30
    assert all(0.3 <= row["lam"] <= 0.6 for row in found)


def test_a_range_that_no_mask_can_give_skips_with_a_reason(folder, tmp_path):
    config = GenerateConfig(
        source=folder, output=tmp_path / "out", strategy="resizemix", lam_range="0,0.2", backend="serial",
        max_failures="100%",
    )  # fmt: skip
    report = generate(config)
    assert report.samples == 185
    assert "gives a lam in the range" in report.skipped[0].reason


def test_every_use_of_an_image_has_a_random_crop_of_its_own(folder, tmp_path):
    found = made(
        folder, tmp_path / "out", fit="random-resized-crop", size="16", copies=3, scale="0.25,0.5", aspect="1/2,2"
    )
    views = [view for row in found for view in json.loads(row["recipe"])["views"]]
    areas = np.array([(x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in (view["crop"] for view in views)]) / (32 * 24)
    assert 0.2 < areas.min() < 0.3
    assert 0.45 < areas.max() < 0.55
    by_image: dict[str, set] = {}
    for row in found:
        for path, view in zip(row["sources"], json.loads(row["recipe"])["views"], strict=True):
            by_image.setdefault(path, set()).add(tuple(view["crop"]))
    assert min(map(len, by_image.values())) >= 3


def test_the_bars_of_a_letterbox_are_black_and_nobodys(tmp_path):
    root = tmp_path / "images"
    for label, value in (("a", 250), ("b", 120)):
        (root / label).mkdir(parents=True)
        for number in range(40):
            Image.new("L", (40, 20) if number % 2 else (20, 40), value).save(root / label / f"{number}.png")
    found = mixed(root, tmp_path / "out", fit="letterbox", size="40", copies=2, pairing="cross-class")
    for row in found:
        pixels = np.asarray(Image.open(io.BytesIO(row["image"]["bytes"])))
        counts = [np.count_nonzero(pixels == value) for value in (250, 120)]
        assert np.count_nonzero(pixels == 0) == pixels.size - sum(counts)
        np.testing.assert_allclose(row["soft_label"], np.array(counts) / sum(counts), atol=1e-6)
        x1, y1, x2, y2 = row["boxes"][0]
        donor = np.argwhere(pixels == (120 if row["sources"][1].startswith("b") else 250))
        assert [x1, y1] == donor.min(axis=0)[::-1].tolist()
        assert [x2, y2] == (donor.max(axis=0) + 1)[::-1].tolist()


def test_mirrors_come_with_the_probability_asked_for_and_show(tmp_path):
    root = tmp_path / "images"
    ramp = np.tile(np.arange(0, 240, 8, dtype=np.uint8), (20, 1))
    for label in "ab":
        (root / label).mkdir(parents=True)
        for number in range(100):
            Image.fromarray(ramp).save(root / label / f"{number}.png")
    found = mixed(root, tmp_path / "out", hflip=0.3)
    flips = []
    for row in found:
        pixels = np.asarray(Image.open(io.BytesIO(row["image"]["bytes"])))
        x1, y1, x2, y2 = row["boxes"][0]
        views = json.loads(row["recipe"])["views"]
        base, donor = (ramp[:, ::-1] if view["flip"] else ramp for view in views)
        expected = base.copy()
        expected[y1:y2, x1:x2] = donor[y1:y2, x1:x2]
        np.testing.assert_array_equal(pixels, expected)
        flips += [view["flip"] for view in views]
    assert np.mean(flips) == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / len(flips)))


@pytest.mark.parametrize("alpha", [0.2, 0.5, 1.0, 3.0, 20.0])
def test_a_stratified_lam_has_the_same_law_and_less_spread(alpha):
    plain = LamLaw(alpha).draw(np.random.default_rng(0), 200_000)
    blocks = [LamLaw(alpha, stratified=True).draw(np.random.default_rng(seed), 500) for seed in range(400)]
    stratified = np.concatenate(blocks)
    grid = np.linspace(0, 1, 201)[1:-1]
    difference = np.searchsorted(np.sort(plain), grid) - np.searchsorted(np.sort(stratified), grid)
    assert np.abs(difference).max() / 200_000 < 1.95 * np.sqrt(2 / 200_000)
    means = [LamLaw(alpha).draw(np.random.default_rng(seed), 500).mean() for seed in range(400)]
    assert np.std([block.mean() for block in blocks]) < np.std(means) / 10
    order = blocks[0]
    rises = sum(one < two for one, two in pairwise(order.tolist()))
    assert 200 < rises < 300


def test_stratified_runs_have_an_even_lam_in_each_block(folder, tmp_path):
    found = mixed(folder, tmp_path / "out", stratify=True, strategy="mixup")
    drawn = np.sort([row["lam_drawn"] for row in found])
    assert len(drawn) == 185
    # Two blocks of 92 and 93: sorted, the draws stay within a stratum of the even spread.
    assert np.abs(drawn - (np.arange(185) + 0.5) / 185).max() < 2.5 / 92


@pytest.mark.parametrize("interpolation", ["bicubic", "lanczos", "nearest"])
def test_interpolation_changes_the_pixels_and_nothing_else(folder, tmp_path, interpolation):
    plain = {row["key"]: row for row in made(folder, tmp_path / "plain", size="20", image_format="png")}
    other = {
        row["key"]: row
        for row in made(folder, tmp_path / "other", size="20", image_format="png", interpolation=interpolation)
    }
    assert plain.keys() == other.keys()
    assert all(plain[key]["recipe"] == other[key]["recipe"] for key in plain)
    assert sum(plain[key]["image"]["bytes"] != other[key]["image"]["bytes"] for key in plain) > 300


def test_more_sources_than_a_set_has_room_for_cannot_be_appended(folder, tmp_path):
    made(folder, tmp_path / "out")
    with pytest.raises(UsageError, match="holds 2 sources, but the strategy mixes 4"):
        made(folder, tmp_path / "out", strategy="ricap", append=True)


def test_the_gallery_has_a_row_for_every_strategy(folder, tmp_path):
    result = CliRunner().invoke(main, ["strategies", "-o", str(tmp_path / "all.png"), str(folder)])
    assert result.exit_code == 0, result.output
    with Image.open(tmp_path / "all.png") as picture:
        assert picture.height > 11 * 120
    listed = CliRunner().invoke(main, ["strategies"]).output
    assert all(name in listed for name in STRATEGIES)


def test_pairs_come_again_only_when_all_have_been(tmp_path):
    folder = make_folder(tmp_path / "images", per_class=12, classes=2)
    found = mixed(folder, tmp_path / "out", pairs=("class-0,class-1,144", "class-0,class-0,60"))
    crossed = Counter(tuple(row["sources"]) for row in found if classes(row) == (0, 1))
    assert len(crossed) == 144
    same = Counter(tuple(row["sources"]) for row in found if classes(row) == (0, 0))
    assert len(same) > 50


@pytest.mark.parametrize("size", ["keep", "31x18"])
def test_a_sample_of_two_shows_two_whatever_the_bars(tmp_path, size):
    root = tmp_path / "images"
    rng = np.random.default_rng(1)
    for number in range(120):
        (root / f"{number % 2}").mkdir(parents=True, exist_ok=True)
        width, height = rng.integers(2, 48, 2).tolist()
        Image.new("L", (width, height), 100 + 90 * (number % 2)).save(root / f"{number % 2}" / f"{number}.png")
    found = mixed(root, tmp_path / "out", fit="letterbox", size=size, strategy=("smoothmix", "mixup", "fmix"),
                  pairing="cross-class", copies=3)  # fmt: skip
    for row in found:
        pixels = np.asarray(Image.open(io.BytesIO(row["image"]["bytes"])))
        base = 100 + 90 * row["label_index"][0]
        assert ((pixels != base) & (pixels != 0)).any(), row["recipe"]


def test_a_base_meets_other_classmates_in_other_copies(tmp_path):
    folder = make_folder(tmp_path / "images", per_class=8, classes=60, size=(8, 8))
    found = mixed(folder, tmp_path / "out", pairing="same-class", copies=6)
    donors: dict[str, set] = {}
    for row in found:
        donors.setdefault(row["sources"][0], set()).add(row["sources"][1])
    assert len(donors) == 480
    assert np.mean([len(each) for each in donors.values()]) > 3


def test_one_broken_stranger_is_no_loss(tmp_path):
    folder = make_folder(tmp_path / "images", per_class=126, classes=2, size=(8, 8))
    for path in sorted((folder / "class-1").iterdir())[2:]:
        path.unlink()
    next((folder / "class-1").iterdir()).write_bytes(b"broken")
    report = generate(
        GenerateConfig(
            source=folder, output=tmp_path / "out", pairing="cross-class", backend="serial", max_failures="1"
        )
    )
    assert len(report.skipped) == 1
    assert report.samples == 2 * 127


def test_guests_are_no_more_than_the_bases(tmp_path, monkeypatch):
    folder = make_folder(tmp_path / "images", per_class=2, classes=150, size=(8, 8))
    loads = []
    load = cutmix_gen.sources.images.Images.load
    monkeypatch.setattr(
        cutmix_gen.sources.images.Images, "load", lambda self, source: loads.append(source) or load(self, source)
    )
    monkeypatch.setattr(cutmix_gen.generation.resolve, "PIXEL_BUDGET", 8 * 8 * 3 * 40)
    made(folder, tmp_path / "out", pairing="balanced", copies=2)
    assert len(loads) <= 2 * 300


def test_nearest_takes_pixels_as_they_are(tmp_path):
    columns = np.zeros((512, 1024), np.uint8)
    columns[:, ::2] = 255
    for label in "ab":
        (tmp_path / "images" / label).mkdir(parents=True)
        Image.fromarray(columns).save(tmp_path / "images" / label / "1.jpg", quality=100)
    found = made(tmp_path / "images", tmp_path / "out", size="64x32", interpolation="nearest", image_format="png")
    for row in found:
        pixels = np.asarray(Image.open(io.BytesIO(row["image"]["bytes"])))
        assert set(np.unique(pixels // 86).tolist()) <= {0, 2}


def test_quotas_of_one_class_are_even(tmp_path):
    folder = make_folder(tmp_path / "images", per_class=5, classes=1, size=(8, 8))
    found = mixed(folder, tmp_path / "out", pairs=("class-0,class-0,60",))
    assert set(Counter(tuple(row["sources"]) for row in found).values()) == {3}
    assert len(found) == 60


def test_images_that_are_held_larger_than_their_samples_count_as_they_are(tmp_path):
    folder = make_folder(tmp_path / "images", per_class=10, size=(64, 48))
    for strategy, pixels in (("cutmix", 8 * 8), ("resizemix", 64 * 48)):
        made(folder, tmp_path / strategy, strategy=strategy, size="8")
        run = json.loads((tmp_path / strategy / ".cutmix_gen/runs/0001.json").read_text())
        assert run["part_images"] == (256 << 20) // (pixels * 3)
