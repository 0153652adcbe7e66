from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cutmix_gen.cli import main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Return a folder that holds what a fresh checkout holds for its user: the samples."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "samples", folder / "samples")
    return folder


def test_every_example_runs_as_it_stands(place):
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    blocks = re.findall(r"```(bash|python)\n(.*?)```", README, re.DOTALL)
    assert len(blocks) >= 4
    for kind, text in blocks:
        command = ["bash", "-e", "-c", text] if kind == "bash" else [sys.executable, "-c", text]
        done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"


def test_every_option_of_generate_is_in_the_table():
    for param in main.get_command(None, "generate").params:
        names = [name for name in (*param.opts, *param.secondary_opts) if name.startswith("--")]
        if names:
            assert any(f"`{name}" in README or f" {name}" in README for name in names), names


def test_every_test_that_a_promise_names_is_there():
    named = set(re.findall(r"`(test_\w+)`", README))
    there = {name for path in ROOT.glob("tests/**/*.py") for name in re.findall(r"def (test_\w+)", path.read_text())}
    assert named
    assert named <= there


def test_every_file_that_is_named_is_there():
    for path in re.findall(r"`(samples/[\w./-]+)`|\((samples/[\w./-]+)\)", README):
        assert (ROOT / "".join(path)).exists(), path


def test_every_test_that_is_named_is_there():
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", README)
    assert len(named) >= 10
    for file, name in named:
        assert any(f"def {name}(" in path.read_text() for path in (ROOT / "tests").rglob(file)), (file, name)
