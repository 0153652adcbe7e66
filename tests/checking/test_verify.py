from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from cutmix_gen import GenerateConfig, generate
from cutmix_gen.checking import Replays, Verification, repair, verify
from cutmix_gen.cli import main
from cutmix_gen.dataset import ledger
from cutmix_gen.dataset.card import write_card
from cutmix_gen.dataset.finalize import finalize
from cutmix_gen.dataset.manifest import Manifest
from cutmix_gen.errors import SetError
from cutmix_gen.mixing.strategies import STRATEGIES
from cutmix_gen.shards import SHARD_FORMATS
from cutmix_gen.storage import sha256
from tests.sets import make_folder, reseal, tree


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
    record = json.loads(record_path(output, shard).read_text())
    path = output / record["file"]
    table = pq.read_table(path)
    rows = table.to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)
    reseal(record_path(output, shard), bytes=path.stat().st_size, sha256=sha256(path))
    write_card(Manifest(output))


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


def record_path(output: Path, shard: int) -> Path:
    return output / f".cutmix_gen/shards/{shard:06d}.json"


def flip(path: Path, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


@pytest.mark.parametrize("shards", SHARD_FORMATS)
def test_a_flipped_bit_anywhere_in_a_set_is_found(tmp_path, shards):
    source, output = make_folder(tmp_path / "images", per_class=3), tmp_path / "out"
    options = {"format": shards, "sidecars": True, "license": "cc-by-4.0"}
    generate(GenerateConfig(source=source, output=output, backend="serial", **options))
    assert verify(output, jobs=1).ok
    names = tree(output)
    assert len(names) == (13 if shards == "webdataset" else 11)
    for number, name in enumerate(names):
        path = output / name
        data = path.read_bytes()
        bits = 8 * len(data)
        # The first and the last bit, and some between that fall on all bits of a byte.
        for bit in {0, bits - 1, *range(number, bits, bits // 8 | 1)}:
            flip(path, bit)
            result = verify(output, jobs=1)
            assert not result.ok, f"bit {bit} of {name}"
            assert name in {problem.shard for problem in result.problems}
            path.write_bytes(data)
    assert verify(output, jobs=1).ok


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"class_weight": [30.0, 30.0, 30.0]}, "class_weight is not the sum"),
        ({"class_weight": [1.0]}, "class_weight is not the sum"),
        ({"lam_histogram": [4] * 20}, "lam_histogram is"),
        ({"strategies": {"patches": 90}}, "strategies is"),
        ({"converted": 91}, "converted is 91 of 90"),
        ({"kind": "original"}, "kind is original"),
        ({"copy": 2}, "copy is 2"),
        ({"shard": 0}, "does not hold the record of shard 1"),
        ({"run": 2}, "it is the record of shard 1 of run 2"),
        ({"file": "data/train-000000.parquet"}, "it names the file data/train-000000.parquet"),
        ({"skipped": [{"path": "class-0/0000.jpg", "reason": "no"}]}, "90 and 1 skipped"),
    ],
    ids=str,
)
def test_each_field_of_a_record_that_does_not_follow_from_its_shard_is_found(damaged, changes, problem):
    reseal(record_path(damaged, 1), **changes)
    found = [each for each in verify(damaged, jobs=1).problems if each.shard.startswith(".cutmix_gen/shards/000001")]
    assert any(problem in each.problem for each in found), found


def test_a_skip_of_another_image_than_the_one_that_is_missing_is_found(tmp_path):
    source, output = make_folder(tmp_path / "images", per_class=10), tmp_path / "out"
    (source / "class-1/0003.jpg").write_bytes(b"no image")
    generate(GenerateConfig(source=source, output=output, backend="serial", max_failures="1"))
    assert verify(output, jobs=1).ok
    skipped = json.loads(record_path(output, 0).read_text())["skipped"]
    assert [skip["path"] for skip in skipped] == ["class-1/0003.jpg"]
    reseal(record_path(output, 0), skipped=[skipped[0] | {"path": "class-1/0004.jpg"}])
    assert any("not those whose samples are missing" in found.problem for found in verify(output, jobs=1).problems)


def test_a_sample_of_another_base_than_the_plan_has_is_found(damaged):
    def change(rows):
        rows[3]["sources"][0] = (
            "class-0/0029.jpg" if rows[3]["sources"][0] != "class-0/0029.jpg" else "class-0/0028.jpg"
        )

    rewrite(damaged, 1, change)
    assert "the base is class-0/00" in only_problem(verify(damaged, jobs=1))


