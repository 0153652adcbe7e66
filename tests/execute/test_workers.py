"""How many workers there are, and what the environment has to say about it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cutmix_gen.execute.engines import workers_for
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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LOKY_MAX_CPU_COUNT", "x"),
        ("LOKY_MAX_CPU_COUNT", ""),
        ("LOKY_MAX_CPU_COUNT", "9" * 5000),
        ("LOKY_MAX_DEPTH", "x"),
        ("LOKY_PICKLER", "x"),
        ("JOBLIB_START_METHOD", "x"),
        ("JOBLIB_MULTIPROCESSING", "x"),
    ],
)
def test_what_joblib_cannot_take_is_said_to_be_in_the_environment(name, value):
    code = "from cutmix_gen.execute import run_tasks; list(run_tasks(abs, range(2), 'loky', 2))"
    error = failed([sys.executable, "-c", code], {name: value}).splitlines()[-1]
    assert error.startswith("cutmix_gen.errors.UsageError: ")
    assert f"{name}=" in error
    assert len(error) < 500


def test_a_run_that_the_environment_hinders_ends_with_a_message(tmp_path):
    folder = make_folder(tmp_path / "images", per_class=50, size=(8, 8))
    command = [sys.executable, "-m", "cutmix_gen", "generate", str(folder), str(tmp_path / "out"), "--shard-size", "20"]
    error = failed(command, {"LOKY_MAX_CPU_COUNT": "x"})
    assert error.startswith("Error: The environment has settings that joblib")


def failed(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode in (1, 2)
    return done.stderr
