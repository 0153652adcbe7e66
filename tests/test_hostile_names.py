"""Names that a shell, a terminal or a file format might trip over: whole runs, and every file read back."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cutmix_gen.shards import SHARD_FORMATS
from cutmix_gen.storage import path_text
from cutmix_gen.text import printable
from tests.images import file_of, noise
from tests.sets import tree

CLASSES = [
    b"plain", b"-rf", b"Cat", b"cat", b"CAT", b"a\nb", b"x..", b"'single' \"double\"", b"\xff\xfe", b"\xed\xa0\x80",
    "\u202etxt.exe\u2066".encode(), b"\x1b[31mred\x1b[0m\x07", b"c" * 255, b"back\\slash\\xff", b"$(touch x)`id`; #",
    "猫😀".encode(), b"a: b # c", b"%s {0}", b"<img src=x onerror=alert(1)>", b" lead and trail ", b"class-0001",
]  # fmt: skip
IMAGES = [b"-r.jpg", b"x" * 251 + b".jpg", b"a\tb\r\n\"'.jpg", b"\xff.jpg", b"deeper/a...jpg", b"d/" * 100 + b"1.jpg"]
HOSTILE = b"src \xff\n\x1b[2J"
"""The folder of the sources itself."""


@pytest.fixture(scope="module")
def top(tmp_path_factory) -> Path:
    """Return a folder with sources of hostile names, and a file that would be overwritten by who leaves OUT."""
    top = tmp_path_factory.mktemp("names")
    for label, name in enumerate(CLASSES):
        for number, image in enumerate(IMAGES):
            path = b"/".join([os.fsencode(top), HOSTILE, name, image])
            os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120  names are bytes
            with open(path, "wb") as file:  # noqa: PTH123
                file.write(file_of(noise(12, 10, seed=10 * label + number), "JPEG"))
    return top


def run(top: Path, *arguments: str | bytes) -> str:
    """Run the program in a folder; return what it said, after a look at each character of it."""
    command = [sys.executable, "-m", "cutmix_gen", *arguments]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(command, cwd=top, capture_output=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    text, warned = done.stdout.decode(), done.stderr.decode()
    assert all(char.isprintable() or char == "\n" for char in text + warned)
    assert not warned or (arguments[0] == "export" and warned.startswith("WARNING: Folders cannot be called"))
    return text


def found_rows(output: bytes, kind: str) -> list[dict]:
    """Return what a shard holds, read without this package."""
    rows = []
    shards = (name for name in os.listdir(output + b"/data") if not name.endswith(b".idx"))  # noqa: PTH208
    for name in sorted(shards):
        with open(output + b"/data/" + name, "rb") as file:  # noqa: PTH123
            if kind == "parquet":
                rows += pq.read_table(file).to_pylist()
                continue
            with tarfile.open(fileobj=file) as tar:
                members = {member.name: tar.extractfile(member).read() for member in tar}
            rows += [json.loads(data) for name, data in members.items() if name.endswith(".json")]
    return rows


@pytest.mark.parametrize("kind", SHARD_FORMATS)
def test_hostile_names_go_through_a_whole_run_and_come_back(top, kind):
    name = f"out {kind}".encode() + b" \xfe\n\x1b[2J"
    output = os.fsencode(top) + b"/" + name
    before = tree(top)
    run(top, "generate", "--format", kind, "-j", "2", "--shard-size", "40", "--sidecars", "--", HOSTILE, name)
    after = {path: digest for path, digest in tree(top).items() if not os.fsencode(path).startswith(name + b"/")}
    assert after == before, "something outside of OUT was written"

    rows = found_rows(output, kind)
    assert len(rows) == 2 * len(CLASSES) * len(IMAGES)
    assert all(row["key"].replace("-", "").isdecimal() for row in rows)
    originals = {row["sources"][0] for row in rows if not row["synthetic"]}
    assert originals == {path_text(label + b"/" + image) for label in CLASSES for image in IMAGES}

    classes = sorted(CLASSES)
    texts = [path_text(name) for name in classes]
    facts = json.loads(run(top, "info", "--json", "--", name))
    assert facts["classes"] == texts
    assert os.fsencode(facts["runs"][0]["source"]) == os.fsencode(top) + b"/" + HOSTILE
    said = run(top, "info", "--", name)
    assert all(printable(text)[:39] in said for text in texts[:20])
    with open(output + b"/croissant.json", "rb") as file:  # noqa: PTH123
        (classes_set,) = (each for each in json.load(file)["recordSet"] if each["@id"] == "classes")
    assert [row["classes/name"] for row in classes_set["data"]] == texts
    assert names_on_card(output) == texts
    assert "All good" in run(top, "verify", "--deep", "--", name)


def names_on_card(output: bytes) -> list[str]:
    """Return the class names of the card; double quotes in YAML have the escapes of Python."""
    with open(output + b"/README.md", encoding="utf-8") as file:  # noqa: PTH123
        lines = file.read().split("---")[1].splitlines()
    quoted = [line.partition(": ")[2] for line in lines if line.startswith("          '")]
    return [ast.literal_eval(text) for text in quoted]


@pytest.mark.parametrize("kind", SHARD_FORMATS)
def test_hostile_names_are_exported_and_converted(top, kind):
    other = next(name for name in SHARD_FORMATS if name != kind)
    run(top, "generate", "--format", kind, "-j", "1", "--", HOSTILE, f"set-{kind}")
    before = {path: digest for path, digest in tree(top).items() if not path.startswith("set-")}
    run(
        top,
        "export",
        "--format",
        "imagefolder",
        "-j",
        "1",
        "--",
        f"set-{kind}",
        f"set-images-{kind}".encode() + b"\xff",
    )
    run(top, "convert", "--format", other, "-j", "1", "--", f"set-{kind}", f"set-converted-{kind}".encode() + b"\n\xff")
    assert {path: digest for path, digest in tree(top).items() if not path.startswith("set-")} == before
    exported = os.listdir(os.fsencode(top) + f"/set-images-{kind}".encode() + b"\xff/train")  # noqa: PTH208
    assert len(exported) == len(CLASSES) + 1


def test_an_error_that_names_a_file_is_harmless_on_a_terminal(top):
    command = [sys.executable, "-m", "cutmix_gen", "generate", HOSTILE + b"/gone", b"none"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(command, cwd=top, capture_output=True, check=False, env=environment)
    assert done.returncode == 2
    assert b"src \\udcff\n\\x1b[2J/gone" in done.stderr
    assert b"\x1b" not in done.stderr


def test_any_name_is_said_on_a_terminal_of_another_encoding(top):
    run(top, "generate", "-j", "1", "--", HOSTILE, "set-latin-1")
    command = [sys.executable, "-m", "cutmix_gen", "info", "set-latin-1"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1]), "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(command, cwd=top, capture_output=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert rb"\u732b\U0001f600" in done.stdout