def test_a_donor_of_another_class_than_the_label_says_is_found(damaged):
    def change(rows):
        label = rows[3]["label_index"][1]
        rows[3]["sources"][1] = f"class-{(label + 1) % 3}/0000.jpg"

    rewrite(damaged, 1, change)
    assert "is no source of class" in only_problem(verify(damaged, jobs=1))


def test_of_many_problems_of_one_shard_the_first_are_told_and_the_rest_counted(damaged):
    def change(rows):
        for row in rows:
            row["lam"] = 0.123

    rewrite(damaged, 1, change)
    problems = [found for found in verify(damaged, jobs=1).problems if found.shard == "data/train-000001.parquet"]
    assert len(problems) == 21
    assert any(found.problem == "70 more problems like these" for found in problems)


def test_a_set_file_that_is_damaged_is_a_problem_that_cannot_be_mended(damaged):
    (damaged / ".cutmix_gen/dataset.json").write_text("{")
    result = verify(damaged, jobs=1)
    assert "damaged" in only_problem(result)
    assert result.problems[0].kind == "description"
    assert repair(damaged, result.problems) == []


def test_a_source_index_that_is_gone_is_found_and_the_shards_are_checked_still(damaged):
    (damaged / ".cutmix_gen/runs/0001.arrow").unlink()
    result = verify(damaged, jobs=1, replays=Replays(5))
    assert "0001.arrow is gone, the source index of run 1" in only_problem(result)
    assert result.samples == 180


def test_a_run_file_that_is_gone_is_found(folder, damaged):
    generate(GenerateConfig(source=folder, output=damaged, backend="serial", append=True, seed=1, label_smoothing=0.1))
    assert verify(damaged, jobs=1).ok
    (damaged / ".cutmix_gen/runs/0001.json").unlink()
    assert "the file of this run is gone" in only_problem(verify(damaged, jobs=1))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"first_shard": 1}, "must follow on"),
        ({"shards": 3}, "has 3 shards of"),
        ({"samples": 3}, "of 3 samples by its file"),
        ({"num_images": 80}, "the file was changed or damaged"),
        ({"number": 2}, "does not describe a run 1"),
        ({"digest": "d" * 64}, "digest is d"),
        *[({name: "../x"}, "64 hexadecimal digits") for name in ("digest", "fingerprint", "index_sha256")],
        ({"config": {"colour": 1}}, "settings that this version of cutmix-gen does not take"),
    ],
)
def test_a_run_that_does_not_agree_with_its_plan_is_found(damaged, changes, problem):
    reseal(damaged / ".cutmix_gen/runs/0001.json", **changes)
    assert any(problem in found.problem for found in verify(damaged, jobs=1).problems)


def test_a_record_of_a_shard_that_no_run_has_is_found_and_kept(damaged):
    shutil.copy(record_path(damaged, 1), record_path(damaged, 7))
    result = verify(damaged, jobs=1)
    assert "no run of the set has such a shard" in only_problem(result)
    assert repair(damaged, result.problems) == []
    assert record_path(damaged, 7).is_file()


@pytest.mark.parametrize("run", [1, 2])
def test_repair_keeps_the_shards_of_a_run_whose_file_is_gone_or_damaged(folder, damaged, run):
    generate(GenerateConfig(source=folder, output=damaged, backend="serial", append=True, seed=1, label_smoothing=0.1))
    before = tree(damaged)
    for damage in (b"{", None):
        path = damaged / f".cutmix_gen/runs/{run:04d}.json"
        path.write_bytes(damage) if damage else path.unlink()
        result = verify(damaged, jobs=1)
        assert not result.ok
        assert repair(damaged, result.problems) == []
        now = tree(damaged)
        assert {name: now[name] for name in now if name != path.relative_to(damaged).as_posix()} == {
            name: before[name] for name in before if name != path.relative_to(damaged).as_posix()
        }


@pytest.mark.parametrize("name", ["README.md", "croissant.json"])
def test_a_card_that_says_something_else_than_the_records_is_found(damaged, name):
    path = damaged / name
    path.write_text(path.read_text().replace("90", "91").replace("samples", "simples"))
    assert "not what the records give" in only_problem(verify(damaged, jobs=1))
    path.unlink()
    assert only_problem(verify(damaged, jobs=1)) == "the file is missing"


