"""Commands whose reader goes away, as `head -1` does."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from cutmix_gen.cli import main
from cutmix_gen.exports.loaders import script
from tests.sets import make_folder

SIGPIPE = 128 + 13
"""As a shell has it of a program that the signal ends."""


def end_unread(*arguments) -> tuple[int, str]:
    """Run the program with a standard output that nobody reads; return its exit code and what it said beside it."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "cutmix_gen", *map(str, arguments)]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    os.close(writer)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["strategies"],
        ["completion", "bash"],
        ["info", "--help"],
        ["generate", "--print-config"],
    ],
    ids=" ".join,
)
def test_a_command_whose_reader_is_gone_ends_without_a_word(arguments):
    assert end_unread(*arguments) == (SIGPIPE, "")


def test_a_command_that_reads_a_set_does_so_too(tmp_path):
    folder = make_folder(tmp_path / "images", per_class=4)
    CliRunner().invoke(main, ["generate", str(folder), str(tmp_path / "out"), "--backend", "serial"])
    for arguments in (["info"], ["info", "--json"], ["loader", "--framework", "torch"]):
        assert end_unread(*arguments, tmp_path / "out") == (SIGPIPE, "")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["nocommand"], 2),
        (["--nooption"], 2),
        (["generate", "."], 2),
        (["generate", ".", "out", "--alpha", "-1"], 2),
        (["info", "nowhere"], 1),
    ],
)
def test_an_error_that_nobody_reads_keeps_its_exit_code(arguments, code):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "cutmix_gen", *arguments]
    done = subprocess.run(command, stdout=writer, stderr=writer, check=False, timeout=60)
    os.close(writer)
    assert done.returncode == code


def test_another_pipe_that_is_broken_is_an_error_that_is_said(monkeypatch, tmp_path):
    def broken(*_):
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(script, "snippet", broken)
    result = CliRunner().invoke(main, ["loader", str(tmp_path), "--framework", "torch"])
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: The system refused what the work takes: Broken pipe. ")
