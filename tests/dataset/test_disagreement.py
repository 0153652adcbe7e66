"""Sets whose run, records and rows do not belong together: each command ends in this program's own error, or with 0."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cutmix_gen import GenerateConfig, generate
from cutmix_gen.cli import main
from cutmix_gen.dataset.sealed_json import sealed
from tests.dataset.test_hostile_sets import JUNK, places, spoilt
from tests.sets import make_folder, reseal

FILES = ("dataset.json", "runs/0001.json", "runs/0001.arrow", "shards/000000.json", "shards/000001.json")
KEYS = ("0001-000-000000003", "0001-001-000000009")
OTHERS = {
    "strategy": {"strategy": ("multi",)},
    "saliency": {"strategy": ("saliencymix", "fmix")},
    "labels": {"strategy": ("ricap",), "dense_labels": "never", "fit": "letterbox", "size": "24x24"},
    "copies": {"num_samples": 5},
    "mixed only": {"originals": False},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return make_folder(tmp_path_factory.mktemp("source") / "images", per_class=6, size=(16, 12))


@pytest.fixture(scope="module")
def made(folder, tmp_path_factory) -> dict[str, Path]:
    """Return a set of CutMix, and others that differ from it."""
    home = tmp_path_factory.mktemp("made")
    for name, options in {"plain": {}, **OTHERS}.items():
        generate(GenerateConfig(source=folder, output=home / name, backend="serial", **options))
    return {name: home / name for name in ("plain", *OTHERS)}


def call(output: Path, *names: str) -> None:
    """Do with a set all that shows what is in it; a bug would say that it is one."""
    commands = {
        "info": [],
        "verify": ["--deep", "-j", "1"],
        "report": ["-o", output.with_name("report.html")],
        "grid": ["-o", output.with_name("grid.png")],
        "loader": [],
        "finalize": [],
    }
    replays = [("replay", output, key, "-o", output.with_name("replay.png")) for key in KEYS]
    for words in [*((name, output, *words) for name, words in commands.items()), *replays]:
        if not names or words[0] in names:
            result = CliRunner().invoke(main, [str(word) for word in words])
            assert result.exit_code in (0, 1, 2, 3), words
            assert "a bug of cutmix-gen" not in result.output, (words, result.output)


def fresh(made: Path, home: Path) -> Path:
    shutil.rmtree(home / "out", ignore_errors=True)
    return Path(shutil.copytree(made, home / "out"))


@pytest.mark.parametrize("other", OTHERS)
def test_files_of_two_sets_put_together_end_in_an_error_or_change_nothing(made, tmp_path, other):
    @settings(max_examples=6)
    @example({"runs/0001.json"})
    @example({"runs/0001.json", "shards/000000.json", "shards/000001.json"})
    @example({"dataset.json"})
    @given(st.sets(st.sampled_from(FILES), min_size=1))
    def check(names):
        output = fresh(made["plain"], tmp_path)
        for name in names:
            there = made[other] / ".cutmix_gen" / name
            if there.is_file():
                shutil.copyfile(there, output / ".cutmix_gen" / name)
        call(output)

    check()


@pytest.mark.parametrize("name", ["runs/0001.json", "shards/000001.json", "dataset.json"])
def test_any_value_in_a_field_ends_no_report_in_a_bug(made, tmp_path, name):
    @settings(max_examples=20)
    @given(data=st.data())
    def check(data):
        output = fresh(made["plain"], tmp_path)
        path = output / ".cutmix_gen" / name
        facts = json.loads(path.read_bytes())
        del facts["seal"]
        path.write_bytes(sealed(spoilt(facts, data.draw(st.sampled_from(places(facts))), data.draw(JUNK))))
        call(output, "report", "grid", "replay", "loader", "finalize")

    check()


@pytest.mark.parametrize(
    "changes",
    [
        {"strategies": {"multi": 18}},
        {"strategies": {"no such": 18}},
        {"strategies": {}},
        {"strategies": {"cutmix": 0}},
        {"kind": "original"},
        {"lam_histogram": [0] * 20},
        {"lam_histogram": [1 << 40] * 20},
        {"run": 2},
        {"copy": 7},
        {"samples": 17},
        {"class_weight": [0.0, 0.0, 0.0]},
        {"class_weight": [1e308, 1e308, 1e308]},
        {"converted": 1 << 50},
    ],
    ids=str,
)
def test_a_record_that_does_not_agree_with_its_run_ends_no_command_in_a_bug(made, tmp_path, changes):
    output = fresh(made["plain"], tmp_path)
    reseal(output / ".cutmix_gen/shards/000001.json", **changes)
    call(output)
    assert CliRunner().invoke(main, ["verify", str(output), "-j", "1"]).exit_code == 3


@pytest.mark.parametrize("name", [7, None, ["x"], {"a": {}}, "two\nlines", True])
def test_a_licence_that_is_no_name_is_found_and_given_again(made, tmp_path, name):
    output = fresh(made["plain"], tmp_path)
    (output / ".cutmix_gen/card.json").write_bytes(sealed({"license": name}))
    call(output)
    said = CliRunner().invoke(main, ["verify", str(output), "-j", "1"])
    assert said.exit_code == 3
    assert "must have a name on one line as license" in said.output
    assert CliRunner().invoke(main, ["finalize", str(output), "--license", "mit"]).exit_code == 0
    assert CliRunner().invoke(main, ["verify", str(output), "-j", "1"]).exit_code == 0


def test_a_report_says_what_does_not_agree(made, tmp_path):
    output = fresh(made["plain"], tmp_path)
    reseal(output / ".cutmix_gen/shards/000001.json", strategies={"multi": 18})
    said = CliRunner().invoke(main, ["report", str(output), "-o", str(tmp_path / "report.html")])
    assert said.exit_code == 1
    assert "says what run 1 cannot have made: 18 samples, {'multi': 18}" in said.output