def test_samples_are_made_again_and_compared(folder, damaged):
    assert verify(damaged, jobs=2, replays=Replays(40, seed=3)).ok
    assert verify(damaged, jobs=1, replays=Replays(1000)).ok

    def change(rows):
        rows[3]["image"]["bytes"] = (folder / "class-0/0000.jpg").read_bytes()

    rewrite(damaged, 1, change)
    assert verify(damaged, jobs=1, deep=True).ok
    result = verify(damaged, jobs=1, replays=Replays(1000))
    assert only_problem(result) == "made again from its sources, the image has other bytes"
    assert result.problems[0].key.startswith("0001-001-")


def test_a_missing_source_is_told_from_a_wrong_sample_and_its_shard_is_kept(tmp_path):
    source, output = make_folder(tmp_path / "images", per_class=5), tmp_path / "out"
    generate(GenerateConfig(source=source, output=output, backend="serial"))
    (source / "class-0/0000.jpg").unlink()
    result = verify(output, jobs=1, replays=Replays(1000))
    assert {problem.kind for problem in result.problems} == {"source"}
    assert result.replayed == result.samples - len(result.problems)
    assert all("class-0/0000.jpg" in problem.problem for problem in result.problems)
    assert len(result.problems) == 3  # the original, as a base, as a donor
    assert repair(output, result.problems) == []
    shutil.move(source, tmp_path / "elsewhere")
    make_folder(tmp_path / "again", per_class=5)
    assert verify(output, jobs=1, replays=Replays(1000, source=tmp_path / "again")).ok


def test_the_same_seed_draws_the_same_samples(damaged, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        "cutmix_gen.checking.replay_sample", lambda _output, _source, _limit, _call, number: drawn.append(number)
    )
    for seed in (1, 1, 2):
        verify(damaged, jobs=1, replays=Replays(20, seed))
    assert drawn[:20] == drawn[20:40] != drawn[40:]
    assert len(set(drawn[:20])) == 20


@pytest.mark.parametrize("shards", SHARD_FORMATS)
def test_what_is_repaired_is_made_again_with_the_same_bytes(tmp_path, shards):
    source, output = make_folder(tmp_path / "images", per_class=30), tmp_path / "out"
    options = {"format": shards, "copies": 2, "shard_size": 30, "strategy": tuple(STRATEGIES), "sidecars": True}
    config = GenerateConfig(source=source, output=output, backend="serial", **options)
    generate(config)
    expected = tree(output)
    files = [path for path in (output / "data").iterdir() if path.suffix != ".idx"]
    assert len(files) == 9
    for number, path in enumerate(sorted(files)):
        record = record_path(output, number)
        if number < 2:
            flip(path, 1000)
        elif number == 2:
            path.unlink()
        elif number == 3:
            record.unlink()
        elif number == 4:
            flip(record, 100)
    for path in [output / "README.md", *sorted(output.glob("data/*.idx"))[-1:]]:
        flip(path, 100)
    result = verify(output, jobs=1)
    dropped = repair(output, result.problems)
    assert [name for name in dropped if not name.endswith(".idx")] == [
        path.relative_to(output).as_posix() for path in sorted(files)[:5]
    ]
    report = generate(config)
    assert report.new_shards == 5
    assert verify(output, jobs=1, deep=True).ok
    assert tree(output) == expected
    assert repair(output, verify(output, jobs=1).problems) == []


@pytest.mark.parametrize("split", ["x.000002.y", "a123456.b", "000001", "s000001.json"])
def test_repair_drops_the_damaged_shard_whatever_digits_the_split_holds(tmp_path, split):
    source, output = make_folder(tmp_path / "images", per_class=5), tmp_path / "out"
    options = {"split": split, "shard_size": 5, "format": "webdataset", "sidecars": True}
    config = GenerateConfig(source=source, output=output, backend="serial", **options)
    generate(config)
    expected = tree(output)
    flip(output / f"data/{split}-000000.tar", 1000)
    record_path(output, 3).unlink()
    flip(output / f"data/{split}-000005.idx", 20)
    assert repair(output, verify(output, jobs=1).problems) == [
        f"data/{split}-000000.tar",
        f"data/{split}-000003.tar",
        f"data/{split}-000005.idx",
    ]
    gone = {f"data/{split}-000005.idx"}
    gone |= {f"data/{split}-00000{shard}.{kind}" for shard in (0, 3) for kind in ("tar", "idx")}
    gone |= {f".cutmix_gen/shards/00000{shard}.json" for shard in (0, 3)}
    assert set(expected) - set(tree(output)) == gone
    generate(config)
    assert tree(output) == expected


