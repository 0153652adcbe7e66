"""What the program says of a set is what a plain count over its shards gives, whatever happened to the set."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from PIL import Image

from cutmix_gen.cli import main
from cutmix_gen.visualize.report.page import page
from tests.faults.runs import records, wait_for
from tests.plain import Count, plain_count
from tests.sets import kill_group, make_folder, start

SAMPLES = Path(__file__).parent.parent.parent / "samples"


def say(*arguments: object, code: int = 0) -> str:
    """Run a command in this process; return its standard output."""
    result = CliRunner().invoke(main, [*map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.stdout


def made(*arguments: object, code: int = 0) -> dict[str, Any]:
    """Run `generate`; return its report."""
    return json.loads(say("generate", *arguments, "--backend", "serial", "--json", code=code))


def check_info(output: Path, *, code: int = 0) -> dict[str, Any]:
    """Require of every number of `info` that it is that of a plain count; return what it says."""
    facts = json.loads(say("info", output, "--json", code=code))
    count, runs = plain_count(output)
    assert (facts["shards"], facts["bytes"]) == (count.shards, count.bytes)
    assert facts["samples"] == {"original": count.original, "synthetic": count.synthetic, "total": count.samples}
    assert facts["strategies"] == count.strategies
    assert facts["lam_histogram"] == count.lam_histogram
    for said, expected in zip(facts["class_weight"], count.class_weight(facts["classes"]), strict=True):
        assert said == {
            "name": expected["name"],
            "original": pytest.approx(expected["original"], abs=0.01),
            "synthetic": pytest.approx(expected["synthetic"], abs=0.01),
        }
    for state, run in zip(facts["run_states"], facts["runs"], strict=True):
        of_run = runs.get(state["number"], Count())
        assert run["number"] == state["number"]
        assert (state["shards"], state["samples"], state["bytes"]) == (of_run.shards, of_run.samples, of_run.bytes)
    assert facts["planned_shards"] == sum(run["shards"] for run in facts["runs"])
    assert facts["lost_samples"] == sum(state["skipped"] for state in facts["run_states"])
    if facts["shards"] == facts["planned_shards"]:
        assert sum(run["samples"] for run in facts["runs"]) == count.samples + facts["lost_samples"]
        check_beside(output, count)
    return facts


def check_beside(output: Path, count: Count) -> None:
    """Require that the card and what else lies beside the shards of a finished set say what a plain count gives."""
    text = (output / "README.md").read_text()
    assert f"{count.original:,} original images and {count.synthetic:,} mixed ones" in text
    assert f"in {count.shards:,} " in text
    assert "Unfinished" not in text
    head = yaml.safe_load(text.split("---")[1])
    sizes = {config["config_name"]: config for config in head["dataset_info"]}
    for name, samples in (
        ("default", count.samples),
        ("original_only", count.original),
        ("cutmix_only", count.synthetic),
    ):
        if name in sizes:
            assert sum(split["num_examples"] for split in sizes[name]["splits"]) == samples
    assert f"{count.samples:,} images" in json.loads((output / "croissant.json").read_text())["description"]
    if (output / "shards.json").is_file():
        listed = json.loads((output / "shards.json").read_text())["shardlist"]
        assert sum(shard["nsamples"] for shard in listed) == count.samples
        assert sum(shard["filesize"] for shard in listed) == count.bytes
        assert len(listed) == count.shards


def check_report(output: Path, report: dict[str, Any], run: int = 1, before: Count | None = None) -> None:
    """Require of what `generate` said of a run that it is what the shards hold, with what there was before."""
    count = plain_count(output)[1].get(run, Count())
    before = before or Count()
    assert (report["samples"], report["shards"], report["bytes"]) == (count.samples, count.shards, count.bytes)
    new = (report["new_samples"], report["new_shards"], report["new_bytes"])
    assert new == (count.samples - before.samples, count.shards - before.shards, count.bytes - before.bytes)


@pytest.mark.parametrize("shards", ["parquet", "webdataset"])
def test_slices_at_once_report_what_is_there_when_they_end(shards, tmp_path, slow):
    folder = make_folder(tmp_path / "images", per_class=80, size=(12, 8))
    for number in range(20 if slow else 3):
        output = tmp_path / f"out-{number}"
        command = ("generate", folder, output, "--copies", "3", "--shard-size", "20", "--jobs", "1", "--json")
        together = [start(*command, "--format", shards, "--slice", f"{part}/3") for part in range(3)]
        said = [json.loads(each.communicate(timeout=120)[0]) for each in together]
        count, _ = plain_count(output)
        assert (count.samples, count.shards) == (960, 48)
        assert sum(each["new_samples"] for each in said) == count.samples
        assert sum(each["new_shards"] for each in said) == count.shards
        assert sum(each["new_bytes"] for each in said) == count.bytes
        for each in said:
            assert each["complete"] == (each["missing"] == 0) == (each["shards"] == count.shards)
            assert each["missing"] == count.shards - each["shards"]
            assert each["samples"] == each["shards"] * 20
            assert each["missing_elsewhere"] == 0
        assert any(each["complete"] for each in said)
        check_info(output)


def test_a_slice_says_what_the_run_and_other_runs_still_lack(tmp_path):
    folder = make_folder(tmp_path / "images", per_class=40, size=(12, 8))
    output = tmp_path / "out"
    options = (folder, output, "--shard-size", "20")
    first = made(*options, "--slice", "0/3")
    assert (first["shards"], first["missing"], first["missing_elsewhere"], first["complete"]) == (4, 8, 0, False)
    check_report(output, first)
    text = say("generate", *options, "--seed", "1", "--append", "--slice", "1/3", "--backend", "serial")
    assert "Other slices have 8 shards to make yet." in text
    assert "Another run of the set still lacks 8 shards." in text
    check_info(output)
    last = made(*options, "--seed", "1", "--append")
    assert (last["missing"], last["missing_elsewhere"], last["complete"]) == (0, 8, True)
    assert made(*options)["missing_elsewhere"] == 0
    check_info(output)


def odd_folder(root: Path) -> Path:
    """Return a folder of 60 images, of which 12 are gray and 6 are animated."""
    make_folder(root, per_class=20, size=(12, 8))
    rng = np.random.default_rng(1)
    for number in range(12):
        gray = Image.fromarray(rng.integers(0, 256, (8, 12), np.uint8))
        gray.save(root / f"class-{number % 3}/{number:04d}.jpg")
    for number in range(12, 18):
        frames = [Image.fromarray(rng.integers(0, 256, (8, 12, 3), np.uint8)) for _ in range(2)]
        (root / f"class-{number % 3}/{number:04d}.jpg").unlink()
        frames[0].save(root / f"class-{number % 3}/{number:04d}.webp", save_all=True, append_images=frames[1:])
    return root


@pytest.mark.parametrize("originals", [["--originals"], ["--no-originals"]], ids="".join)
@pytest.mark.parametrize("what", ["copies", "pairs", "parts"])
def test_images_that_are_converted_or_animated_count_once_however_often_they_are_used(
    what, originals, tmp_path, monkeypatch
):
    folder, output = odd_folder(tmp_path / "images"), tmp_path / "out"
    (tmp_path / "pairs.csv").write_text("class-0,class-1,90\nclass-1,class-2,70\nclass-2,class-2,100\n")
    options = ["--copies", "3"]
    if what == "pairs":
        options = ["--pairs", tmp_path / "pairs.csv"]
    if what == "parts":
        monkeypatch.setattr("cutmix_gen.generation.resolve.PIXEL_BUDGET", 3000)
    command = (folder, output, *options, *originals, "--shard-size", "16", "--mode", "RGB")
    report = made(*command)
    assert (report["converted"], report["animated"]) == (12, 6)
    facts = check_info(output)
    assert (facts["converted"], facts["animated"]) == (12, 6)
    for path in sorted((output / "data").iterdir())[::3]:
        path.unlink()
    again = made(*command)
    assert (again["converted"], again["animated"]) == (12, 6)
    made(*command, "--append", "--seed", "4")
    facts = check_info(output)
    assert (facts["converted"], facts["animated"]) == (12, 6)
    assert say("verify", output, "-j", "1").startswith("All good")


def test_an_image_that_two_runs_cannot_read_is_one_image(tmp_path):
    folder, output = make_folder(tmp_path / "images", per_class=20, size=(12, 8)), tmp_path / "out"
    (folder / "class-1/0003.jpg").write_bytes(b"broken")
    options = (folder, output, "--max-failures", "1")
    assert made(*options, code=3)["lost_samples"] == 2
    second = made(*options, "--append", "--seed", "1", "--no-originals", "--copies", "3", code=3)
    assert (len(second["skipped"]), second["lost_samples"]) == (1, 3)
    facts = check_info(output)
    assert ([skip["path"] for skip in facts["skipped"]], facts["lost_samples"]) == (["class-1/0003.jpg"], 5)
    assert "Could not read 1 source image:" in say("info", output)


# Scenarios: each makes a set of the samples and does something to it; what is said must be what a plain count gives.


def photos(place: Path) -> tuple[object, ...]:
    return SAMPLES / "photos", place / "out", "--size", "24", "--shard-size", "16", "--copies", "2"


def clothes(place: Path) -> tuple[object, ...]:
    options = ("--format", "webdataset", "--shard-size", "20", "--sidecars")
    return SAMPLES / "fashion-mnist", place / "out", *options


def finished(place: Path, command: tuple[object, ...]) -> None:
    check_report(place / "out", made(*command))


def resumed_when_all_is_done(place: Path, command: tuple[object, ...]) -> None:
    made(*command)
    check_report(place / "out", made(*command), before=plain_count(place / "out")[0])


def appended(place: Path, command: tuple[object, ...]) -> None:
    made(*command)
    more = ("--append", "--seed", "3", "--strategy", "patches:2", "--strategy", "mixup", "--no-originals")
    check_report(place / "out", made(*command, *more), run=2)


def appended_in_part(place: Path, command: tuple[object, ...]) -> None:
    made(*command)
    check_report(place / "out", made(*command, "--append", "--seed", "3", "--slice", "0/3"), run=2)
    assert "**Unfinished:**" in (place / "out/README.md").read_text()


def overwritten(place: Path, command: tuple[object, ...]) -> None:
    made(*command)
    made(*command, "--append", "--seed", "3")
    check_report(place / "out", made(*command, "--overwrite", "--seed", "4"))


def sliced(place: Path, command: tuple[object, ...]) -> None:
    for part in range(3):
        before = plain_count(place / "out")[0]
        check_report(place / "out", made(*command, "--slice", f"{part}/3"), before=before)


def sliced_in_part(place: Path, command: tuple[object, ...]) -> None:
    check_report(place / "out", made(*command, "--slice", "1/3"))


def without_originals(place: Path, command: tuple[object, ...]) -> None:
    check_report(place / "out", made(*command, "--no-originals", "--copies", "1.3"))


def without_copies(place: Path, command: tuple[object, ...]) -> None:
    check_report(place / "out", made(*command, "--copies", "0"))


def exact_pairs(place: Path, command: tuple[object, ...]) -> None:
    names = sorted(path.name for path in command[0].iterdir())
    (place / "pairs.csv").write_text(f"{names[0]},{names[1]},40\n{names[2]},{names[0]},30\n")
    plain = [each for each in command if each not in ("--copies", "2")]
    check_report(place / "out", made(*plain, "--pairs", place / "pairs.csv"))


def interrupted(place: Path, command: tuple[object, ...]) -> None:
    process = start("generate", *command, "-j", "2")
    wait_for(lambda: len(records(place / "out")) > 2)
    kill_group(process, signal.SIGKILL)
    process.communicate()
    # A process may be killed between a shard and its record: then there is a file that does not count.
    for path in (place / "out/data").iterdir():
        if not any(f"-{record.stem}." in path.name for record in records(place / "out")):
            path.unlink()


def interrupted_and_resumed(place: Path, command: tuple[object, ...]) -> None:
    interrupted(place, command)
    before = plain_count(place / "out")[0]
    check_report(place / "out", made(*command), before=before)


def repaired(place: Path, command: tuple[object, ...]) -> None:
    made(*command)
    for path in sorted((place / "out/data").glob("*-*[02].*")):
        if path.suffix != ".idx":
            path.write_bytes(path.read_bytes()[:-7] + b"damaged")
    say("verify", place / "out", "--repair", "-j", "1", code=3)
    assert "**Unfinished:**" in (place / "out/README.md").read_text()
    listed = place / "out/shards.json"
    if listed.is_file():
        assert len(json.loads(listed.read_text())["shardlist"]) == plain_count(place / "out")[0].shards


def repaired_and_made_again(place: Path, command: tuple[object, ...]) -> None:
    repaired(place, command)
    before = plain_count(place / "out")[0]
    check_report(place / "out", made(*command), before=before)


def with_broken_images(place: Path, command: tuple[object, ...]) -> None:
    folder = shutil.copytree(command[0], place / "images")
    for path in sorted(path for path in folder.rglob("*") if path.is_file())[5:40:11]:
        path.write_bytes(b"broken")
    report = made(folder, *command[1:], "--max-failures", "4", code=3)
    check_report(place / "out", report)
    assert len(report["skipped"]) == 4


def converted(place: Path, command: tuple[object, ...]) -> None:
    made(*command)
    other = "parquet" if "webdataset" in command else "webdataset"
    facts = json.loads(say("convert", place / "out", place / "new", "--format", other, "--json", "-j", "1"))
    count = plain_count(place / "new")[0]
    assert (facts["samples"], facts["new_shards"]) == (count.samples, count.shards)
    shutil.rmtree(place / "out")
    (place / "new").rename(place / "out")


SCENARIOS = (
    finished,
    resumed_when_all_is_done,
    appended,
    appended_in_part,
    overwritten,
    sliced,
    sliced_in_part,
    without_originals,
    without_copies,
    exact_pairs,
    interrupted,
    interrupted_and_resumed,
    repaired,
    repaired_and_made_again,
    with_broken_images,
    converted,
)


@pytest.mark.parametrize("command", [photos, clothes])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_what_is_said_is_what_a_plain_count_gives(scenario, command, tmp_path):
    scenario(tmp_path, command(tmp_path))
    facts = check_info(tmp_path / "out", code=0)
    check_text(tmp_path / "out", facts)
    check_page(tmp_path / "out", facts)


def check_text(output: Path, facts: dict[str, Any]) -> None:
    """Require that `info` and `verify` say the same in words."""
    count = plain_count(output)[0]
    text = say("info", output)
    assert f"{count.samples:,}: {count.original:,} originals, {count.synthetic:,} mixed" in text
    is_finished = facts["shards"] == facts["planned_shards"]
    checked = json.loads(say("verify", output, "-j", "1", "--json", code=0 if is_finished else 3))
    assert (checked["shards"], checked["samples"]) == (count.shards, count.samples)
    assert {problem["shard"].split("/")[1] for problem in checked["problems"]} <= {"runs"}


def check_page(output: Path, facts: dict[str, Any]) -> None:
    """Require that the page says the same."""
    text = page(output)
    count, runs = plain_count(output)
    assert f"{count.original:,} originals and {count.synthetic:,} mixed samples of {facts['num_classes']}" in text
    assert ("Unfinished:" in text) == (facts["shards"] < facts["planned_shards"])
    for run in facts["runs"]:
        made_of_it = runs.get(run["number"], Count()).samples
        whole = made_of_it == run["samples"]
        samples = f"{made_of_it:,}" if whole else f"{made_of_it:,} of {run['samples']:,}"
        assert f"{run['num_images']:,} source images of <code>{run['source']}</code> give {samples} samples" in text
    for name, strategy in count.strategies.items():
        if name != "original":
            assert f'{name} <span class="soft">{strategy:,} sample' in text
