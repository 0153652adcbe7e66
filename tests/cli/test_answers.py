"""What commands print with --json has the fields that are described, and no others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cutmix_gen.cli import main
from cutmix_gen.cli.answers import ANSWERS
from tests.fields import README, Described, answer_fields, described, written
from tests.sets import make_folder


def answer(*arguments: object) -> dict[str, Any]:
    result = CliRunner().invoke(main, [*map(str, arguments), "--json"])
    assert result.exit_code in (0, 3), result.output
    (line,) = result.stdout.splitlines()
    return json.loads(line)


def check(found: Any, expected: list[Described]) -> None:
    """Require that an object has the fields that are described, in their order, and so have those inside it."""
    assert list(found) == [each.name for each in expected]
    for each in expected:
        if each.inner:
            value = found[each.name]
            inside = value if isinstance(value, list) else [value]
            assert inside, f"this test has nothing to look at in {each.name}"
            for one in inside:
                check(one, described(each.inner))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = make_folder(tmp_path_factory.mktemp("source") / "images", per_class=10)
    (folder / "class-0/bad.jpg").write_bytes(b"not an image")
    return folder


def commands(folder: Path, place: Path) -> dict[str, tuple[object, ...]]:
    output = place / "out"
    make = ("generate", folder, output, "--backend", "serial", "--max-failures", "1")
    return {
        "generate --dry-run": (*make, "--dry-run"),
        "generate": make,
        "info": ("info", output),
        "verify": ("verify", output, "-j", "1", "--repair"),
        "convert": ("convert", output, place / "tars", "--format", "webdataset", "-j", "1"),
        "export": ("export", output, place / "files", "--format", "imagefolder", "-j", "1"),
    }


def test_each_command_prints_the_fields_that_are_described(folder, tmp_path):
    for name, command in commands(folder, tmp_path).items():
        if name == "verify":
            (tmp_path / "out/data/stray.parquet").write_bytes(b"x")
        check(answer(*command), answer_fields(name))
        if name == "verify":
            (tmp_path / "out/data/stray.parquet").unlink()


def test_every_command_that_prints_json_is_described(folder, tmp_path):
    params = {name: main.get_command(None, name).params for name in main.list_commands(None)}
    having = {name for name, those in params.items() if any(param.name == "as_json" for param in those)}
    assert having == {name.split()[0] for name in ANSWERS if not name.startswith("-")}
    assert {*commands(folder, tmp_path), "--progress json"} == set(ANSWERS)


def test_the_readme_has_all_fields():
    assert README.read_text() == written(README.read_text()), "python -m tests.fields writes it anew"