def test_repair_drops_no_sound_shard_for_a_source_that_was_edited(tmp_path):
    source, output = make_folder(tmp_path / "images", per_class=5), tmp_path / "out"
    generate(GenerateConfig(source=source, output=output, backend="serial"))
    for path in source.glob("class-0/*"):
        flip(path, path.stat().st_size // 2)  # of the same size
    problems = verify(output, jobs=1, replays=Replays(30)).problems
    assert {problem.kind for problem in problems} <= {"replay", "source"}
    assert problems
    assert repair(output, problems) == []


def test_repair_waits_for_whoever_works_on_the_set(tmp_path, monkeypatch):
    source, output = make_folder(tmp_path / "images", per_class=5), tmp_path / "out"
    generate(GenerateConfig(source=source, output=output, backend="serial"))
    record_path(output, 0).unlink()
    problems = verify(output, jobs=1).problems
    monkeypatch.setattr("cutmix_gen.storage.local._PATIENCE", 0.0)
    with Manifest(output).held(), pytest.raises(SetError, match="must not be repaired while another process"):
        repair(output, problems)
    generate(GenerateConfig(source=source, output=output, backend="serial"))
    assert repair(output, problems) == []  # what was gone is there again


@pytest.mark.parametrize("damage", ["flipped", "gone"])
def test_nothing_is_made_from_a_damaged_source_index(tmp_path, damage):
    source, output = make_folder(tmp_path / "images", per_class=5), tmp_path / "out"
    config = GenerateConfig(source=source, output=output, backend="serial")
    generate(config)
    record_path(output, 1).unlink()
    index = output / ".cutmix_gen/runs/0001.arrow"
    flip(index, 4000) if damage == "flipped" else index.unlink()
    with pytest.raises(SetError, match=r"0001\.arrow is (damaged|gone).*--overwrite"):
        generate(config)


def test_a_set_of_which_no_run_was_begun_is_not_finished(damaged):
    shutil.rmtree(damaged / ".cutmix_gen/runs")
    shutil.rmtree(damaged / ".cutmix_gen/shards")
    shutil.rmtree(damaged / "data")
    assert "no run was begun" in only_problem(verify(damaged, jobs=1))


def test_any_flip_in_the_copy_of_the_records_or_its_seal_is_found_and_mended(parquet, tmp_path, monkeypatch):
    monkeypatch.setattr(ledger, "WORTH_IT", 1)
    output = Path(shutil.copytree(parquet, tmp_path / "out"))
    for path in (output / ".cutmix_gen/shards").iterdir():
        os.utime(path, (1_700_000_000, 1_700_000_000))
    finalize(output)
    copy = output / ".cutmix_gen/records.parquet"
    seal = copy.with_name("records.parquet.sha256")
    whole = {copy: copy.read_bytes(), seal: seal.read_bytes()}
    assert verify(output, jobs=1).ok

    @settings(max_examples=12)
    @given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), path=st.sampled_from([copy, seal]))
    def check(place, bit, path):
        for each, content in whole.items():
            each.write_bytes(content)
        flip(path, 8 * int(place * len(whole[path])) + bit)
        said = CliRunner().invoke(main, ["verify", str(output), "-j", "1"])
        assert said.exit_code == 3, said.output
        assert ".cutmix_gen/records.parquet: it is damaged" in said.output
        assert "dropped by `cutmix-gen verify" in said.output
        if bit % 2:
            CliRunner().invoke(main, ["verify", str(output), "-j", "1", "--repair"])
            assert not copy.exists()
            assert not seal.exists()
        else:
            finalize(output)
            assert copy.is_file()
        assert verify(output, jobs=1).ok

    check()


