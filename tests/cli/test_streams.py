"""Commands that are started with closed streams, or with some that cannot be written to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.runs import make
from tests.sets import make_folder, tree

CLOSED = (">&-", "2>&-", "<&- >&- 2>&-")


def run(redirection: str, *arguments: str, cwd: Path) -> tuple[int, str, str]:
    """Run the program as a shell redirects it; return its exit code, and what it said on each of its streams."""
    command = ["sh", "-c", f'exec "$@" {redirection}', "sh", sys.executable, "-m", "cutmix_gen", *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Return a folder that holds a folder of images, one of them broken, and a set of it."""
    place = tmp_path_factory.mktemp("streams")
    folder = make_folder(place / "images", per_class=40)
    (folder / "class-0/0003.jpg").write_bytes(b"none")
    make(folder, place / "expected")
    return place


@pytest.mark.parametrize("redirection", ["2>&-", "<&- >&- 2>&-"])
def test_a_run_with_closed_streams_makes_the_same_set(place, redirection, tmp_path):
    options = ("--copies", "2", "--shard-size", "20", "--jobs", "2")
    code, said, errors = run(redirection, "generate", str(place / "images"), "out", *options, cwd=tmp_path)
    assert code == 3, errors
    assert tree(tmp_path / "out") == tree(place / "expected")
    assert ("samples in" in said) == (redirection == "2>&-")
    assert errors == ""


@pytest.mark.parametrize("redirection", CLOSED)
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["verify", "expected"], 0),
        (["info", "expected", "--json"], 0),
        (["info", "nowhere"], 1),
        (["nocommand"], 2),
        (["--help"], 0),
    ],
)
def test_a_command_with_closed_streams_ends_with_the_same_exit_code(place, redirection, arguments, expected):
    code, _, errors = run(redirection, *arguments, cwd=place)
    assert code == expected, errors
    assert "Traceback" not in errors
    assert "bug" not in errors


@pytest.mark.parametrize(
    ("redirection", "reason"), [(">/dev/full", "no space left on device"), ("1</dev/null", "bad file descriptor")]
)
@pytest.mark.parametrize("arguments", [["info", "expected"], ["--help"]])
def test_what_cannot_be_printed_is_an_error_that_is_said(place, redirection, reason, arguments):
    code, said, errors = run(redirection, *arguments, cwd=place)
    assert (code, said) == (1, "")
    assert errors.startswith(f"Error: Standard output must be written, but that failed: {reason}. "), errors
    assert errors.count("\n") == 1, errors


def test_an_error_that_cannot_be_said_keeps_its_exit_code(place):
    assert run("2>/dev/full", "generate", "nowhere", "out", cwd=place) == (2, "", "")
