from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from click.testing import CliRunner

from cutmix_gen.cli import main
from cutmix_gen.cli.columns import width_of
from tests.sets import make_folder

NAMES = ("class-0", "猫", "\x1b[31mred", "a name of a class that is so long that no terminal has room for it, not one")


def call(*arguments: str | Path, **settings) -> str:
    result = CliRunner().invoke(main, [*map(str, arguments)], **settings)
    assert result.exit_code in (0, 3), result.output
    return result.output


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = make_folder(tmp_path_factory.mktemp("source") / "images", per_class=8, classes=4)
    for number, name in enumerate(NAMES):
        (folder / f"class-{number}").rename(folder / name)
    (folder / "class-0/bad.jpg").write_bytes(b"not an image")
    return folder


@pytest.fixture(scope="module")
def made(folder, tmp_path_factory) -> Path:
    """Return a set of a finished run, and of an appended one of which a half is there."""
    output = tmp_path_factory.mktemp("set") / "out"
    options = ["generate", folder, output, "--backend", "serial", "--max-failures", "1", "--shard-size", "10"]
    call(*options, "--copies", "2")
    call(*options, "--append", "--no-originals", "--strategy", "mixup", "--seed", "5", "--slice", "0/2")
    return output


def on_terminal(output: Path, width: int, **environment: str) -> str:
    """Return what `info` shows on a terminal of a width."""
    parent, child = pty.openpty()
    termios.tcsetwinsize(child, (50, width))
    command = [sys.executable, "-m", "cutmix_gen", "info", str(output)]
    clean = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
    subprocess.run(command, stdout=child, check=True, env=clean | environment)
    os.close(child)
    text = b""
    try:
        while piece := os.read(parent, 1 << 16):
            text += piece
    except OSError:  # how a terminal ends
        pass
    os.close(parent)
    return text.decode()


def test_each_run_says_what_was_asked_for_and_how_much_of_it_there_is(folder, made):
    text = call("info", made)
    first, second = text.partition("run 2:")[::2]
    assert f"run 1: {folder}" in first
    assert "--copies 2 " in first
    assert "33 images: 96 of 99 samples in 12 shards" in first
    assert "3 skipped" in first
    assert "--no-originals --strategy mixup" in second
    assert "of 33 samples in 2 of 4 shards" in second
    assert "not finished: the same generate command goes on" in second
    assert "cutmix 64, mixup" in text


def test_json_has_the_state_of_each_run(made):
    facts = json.loads(call("info", made, "--json"))
    first, second = facts["run_states"]
    assert (first["number"], first["shards"], first["samples"], first["skipped"]) == (1, 12, 96, 3)
    assert (second["number"], second["shards"]) == (2, 2)
    assert first["bytes"] + second["bytes"] == facts["bytes"]
    assert [run["number"] for run in facts["runs"]] == [1, 2]


def test_classes_have_their_mass_before_and_after(made):
    facts = json.loads(call("info", made, "--json"))
    before = sum(row["original"] for row in facts["class_weight"])
    line = next(line for line in call("info", made).splitlines() if line.startswith("  猫"))
    row = next(row for row in facts["class_weight"] if row["name"] == "猫")
    after = before + sum(row["synthetic"] for row in facts["class_weight"])
    assert line.split()[1:] == [
        f"{row['original']:.1f}",
        f"{row['synthetic']:.1f}",
        f"{row['original'] / before:.2%}",
        f"{(row['original'] + row['synthetic']) / after:.2%}",
    ]


@pytest.mark.parametrize("width", [40, 64, 80, 120])
def test_the_columns_of_the_classes_stand_under_each_other(made, width):
    lines = on_terminal(made, width, NO_COLOR="1").replace("\r", "").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("  class "))
    table = lines[start : start + 1 + len(NAMES)]
    assert {width_of(line) for line in table} == {width_of(table[0])}
    assert width_of(table[0]) <= width
    assert any("…" in line for line in table)


def test_a_name_cannot_steer_the_terminal(made):
    text = on_terminal(made, 80)
    assert "\x1b[31m" not in text
    assert "\\x1b[31mred" in text


def test_there_is_colour_on_a_terminal_only_and_none_where_it_is_not_wanted(made):
    assert "\x1b[" in on_terminal(made, 80)
    assert "\x1b[" not in on_terminal(made, 80, NO_COLOR="1")
    assert "\x1b[" not in call("info", made)


def test_names_are_whole_where_there_is_no_terminal(made):
    assert NAMES[3] in call("info", made)


def test_many_classes_are_listed_on_request(tmp_path):
    folder = make_folder(tmp_path / "images", per_class=2, classes=25, size=(8, 8))
    call("generate", folder, tmp_path / "out", "--backend", "serial")
    assert "class-9" not in call("info", tmp_path / "out").partition("and 5 more")[2]
    assert "and 5 more: --all-classes lists them" in call("info", tmp_path / "out")
    assert all(f"class-{number} " in call("info", tmp_path / "out", "--all-classes") for number in range(25))


def test_an_encoding_without_blocks_gets_other_bars(made):
    command = [sys.executable, "-m", "cutmix_gen", "info", str(made)]
    environment = os.environ | {"PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(command, capture_output=True, check=True, env=environment)
    assert b"#####" in done.stdout
    assert b"\\u732b" in done.stdout


def test_only_the_records_are_read(made, tmp_path):
    subprocess.run(["cp", "-r", str(made / ".cutmix_gen"), str(tmp_path / ".cutmix_gen")], check=True)
    assert json.loads(call("info", tmp_path, "--json"))["samples"]["original"] == 32


def test_shards_whose_files_are_gone_or_short_are_named_in_text_and_json(made, tmp_path):
    output = tmp_path / "out"
    shutil.copytree(made, output)
    (output / "data/train-000001.parquet").unlink()
    with (output / "data/train-000002.parquet").open("ab") as file:
        file.write(b"x")
    lost = ["data/train-000001.parquet", "data/train-000002.parquet"]
    text, facts = (CliRunner().invoke(main, ["info", str(output), *extra]) for extra in ([], ["--json"]))
    assert (text.exit_code, facts.exit_code) == (3, 3)
    assert f"2 shards counted here have files that are gone or of another size: {', '.join(lost)}." in text.output
    assert json.loads(facts.stdout)["lost_files"] == lost
    assert json.loads(call("info", made, "--json"))["lost_files"] == []