def test_a_copy_of_the_records_that_was_forged_is_found_and_dropped(parquet, tmp_path, monkeypatch):
    monkeypatch.setattr(ledger, "WORTH_IT", 1)
    output = Path(shutil.copytree(parquet, tmp_path / "out"))
    for path in (output / ".cutmix_gen/shards").iterdir():
        os.utime(path, (1_700_000_000, 1_700_000_000))
    finalize(output)
    copy = output / ".cutmix_gen/records.parquet"
    table = pq.read_table(copy)
    samples = table.column_names.index("samples")
    pq.write_table(table.set_column(samples, "samples", pa.array([7] * len(table))), copy)
    copy.with_name("records.parquet.sha256").write_text(sha256(copy))
    found = [problem for problem in verify(output, jobs=1).problems if problem.kind == "copy"]
    assert [problem.problem for problem in found] == ["it says of shard 0 what its record does not say"]
    repair(output, found)
    assert verify(output, jobs=1).ok


@pytest.mark.parametrize("number", [2, 3, 99_999_999_999, 10**17])
def test_a_run_of_a_high_number_is_a_problem_found_at_once(damaged, number):
    run = damaged / ".cutmix_gen/runs/0001.json"
    (run.parent / f"{number:04d}.json").write_bytes(run.read_bytes())
    began = time.process_time()
    problems = verify(damaged, jobs=1).problems
    assert time.process_time() - began < 5
    assert f".cutmix_gen/runs/{number:04d}.json" in {problem.shard for problem in problems}
    assert any("is gone" in problem.problem for problem in problems) == (number > 2)
    assert len(problems) <= 3


def test_a_plan_of_millions_of_shards_takes_no_time_of_its_own(damaged):
    run = damaged / ".cutmix_gen/runs/0001.json"
    facts = json.loads(run.read_text())
    images = 20_000_000
    counts = [images - 2, 1, 1]
    config = facts["config"] | {"shard_size": 3}
    reseal(run, config=config, num_images=images, class_counts=counts, shards=2 * -(-images // 3), samples=2 * images)
    began = time.process_time()
    problems = verify(damaged, jobs=1).problems
    assert time.process_time() - began < 5
    assert problems


def test_progress_counts_shards_and_samples_that_are_made_again(damaged):
    class Progress:
        total, done = 0, 0

        def start(self, total):
            self.total = total

        def advance(self, count):
            self.done += count

    progress = Progress()
    verify(damaged, jobs=1, replays=Replays(7), progress=progress)
    assert progress.total == progress.done == 2 + 7


def test_the_command_says_what_was_found_dropped_and_what_to_do(damaged):
    flip(damaged / "data/train-000001.parquet", 1000)
    (damaged / "data/notes.txt").write_text("x")
    said = CliRunner().invoke(main, ["verify", str(damaged)])
    assert said.exit_code == 3
    assert "data/train-000001.parquet: the file's SHA-256 is not" in said.output
    assert "--repair` drops the shards" in said.output
    facts = json.loads(CliRunner().invoke(main, ["verify", str(damaged), "--json", "--repair"]).stdout)
    assert facts["ok"] is False
    assert facts["dropped"] == ["data/train-000001.parquet"]
    assert {tuple(problem) for problem in facts["problems"]} == {("shard", "key", "problem")}
    said = CliRunner().invoke(main, ["verify", str(damaged), "--repair"])
    assert "1 of 2 shards of run 1 are made; the generate command goes on" in said.output
    assert "move it out of the set" in said.output
    assert not (damaged / "data/train-000001.parquet").exists()


def test_a_place_for_the_sources_without_a_replay_is_wrong_usage(damaged):
    said = CliRunner().invoke(main, ["verify", str(damaged), "--source", str(damaged)])
    assert said.exit_code == 2
    assert "Give both, or neither" in said.output


def test_the_summary_says_how_many_samples_were_made_again(tmp_path):
    folder = make_folder(tmp_path / "images", per_class=4)
    generate(GenerateConfig(source=folder, output=tmp_path / "out", backend="serial"))
    result = CliRunner().invoke(main, ["verify", str(tmp_path / "out"), "--replay", "3", "-j", "1"])
    assert "All good: 2 shards, 24 samples, 3 of them made again." in result.output
    facts = json.loads(CliRunner().invoke(main, ["verify", str(tmp_path / "out"), "--json", "-j", "1"]).stdout)
    assert facts == {"ok": True, "shards": 2, "samples": 24, "replayed": 0, "problems": []}
