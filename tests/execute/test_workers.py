"""How many workers there are, and what the environment has to say about it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cutmix_gen.execute import workers_for
from tests.sets import make_folder


def test_there_are_no_more_workers_than_tasks():
    assert [workers_for(range(tasks), jobs) for tasks, jobs in [(2, 120), (120, 2), (0, 5), (1, None)]] == [2, 2, 1, 1]


def siblings(folder: Path, task: int) -> int:
    """Wait for the other task, and return how many processes the parent has by then."""
    (folder / str(task)).touch()
    until = time.monotonic() + 30
    while len(list(folder.iterdir())) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(0.5)  # for others to come up, were there any
    children = (int(child) for child in Path(f"/proc/{os.getppid()}/task/{os.getppid()}/children").read_text().split())
    lines = (Path(f"/proc/{child}/cmdline").read_bytes() for child in children if Path(f"/proc/{child}").exists())
    return sum(b"popen_loky" in line and b"resource_tracker" not in line for line in lines)


def test_a_hundred_jobs_for_two_tasks_are_two_processes(tmp_path):
    code = (
        "import sys; from functools import partial; from pathlib import Path\n"
        "from cutmix_gen.execute import run_tasks; from tests.execute.test_workers import siblings\n"
        "print(max(run_tasks(partial(siblings, Path(sys.argv[1])), range(2), 'loky', 120)))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "2"


@pytest.mark.parametrize("jobs", [[], ["-j", "2"]], ids=str)
@pytest.mark.parametrize("value", ["x", "", "1e9", "9" * 5000])
def test_a_number_of_cores_that_is_none_is_said_to_be_in_the_environment(tmp_path, jobs, value):
    folder = make_folder(tmp_path / "images", per_class=50)
    command = [sys.executable, "-m", "cutmix_gen", "generate", str(folder), str(tmp_path / "out"), *jobs]
    command += ["--shard-size", "20"]
    done = subprocess.run(
        command, env=os.environ | {"LOKY_MAX_CPU_COUNT": value}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "LOKY_MAX_CPU_COUNT=" in done.stderr
    assert len(done.stderr) < 500
