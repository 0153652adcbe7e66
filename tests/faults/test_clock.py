"""Clocks that jump."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.faults.runs import OPTIONS
from tests.sets import tree

JUMPING = """
import random, time
real = time.time
time.time = lambda: real() + random.choice([-86400.0, 0.0, 86400.0])
time.time_ns = lambda: int(time.time() * 1e9)
"""


def test_a_clock_that_jumps_changes_nothing(folder, expected, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(JUMPING)  # Python imports it first, in the workers too
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parent.parent.parent)])
    command = [sys.executable, "-m", "cutmix_gen", "generate", folder, tmp_path / "out", *OPTIONS, "--json"]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr == ""
    assert 0 < json.loads(done.stdout)["seconds"] < 60
    assert tree(tmp_path / "out") == expected["parquet"]


def test_nothing_reads_the_time_of_day_but_the_progress_that_tells_it():
    package = Path(__file__).parent.parent.parent / "cutmix_gen"
    for path in set(package.rglob("*.py")) - {package / "cli/progress.py"}:
        assert not re.search(r"\btime\.time\b|datetime|st_mtime\b", path.read_text()), path
