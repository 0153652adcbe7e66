"""Small folders of images and small sets for the tests of whole runs."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from cutmix_gen.dataset.sealed_json import sealed


def make_folder(root: Path, per_class: int = 40, classes: int = 3, size: tuple[int, int] = (32, 24)) -> Path:
    """Write noise images as JPEG, so small that a run takes no time; return the folder."""
    rng = np.random.default_rng(7)
    for label in range(classes):
        folder = root / f"class-{label}"
        folder.mkdir(parents=True)
        for number in range(per_class):
            pixels = rng.integers(0, 256, (size[1], size[0], 3), np.uint8)
            Image.fromarray(pixels).save(folder / f"{number:04d}.jpg", quality=90)
    return root


def reseal(path: Path, **changes: object) -> None:
    """Change a file of a set's description so that only its content is wrong, and its seal is right."""
    facts = json.loads(path.read_text()) | changes
    facts.pop("seal", None)
    path.write_bytes(sealed(facts))


def tree(root: Path) -> dict[str, str]:
    """Return the SHA-256 of each file below a folder, by its path."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def rows(output: Path) -> dict[str, dict]:
    """Return all samples of a Parquet set by key, read without this package."""
    found = [row for path in sorted((output / "data").glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    assert len({row["key"] for row in found}) == len(found), "a key stands twice"
    return {row["key"]: row for row in found}


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    """Start the program as a process group of its own, with the signals of a terminal."""
    return subprocess.Popen(
        [sys.executable, "-m", "cutmix_gen", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  ignored in the background
    )


def kill_group(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """Send a signal to a process and all its workers, as a terminal or a job scheduler does."""
    os.killpg(process.pid, number)


def finish(process: subprocess.Popen[str], code: int) -> str:
    """Wait for a started program, require its exit code, and return what it said on standard error."""
    _, errors = process.communicate(timeout=120)
    assert process.returncode == code, errors
    return errors
