from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import cutmix_gen.generation.resolve
import cutmix_gen.generation.task
from cutmix_gen import GenerateConfig, generate
from cutmix_gen.checking import verify
from cutmix_gen.dataset.finalize import finalize
from cutmix_gen.errors import SetError, TooManyFailuresError, UsageError, WorkerError
from cutmix_gen.shards import SHARD_FORMATS
from tests.sets import finish, kill_group, make_folder, rows, start, tree

DESCRIPTIONS = {"README.md", "croissant.json"}
"""What is written anew whenever the set grows."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("source") / "images", per_class=70)


def run(folder: Path, output: Path, **options: object) -> object:
    return generate(GenerateConfig(source=folder, output=output, **({"backend": "serial"} | options)))


@pytest.mark.parametrize("shards", SHARD_FORMATS)
@pytest.mark.parametrize("size", ["keep", "20x30"])
def test_the_bytes_do_not_depend_on_engine_or_number_of_workers(folder, tmp_path, shards, size):
    options = {"format": shards, "copies": 1.5, "size": size, "hflip": 0.5}
    run(folder, tmp_path / "serial", **options)
    run(folder, tmp_path / "one", **options, backend="loky", jobs=1)
    run(folder, tmp_path / "two", **options, backend="loky", jobs=2)
    run(folder, tmp_path / "threads", **options, backend="threading", jobs=3)
    expected = tree(tmp_path / "serial")
    assert any(name.startswith("data/") for name in expected)
    for other in ("one", "two", "threads"):
        assert tree(tmp_path / other) == expected


def test_another_seed_makes_other_samples_of_the_same_originals(folder, tmp_path):
    run(folder, tmp_path / "zero", seed=0)
    run(folder, tmp_path / "one", seed=1)
    zero, one = rows(tmp_path / "zero").values(), rows(tmp_path / "one").values()
    originals = [
        {tuple(row["sources"]): row["image"]["bytes"] for row in r if not row["synthetic"]} for r in (zero, one)
    ]
    assert originals[0] == originals[1]
    mixed = [{row["image"]["bytes"] for row in r if row["synthetic"]} for r in (zero, one)]
    assert not mixed[0] & mixed[1]


def test_every_image_is_an_original_and_a_base_once_a_copy(folder, tmp_path):
    report = run(folder, tmp_path / "out", copies=2)
    found = rows(tmp_path / "out").values()
    assert report.samples == len(found) == 3 * 210
    bases = Counter((row["key"].split("-")[1], row["sources"][0]) for row in found)
    assert set(bases.values()) == {1}
    assert len(bases) == 3 * 210
    donors = Counter(row["sources"][1] for row in found if row["synthetic"])
    assert set(donors.values()) == {2}


def test_shards_are_one_unbroken_sequence_originals_first_then_each_copy(folder, tmp_path):
    run(folder, tmp_path / "out", copies=1.5, shard_size=30)
    records = [json.loads(path.read_text()) for path in sorted((tmp_path / "out/.cutmix_gen/shards").iterdir())]
    assert [record["shard"] for record in records] == list(range(len(records)))
    assert [record["copy"] for record in records] == sorted(record["copy"] for record in records)
    assert {path.name for path in (tmp_path / "out/data").iterdir()} == {
        f"train-{number:06d}.parquet" for number in range(len(records))
    }
    assert sum(record["samples"] for record in records) == 210 + 315
    assert max(record["samples"] for record in records) <= 30


@pytest.mark.parametrize(
    ("options", "mixed"),
    [({"copies": 0.25}, 52), ({"num_samples": 5}, 5), ({"num_samples": 431}, 431), ({"copies": 0}, 0)],
)
def test_as_many_samples_are_made_as_asked_for(folder, tmp_path, options, mixed):
    report = run(folder, tmp_path / "out", **options)
    assert report.samples == 210 + mixed
    assert sum(row["synthetic"] for row in rows(tmp_path / "out").values()) == mixed


def test_without_originals_there_are_only_mixed_samples(folder, tmp_path):
    run(folder, tmp_path / "out", originals=False, copies=1)
    assert all(row["synthetic"] for row in rows(tmp_path / "out").values())


def test_originals_that_may_stand_are_copied_byte_for_byte(folder, tmp_path):
    run(folder, tmp_path / "out")
    originals = [row for row in rows(tmp_path / "out").values() if not row["synthetic"]]
    assert len(originals) == 210
    for row in originals:
        assert row["image"]["bytes"] == (folder / row["sources"][0]).read_bytes()


def test_no_image_is_mixed_with_itself_and_no_sample_equals_an_original(folder, tmp_path):
    run(folder, tmp_path / "out", copies=3, alpha=0.1)
    for row in rows(tmp_path / "out").values():
        if row["synthetic"]:
            assert row["sources"][0] != row["sources"][1]
            assert 0 < row["lam"] < 1
            x1, y1, x2, y2 = row["boxes"][0]
            assert 0 <= x1 < x2 <= 32
            assert 0 <= y1 < y2 <= 24


def test_one_class_in_both_roles_gives_a_one_hot_label_and_still_two_sources(tmp_path):
    make_folder(tmp_path / "images", per_class=6, classes=1)
    run(tmp_path / "images", tmp_path / "out")
    for row in rows(tmp_path / "out").values():
        assert row["soft_label"] == [1.0]
        assert len(row["sources"]) == (2 if row["synthetic"] else 1)


def test_two_images_are_enough(tmp_path):
    make_folder(tmp_path / "images", per_class=1, classes=2)
    assert run(tmp_path / "images", tmp_path / "out").samples == 4


def test_a_block_beyond_the_memory_budget_is_paired_in_parts(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(cutmix_gen.generation.resolve, "PIXEL_BUDGET", 32 * 24 * 3 * 10)
    for name, size in (("keep", "keep"), ("fixed", "32x24")):
        report = run(folder, tmp_path / name, size=size, copies=2)
        assert report.samples == 630
        part = json.loads((tmp_path / name / ".cutmix_gen/runs/0001.json").read_text())["part_images"]
        assert part == 10
        order = {row["sources"][0]: key for key, row in rows(tmp_path / name).items() if not row["synthetic"]}
        place = {path: int(key.rsplit("-", 1)[1]) for path, key in order.items()}
        for row in rows(tmp_path / name).values():
            if row["synthetic"]:
                base, donor = (place[path] for path in row["sources"])
                assert base // 70 == donor // 70
                assert abs(base - donor) <= 11


def test_a_second_call_says_that_all_is_done_and_touches_nothing(folder, tmp_path):
    run(folder, tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*") if path.is_file()}
    report = run(folder, tmp_path / "out")
    assert (report.new_shards, report.complete, report.samples) == (0, True, 420)
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*") if path.is_file()}
    untouched = {path for path in before if path.name not in DESCRIPTIONS}
    assert {path: after[path] for path in untouched} == {path: before[path] for path in untouched}


@pytest.mark.parametrize("shards", SHARD_FORMATS)
def test_what_is_missing_is_made_again_with_the_same_bytes(folder, tmp_path, shards):
    run(folder, tmp_path / "out", format=shards, copies=2)
    expected = tree(tmp_path / "out")
    numbers = random.Random(1).sample(range(9), 5)
    for number in numbers[:3]:
        (tmp_path / f"out/.cutmix_gen/shards/{number:06d}.json").unlink()
    for path in list((tmp_path / "out/data").iterdir())[3:5]:
        path.unlink()
    report = run(folder, tmp_path / "out", format=shards, copies=2)
    assert 3 <= report.new_shards <= 5
    assert tree(tmp_path / "out") == expected


def test_a_killed_run_goes_on_where_it_stopped_and_ends_in_the_same_bytes(tmp_path):
    folder = make_folder(tmp_path / "images", per_class=300, size=(120, 90))
    options = ["--copies", "2", "--shard-size", "40", "--jobs", "2"]
    finish(start("generate", folder, tmp_path / "expected", *options), 0)
    chance = random.Random(3)
    for _ in range(4):
        process = start("generate", folder, tmp_path / "out", *options)
        time.sleep(chance.uniform(0.5, 1.5))
        kill_group(process, signal.SIGKILL)
        process.communicate()
        for path in (tmp_path / "out").rglob("*.parquet"):
            if not path.name.startswith("."):
                assert path.read_bytes()[-4:] == b"PAR1"
    finish(start("generate", folder, tmp_path / "out", *options), 0)
    assert tree(tmp_path / "out") == tree(tmp_path / "expected")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_with_130_and_says_how_to_go_on(tmp_path, number):
    folder = make_folder(tmp_path / "images", per_class=400, size=(160, 120))
    options = ["--copies", "6", "--shard-size", "30", "--jobs", "2"]
    process = start("generate", folder, tmp_path / "out", *options)
    deadline = time.monotonic() + 60
    while not list((tmp_path / "out/.cutmix_gen/shards").glob("*.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    kill_group(process, number)
    errors = finish(process, 130)
    assert "the same command goes on" in errors
    assert "Traceback" not in errors
    finish(start("generate", folder, tmp_path / "out", *options), 0)
    assert not [path for path in (tmp_path / "out").rglob("*") if path.name.endswith(".tmp")]


def test_another_configuration_is_refused_and_says_what_differs(folder, tmp_path):
    run(folder, tmp_path / "out")
    with pytest.raises(UsageError, match=r"--seed 0 there, 5 now.*--append"):
        run(folder, tmp_path / "out", seed=5)


def test_append_adds_a_run_and_touches_nothing_that_is_there(folder, tmp_path):
    run(folder, tmp_path / "out")
    before = tree(tmp_path / "out")
    report = run(folder, tmp_path / "out", seed=5, originals=False, append=True)
    assert report.samples == 210
    after = tree(tmp_path / "out")
    assert {name: after[name] for name in before if name not in DESCRIPTIONS} == {
        name: digest for name, digest in before.items() if name not in DESCRIPTIONS
    }
    assert len(rows(tmp_path / "out")) == 630
    assert run(folder, tmp_path / "out", seed=5, originals=False, append=True).new_shards == 0
    assert run(folder, tmp_path / "out").new_shards == 0


def test_appended_classes_are_numbered_as_the_set_has_them(folder, tmp_path):
    run(folder, tmp_path / "out")
    make_folder(tmp_path / "more", per_class=4)
    (tmp_path / "more/class-0").rename(tmp_path / "gone")
    run(tmp_path / "more", tmp_path / "out", append=True)
    added = [row for key, row in rows(tmp_path / "out").items() if key.startswith("0002")]
    assert {row["label_index"][0] for row in added} == {1, 2}
    for row in added:
        assert row["sources"][0].startswith(f"class-{row['label_index'][0]}/")
    (tmp_path / "gone").rename(tmp_path / "more/new")
    with pytest.raises(UsageError, match="no class new"):
        run(tmp_path / "more", tmp_path / "out", append=True, seed=2)


def test_what_does_not_fit_the_schema_of_a_set_cannot_be_appended(folder, tmp_path):
    run(folder, tmp_path / "out")
    for options in ({"format": "webdataset"}, {"mode": "L"}, {"image_format": "png"}, {"dense_labels": "never"}):
        with pytest.raises(UsageError, match="one schema"):
            run(folder, tmp_path / "out", append=True, seed=1, **options)


def test_overwrite_replaces_a_set_and_leaves_other_files_alone(folder, tmp_path):
    run(folder, tmp_path / "out", copies=3)
    (tmp_path / "out/notes.txt").write_text("mine")
    run(folder, tmp_path / "out", overwrite=True, seed=9)
    run(folder, tmp_path / "fresh", seed=9)
    found = tree(tmp_path / "out")
    assert (tmp_path / "out/notes.txt").read_text() == "mine"
    del found["notes.txt"]
    assert found == tree(tmp_path / "fresh")


def test_a_folder_with_other_files_is_refused(folder, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.tex").write_text("")
    for options in ({}, {"overwrite": True}):
        with pytest.raises(SetError, match="holds other files"):
            run(folder, tmp_path / "out", **options)


@pytest.mark.parametrize("name", [".nfs000000000123", ".fuse_hidden0000000a", ".cutmix-gen-scan-k3j2"])
def test_a_file_that_another_scan_has_open_in_a_new_folder_is_no_other_file(folder, tmp_path, name):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("")
    assert run(folder, tmp_path / "out").complete


def test_out_inside_src_and_the_other_way_round_are_refused(folder, tmp_path):
    with pytest.raises(UsageError, match="inside SRC"):
        run(folder, folder / "out")
    make_folder(tmp_path / "images", per_class=3)
    run(tmp_path / "images", tmp_path / "out")
    shutil.copytree(tmp_path / "images", tmp_path / "out/images")
    with pytest.raises(UsageError, match="inside the set"):
        run(tmp_path / "out/images", tmp_path / "out", append=True)


def test_the_shards_of_a_set_are_no_source_but_the_set_is(folder, tmp_path):
    run(folder, tmp_path / "set", format="webdataset")
    with pytest.raises(UsageError, match=f"Give the set itself, {tmp_path / 'set'}"):
        run(tmp_path / "set/data", tmp_path / "out")
    assert run(tmp_path / "set", tmp_path / "out").complete


def test_an_engine_that_is_not_installed_is_found_out_before_anything_is_written(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(WorkerError, match="not installed"):
        run(folder, tmp_path / "out", backend="dask")
    assert not (tmp_path / "out").exists()


def test_an_unreadable_image_is_skipped_and_nothing_else_changes(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "images")
    options = {"copies": 2, "max_failures": "1", "format": "parquet", "size": "20x20"}
    run(tmp_path / "images", tmp_path / "good", **options)
    bad = tmp_path / "images/class-1/0005.jpg"
    bad.write_bytes(b"\xff\xd8" + bytes(bad.stat().st_size - 2))
    report = run(tmp_path / "images", tmp_path / "out", **options)
    assert [skip.path for skip in report.skipped] == ["class-1/0005.jpg"]
    assert report.exit_code == 3
    good, found = rows(tmp_path / "good"), rows(tmp_path / "out")
    assert report.samples == len(found) == len(good) - 3
    for key, row in good.items():
        if "class-1/0005.jpg" not in row["sources"]:
            assert found[key] == row
    assert not any("class-1/0005.jpg" in row["sources"] for row in found.values())


def test_a_run_that_is_mostly_broken_stops_with_the_first_reasons(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "images")
    for path in list((tmp_path / "images").rglob("*.jpg"))[:60]:
        path.write_bytes(b"no image")
    with pytest.raises(TooManyFailuresError, match=r"more than --max-failures allows \(21\)") as caught:
        run(tmp_path / "images", tmp_path / "out", max_failures="10%")
    assert "class-" in str(caught.value)
    assert run(tmp_path / "images", tmp_path / "out", max_failures="60").samples == 300


def test_a_source_that_changed_after_the_scan_is_skipped(tmp_path):
    folder = make_folder(tmp_path / "images", per_class=20)
    run(folder, tmp_path / "out", shard_size=20)
    changed = folder / "class-0/0003.jpg"
    changed.write_bytes(changed.read_bytes() + b"more")
    shutil.rmtree(tmp_path / "out/data")
    report = run(folder, tmp_path / "out", shard_size=20, max_failures="1")
    assert "when it was scanned" in report.skipped[0].reason


def test_slices_make_the_set_together_and_the_last_one_writes_the_card(folder, tmp_path):
    run(folder, tmp_path / "whole", shard_size=30)
    for number in (2, 0):
        assert not run(folder, tmp_path / "out", shard_size=30, slice=f"{number}/3").complete
        assert not (tmp_path / "out/README.md").exists()
    assert finalize(tmp_path / "out")
    assert run(folder, tmp_path / "out", shard_size=30, slice="1/3").complete
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


def test_a_moved_source_folder_with_the_same_images_is_the_same_run(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "a")
    run(tmp_path / "a", tmp_path / "out")
    next((tmp_path / "out/data").iterdir()).unlink()
    (tmp_path / "a").rename(tmp_path / "b")
    assert run(tmp_path / "b", tmp_path / "out").new_shards == 1


def test_images_of_mixed_modes_become_one_and_are_counted(tmp_path):
    folder = make_folder(tmp_path / "images", per_class=10, classes=2)
    Image.open(folder / "class-0/0001.jpg").convert("L").save(folder / "class-0/0001.jpg")
    report = run(folder, tmp_path / "out", copies=2)
    assert report.converted == 1
    assert all(np.asarray(Image.open(path)).ndim for path in [folder / "class-0/0001.jpg"])


def test_labels_are_smoothed_in_the_dense_label_only(folder, tmp_path):
    run(folder, tmp_path / "plain")
    run(folder, tmp_path / "smooth", label_smoothing=0.3)
    plain, smooth = rows(tmp_path / "plain"), rows(tmp_path / "smooth")
    for key, row in plain.items():
        assert smooth[key]["label_weight"] == row["label_weight"]
        expected = 0.7 * np.array(row["soft_label"]) + 0.3 / 3
        np.testing.assert_allclose(smooth[key]["soft_label"], expected, atol=1e-6)


def test_dense_labels_can_be_left_out(folder, tmp_path):
    run(folder, tmp_path / "out", dense_labels="never")
    assert "soft_label" not in next(iter(rows(tmp_path / "out").values()))


@pytest.mark.parametrize("size", ["keep", "20x20"])
def test_a_broken_image_moves_no_other_to_another_part(folder, tmp_path, monkeypatch, size):
    monkeypatch.setattr(cutmix_gen.generation.resolve, "PIXEL_BUDGET", 32 * 24 * 3 * 9)
    shutil.copytree(folder, tmp_path / "images")
    options = {"copies": 2, "max_failures": "1", "size": size, "strategy": ("cutmix", "resizemix")}
    run(tmp_path / "images", tmp_path / "good", **options)
    bad = "class-2/0031.jpg"
    (tmp_path / "images" / bad).write_bytes(bytes((tmp_path / "images" / bad).stat().st_size))
    run(tmp_path / "images", tmp_path / "out", **options)
    good, found = rows(tmp_path / "good"), rows(tmp_path / "out")
    assert len(found) == len(good) - 3
    for key, row in good.items():
        if bad not in row["sources"]:
            assert found[key] == row


def test_records_of_broken_images_are_the_same_each_time(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "images")
    for number, data in enumerate((b"", b"nothing", b"\xff\xd8\xff", (folder / "class-0/0001.jpg").read_bytes()[:900])):
        (tmp_path / f"images/class-1/bad{number}.jpg").write_bytes(data)
    for name in ("one", "two"):
        run(tmp_path / "images", tmp_path / name, max_failures="4")
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_an_overwriting_run_that_was_stopped_goes_on(folder, tmp_path):
    run(folder, tmp_path / "out", seed=4)
    run(folder, tmp_path / "out", overwrite=True, shard_size=30)
    for number in (2, 5):
        (tmp_path / f"out/.cutmix_gen/shards/{number:06d}.json").unlink()
    assert run(folder, tmp_path / "out", overwrite=True, shard_size=30).new_shards == 2
    assert run(folder, tmp_path / "out", overwrite=True, shard_size=30).new_samples == 420


def test_appending_after_new_images_came_makes_a_run_of_them(folder, tmp_path, caplog):
    shutil.copytree(folder, tmp_path / "images")
    run(tmp_path / "images", tmp_path / "out")
    shutil.copy(folder / "class-0/0000.jpg", tmp_path / "images/class-2/new.jpg")
    assert run(tmp_path / "images", tmp_path / "out").new_shards == 0
    assert "SRC has changed since it was scanned for this run (210 images then, 211 now)" in caplog.text
    assert run(tmp_path / "images", tmp_path / "out", append=True).samples == 422


@pytest.mark.parametrize("budget", [256 << 20, 4 * 4 * 3 * 2])
def test_more_copies_than_files_may_be_open_can_be_made(tmp_path, monkeypatch, budget):
    monkeypatch.setattr(cutmix_gen.generation.resolve, "PIXEL_BUDGET", budget)
    monkeypatch.setattr(cutmix_gen.generation.task, "_OPEN", 10)
    make_folder(tmp_path / "images", per_class=2, classes=2, size=(4, 4))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(map(int, os.listdir("/dev/fd")))  # noqa: PTH208  other tests may have left files open
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 56, limits[1]))
    try:
        assert run(tmp_path / "images", tmp_path / "out", copies=120).samples == 4 * 121
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_a_later_run_says_that_an_earlier_one_is_unfinished(folder, tmp_path):
    run(folder, tmp_path / "out", slice="0/2")
    report = run(folder, tmp_path / "out", seed=1, append=True)
    assert report.complete
    assert report.missing_elsewhere == 2
    assert not (tmp_path / "out/README.md").exists()


@pytest.mark.parametrize("name", ["dataset.json", "runs/0001.json"])
def test_overwrite_replaces_a_set_whose_description_is_damaged(folder, tmp_path, name):
    run(folder, tmp_path / "out", shard_size=30)
    path = tmp_path / "out/.cutmix_gen" / name
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(SetError, match="damaged"):
        run(folder, tmp_path / "out", shard_size=30)
    assert run(folder, tmp_path / "out", shard_size=30, overwrite=True).complete
    assert verify(tmp_path / "out", jobs=1).ok


def test_mended_images_are_read_again_by_overwrite(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "images")
    bad = [tmp_path / f"images/class-1/000{number}.jpg" for number in range(4)]
    for path in bad:
        path.write_bytes(b"broken")
    with pytest.raises(TooManyFailuresError, match="--overwrite to start again"):
        run(tmp_path / "images", tmp_path / "out", shard_size=30)
    for path in bad:
        shutil.copy(folder / "class-0/0000.jpg", path)
    assert run(tmp_path / "images", tmp_path / "out", shard_size=30, overwrite=True).skipped == []
