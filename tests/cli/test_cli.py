from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import termios
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from cutmix_gen.cli import main
from cutmix_gen.version import __version__
from tests.sets import make_folder, tree


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("source") / "images", per_class=20)


@pytest.fixture(scope="module")
def made(folder, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("set") / "out"
    assert call("generate", folder, output, "--backend", "serial").exit_code == 0
    return output


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_the_version_is_printed():
    assert __version__ in call("--version").output


@pytest.mark.parametrize("command", main.list_commands(None))
def test_every_command_has_help_with_an_example(command):
    result = call(command, "--help")
    assert result.exit_code == 0
    assert "Example:" in result.output
    for param in main.get_command(None, command).params:
        if isinstance(param, click.Option):
            assert param.help, f"{command} {param.name} has no help"


def test_the_options_are_those_of_the_contract():
    options = {
        name for param in main.get_command(None, "generate").params for name in (*param.opts, *param.secondary_opts)
    }
    assert options >= {
        "--format", "--copies", "--num-samples", "--originals", "--no-originals", "--strategy", "--alpha",
        "--mix-option", "--pairing", "--size", "--fit", "--hflip", "--mode", "--image-format", "--quality",
        "--subsampling", "--label-smoothing", "--dense-labels", "--split", "--shard-size", "--seed", "-j", "--jobs",
        "--backend", "--slice", "--codec", "--max-failures", "--append", "--overwrite", "--dry-run", "--json",
    }  # fmt: skip


def test_the_summary_says_what_was_made(folder, tmp_path):
    result = call("generate", folder, tmp_path / "out", "--backend", "serial")
    assert result.exit_code == 0
    assert "Made 120 samples in 2 shards" in result.output
    again = call("generate", folder, tmp_path / "out", "--backend", "serial")
    assert again.exit_code == 0
    assert "All is done" in again.output
    assert "another --seed" not in again.output


def test_json_is_one_object_on_standard_output_and_nothing_else(folder, tmp_path):
    result = call("generate", folder, tmp_path / "out", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["samples"] == 120
    assert json.loads(call("info", tmp_path / "out", "--json").stdout)["samples"]["total"] == 120
    assert json.loads(call("verify", tmp_path / "out", "--json").stdout)["ok"] is True
    assert json.loads(call("generate", folder, tmp_path / "new", "--dry-run", "--json").stdout)["samples"] == 120


def test_info_has_the_facts_of_the_contract(made):
    facts = json.loads(call("info", made, "--json").stdout)
    assert facts.keys() >= {
        "format", "classes", "num_classes", "runs", "shards", "bytes", "samples", "class_weight", "lam_histogram",
        "skipped",
    }  # fmt: skip
    assert facts["samples"] == {"original": 60, "synthetic": 60, "total": 120}
    assert facts["class_weight"][0].keys() == {"name", "original", "synthetic"}
    assert sum(row["synthetic"] for row in facts["class_weight"]) == pytest.approx(60, abs=0.01)
    assert sum(facts["lam_histogram"]) == 60
    assert facts["bytes"] == sum(path.stat().st_size for path in (made / "data").iterdir())


def test_info_shows_classes_and_lam_as_text(made):
    output = call("info", made).output
    for text in ("class-2", "120: 60 originals, 60 mixed", "lam, the share", "█"):
        assert text in output


def test_a_dry_run_writes_nothing(folder, tmp_path):
    result = call("generate", folder, tmp_path / "out", "--dry-run", "--copies", "3")
    assert result.exit_code == 0
    assert "60 images give 240 samples" in result.output
    assert not (tmp_path / "out").exists()


def test_skips_end_in_code_3_and_are_named(folder, tmp_path):
    folder = make_folder(tmp_path / "images", per_class=10)
    (folder / "class-0/bad.jpg").write_bytes(b"not an image")
    result = call("generate", folder, tmp_path / "out", "--backend", "serial", "--max-failures", "1")
    assert result.exit_code == 3
    assert "class-0/bad.jpg: no image of a format that is read" in result.output
    assert json.loads(call("info", tmp_path / "out", "--json").stdout)["skipped"][0]["path"] == "class-0/bad.jpg"


def test_problems_end_in_code_3_with_a_line_for_each(folder, tmp_path):
    call("generate", folder, tmp_path / "out", "--backend", "serial")
    (tmp_path / "out/data/train-000001.parquet").unlink()
    result = call("verify", tmp_path / "out")
    assert result.exit_code == 3
    assert "data/train-000001.parquet: the file is missing" in result.output
    problems = json.loads(call("verify", tmp_path / "out", "--json").stdout)["problems"]
    assert problems == [{"shard": "data/train-000001.parquet", "key": "", "problem": "the file is missing"}]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--strategy", "cutmixx"], 2, "Did you mean 'cutmix'"),
        (["--mix-option", "grid=4"], 2, "no option 'grid'"),
        (["--strategy", "patches", "--mix-option", "grid=one"], 2, "must be a whole number"),
        (["--strategy", "patches", "--mix-option", "grid=1"], 2, "from 2 to 32"),
        (["--size", "0"], 2, "--size must be"),
        (["--alpha", "0"], 2, "--alpha must be"),
        (["--copies", "1", "--num-samples", "3"], 2, "Give one of them"),
        (["--append", "--overwrite"], 2, "Give one of them"),
        (["--slice", "4/4"], 2, "--slice must be"),
        (["--max-failures", "many"], 2, "--max-failures must be"),
        (["--mode", "I;16", "--image-format", "jpeg"], 2, "cannot hold 16-bit"),
        (["--format", "zip"], 2, "'zip' is not one of"),
    ],
)
def test_wrong_usage_is_one_clear_message(folder, tmp_path, arguments, code, message):
    result = call("generate", folder, tmp_path / "out", *arguments)
    assert result.exit_code == code
    assert message in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists()


