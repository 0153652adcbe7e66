"""What the system refuses: each command names the file, the reason and a remedy, in one message."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.runs import make
from tests.sets import make_folder

CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, PR_CAPBSET_DROP = 1, 2, 24


def obey_permissions() -> None:
    """Have files that may not be read or written so for root too."""
    if os.geteuid() == 0:
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            if prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
                raise OSError(ctypes.get_errno(), "root cannot be kept from reading and writing anything")


def fail(*arguments: object, cwd: Path) -> str:
    """Run the program and require that it fails with one message; return that."""
    command = [sys.executable, "-m", "cutmix_gen", *map(str, arguments)]
    done = subprocess.run(
        command, cwd=cwd, preexec_fn=obey_permissions, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("Error: "), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert "bug" not in done.stderr
    assert "[Errno" not in done.stderr
    return done.stderr


@pytest.fixture
def place(tmp_path) -> Path:
    """Return a folder with a folder of images and a set."""
    make(make_folder(tmp_path / "images", per_class=8), tmp_path / "out")
    return tmp_path


@pytest.mark.parametrize("name", ["dataset.json", "runs", "shards", "shards/000001.json", ""])
@pytest.mark.parametrize("command", ["info", "finalize"])
def test_a_part_of_a_set_that_may_not_be_read_is_named(place, name, command):
    path = place / "out/.cutmix_gen" / name
    (place / "out/.cutmix_gen/records.parquet").unlink(missing_ok=True)
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        errors = fail(command, "out", cwd=place)
    finally:
        path.chmod(mode)
    assert f"out/.cutmix_gen{'/' * bool(name)}{name}" in errors
    assert (
        "must be in reach, but that failed: permission denied. Make it, and the folder that it lies in, rea" in errors
    )


@pytest.mark.parametrize("command", [["verify", "out", "--repair"], ["finalize", "out"]])
def test_a_set_that_may_not_be_written_to_is_not_mended(place, command):
    shard = sorted((place / "out/data").iterdir())[1]
    shard.write_bytes(bytes(shard.stat().st_size))
    folders = [place / "out", *(path for path in (place / "out").rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    errors = fail(*command, cwd=place)
    for folder in folders:
        folder.chmod(0o755)
    assert "permission denied. " in errors
    assert "out/" in errors
    assert "writable for you" in errors


@pytest.mark.parametrize(
    "arguments", [["generate", "{}/images", "new"], ["verify", "{}/out"], ["report", "{}/out", "-o", "page.html"]]
)
def test_a_working_folder_that_is_gone_is_named(place, arguments):
    gone = place / "gone"
    gone.mkdir()
    command = ["sh", "-c", 'rmdir "$PWD"; exec "$@"', "sh", sys.executable, "-m", "cutmix_gen"]
    done = subprocess.run(
        [*command, *(each.format(place) for each in arguments)],
        cwd=gone,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr == (
        "Error: The folder that the command was given in is gone. Change into one that exists: cd ...\n"
    )