def test_errors_of_the_sources_and_of_the_set_are_one_message(tmp_path):
    assert "there is no folder" in call("generate", tmp_path / "none", tmp_path / "out").output
    result = call("info", tmp_path)
    assert result.exit_code == 1
    assert "must be a set made by" in result.output


def test_finalize_says_what_is_missing(folder, tmp_path):
    call("generate", folder, tmp_path / "out", "--shard-size", "10", "--slice", "0/2", "--backend", "serial")
    result = call("finalize", tmp_path / "out")
    assert result.exit_code == 1
    assert "shards are missing: 000001" in result.output
    call("generate", folder, tmp_path / "out", "--shard-size", "10", "--slice", "1/2", "--backend", "serial")
    before = tree(tmp_path / "out")
    assert call("finalize", tmp_path / "out").exit_code == 0
    assert tree(tmp_path / "out") == before


def test_there_is_a_bar_on_a_terminal_and_nothing_on_a_pipe(folder, tmp_path):
    command = [sys.executable, "-m", "cutmix_gen", "generate", str(folder)]
    piped = subprocess.run([*command, str(tmp_path / "a")], capture_output=True, text=True, check=True)
    assert piped.stderr == ""
    parent, child = pty.openpty()
    termios.tcsetwinsize(child, (24, 100))
    subprocess.run([*command, str(tmp_path / "b")], stdout=subprocess.DEVNULL, stderr=child, check=True)
    os.close(child)
    shown = os.read(parent, 1 << 16).decode()
    os.close(parent)
    assert "120/120" in shown
    assert "samples/s" in shown


def test_debug_shows_where_an_error_came_from(tmp_path):
    result = CliRunner().invoke(main, ["--debug", "info", str(tmp_path)])
    assert "SetError" in repr(result.exception)


def test_a_dry_run_takes_pairings_that_only_the_whole_set_can_give(tmp_path):
    folder = make_folder(tmp_path / "images", per_class=300, classes=2, size=(8, 8))
    for path in sorted((folder / "class-1").iterdir())[2:]:
        path.unlink()
    for seed in range(3):
        result = call(
            "generate", folder, tmp_path / "out", "--dry-run", "--pairing", "cross-class", "--seed", str(seed)
        )
        assert result.exit_code == 0, result.output


def test_the_bytes_of_a_dry_run_are_near_the_truth(folder, tmp_path):
    options = ["--copies", "3", "--backend", "serial"]
    expected = json.loads(call("generate", folder, tmp_path / "out", *options, "--dry-run", "--json").stdout)
    made = json.loads(call("generate", folder, tmp_path / "out", *options, "--json").stdout)
    assert expected["samples"] == made["samples"]
    assert expected["shards"] == made["shards"]
    assert expected["bytes"] == pytest.approx(made["bytes"], rel=0.15)


def test_an_empty_file_of_pairs_is_no_file(folder, tmp_path):
    (tmp_path / "pairs.csv").write_text("")
    result = call("generate", folder, tmp_path / "out", "--pairs", tmp_path / "pairs.csv")
    assert result.exit_code == 2
    assert "the file is empty" in result.output


def test_what_was_passed_over_is_said(tmp_path):
    folder = make_folder(tmp_path / "images", per_class=3)
    (folder / "class-0/notes.txt").write_text("")
    (folder / "class-0/.hidden.jpg").write_text("")
    result = call("generate", folder, tmp_path / "out", "--backend", "serial")
    assert "Passed over: 1 hidden, 1 not an image by its name." in result.output


def test_an_unfinished_set_is_one_problem_and_not_one_for_each_shard(folder, tmp_path):
    call("generate", folder, tmp_path / "out", "--shard-size", "10", "--slice", "0/2", "--backend", "serial")
    result = call("verify", tmp_path / "out")
    assert result.exit_code == 3
    assert "6 of 12 shards of run 1 are made; the generate command goes on" in result.output
    assert "Found 1 problem in 6 shards" in result.output


def test_too_many_failures_are_one_message(tmp_path):
    folder = make_folder(tmp_path / "images", per_class=40)
    for path in list(folder.rglob("*.jpg"))[::3]:
        path.write_bytes(b"broken")
    command = [sys.executable, "-m", "cutmix_gen", "generate", str(folder), str(tmp_path / "out"), "--shard-size", "8"]
    done = subprocess.run([*command, "-j", "2"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "Warning" not in done.stderr


def test_appending_what_is_there_says_what_else_to_append(folder, tmp_path):
    options = ("generate", folder, tmp_path / "out", "--backend", "serial")
    assert call(*options).exit_code == 0
    result = call(*options, "--append")
    assert result.exit_code == 0
    assert "give another --seed" in result.output
    assert "Made" in call(*options, "--append", "--seed", "1").output
