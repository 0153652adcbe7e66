"""Processes that are killed without a word: at random moments, and before each single file operation."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from tests.faults.runs import OPTIONS, check_goes_on, check_whole, records, wait_for
from tests.sets import finish, kill_group, start, tree

FORMATS = ("parquet", "webdataset")


@pytest.mark.parametrize("shards", FORMATS)
def test_killed_at_random_moments_a_run_ends_in_the_same_bytes(folder, expected, shards, slow, tmp_path):
    chance = random.Random(shards)
    output, options = tmp_path / "out", ["--format", shards, *OPTIONS]
    for number in range(50 if slow else 3):
        process = start("generate", folder, output, *options)
        # At every third kill the set is new, and there is no record to wait for.
        wait_for(lambda: process.poll() is not None or (output / ".cutmix_gen/dataset.json").exists())  # noqa: B023
        time.sleep(chance.uniform(0, 1.2))
        kill_group(process, signal.SIGKILL)
        process.communicate()
        check_whole(output, expected[shards])
        if len(records(output)) == 54 or number % 5 == 4:
            check_goes_on(folder, output, expected[shards], format=shards)
            output = tmp_path / f"out-{number}"
    finish(start("generate", folder, output, *options), 0)
    assert tree(output) == expected[shards]


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """Return the processes that a run has started to work for it."""
    return children_of(process, "popen_loky")


def children_of(process: subprocess.Popen[str], command: str) -> list[int]:
    """Return the processes that a run has started by a command with these words."""
    found = subprocess.run(["ps", "-wweo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    lines = [line.split(None, 2) for line in found.splitlines()]
    return [int(pid) for pid, parent, args in lines if int(parent) == process.pid and command in args]


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_killed_worker_costs_only_time(folder, expected, tmp_path):
    process = start("generate", folder, tmp_path / "out", *OPTIONS)
    wait_for(lambda: records(tmp_path / "out"))
    os.kill(workers_of(process)[0], signal.SIGKILL)
    assert finish(process, 0) == ""
    assert tree(tmp_path / "out") == expected["parquet"]


@pytest.mark.parametrize(
    "tracker", ["joblib.externals.loky.backend.resource_tracker", "multiprocessing.resource_tracker"]
)
def test_a_killed_tracker_of_joblib_is_nobodys_concern(folder, expected, tracker, tmp_path):
    process = start("generate", folder, tmp_path / "out", *OPTIONS)
    wait_for(lambda: records(tmp_path / "out"))
    for pid in children_of(process, f"from {tracker} import"):
        os.kill(pid, signal.SIGKILL)
    os.kill(workers_of(process)[0], signal.SIGKILL)  # so that new ones are started without it
    assert finish(process, 0) == ""
    assert tree(tmp_path / "out") == expected["parquet"]


def test_workers_that_are_killed_again_and_again_stop_the_run(folder, tmp_path):
    process = start("generate", folder, tmp_path / "out", *OPTIONS, "--size", "900")
    killed: set[int] = set()
    while process.poll() is None:
        for pid in set(workers_of(process)) - killed:
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
        time.sleep(0.01)
    errors = finish(process, 1)
    assert errors.startswith("Error: A worker process died 3 times in a row (out of memory?) with ")
    assert errors.count("\n") == 1
    assert "go on with the same command and fewer --jobs" in errors


def test_workers_end_soon_after_their_parent_was_killed(folder, expected, tmp_path):
    process = start("generate", folder, tmp_path / "out", *OPTIONS)
    wait_for(lambda: len(workers_of(process)) == 2 and records(tmp_path / "out"))
    workers = workers_of(process)
    process.kill()
    process.communicate()
    wait_for(lambda: not any(map(is_there, workers)), seconds=5)
    check_whole(tmp_path / "out", expected["parquet"])
    check_goes_on(folder, tmp_path / "out", expected["parquet"])


WITHOUT_WORK = """
import time
from cutmix_gen.execute import run_tasks

if __name__ == "__main__":
    list(run_tasks(abs, range(4), "loky", 2))
    print(flush=True)
    time.sleep(60)
"""


def test_workers_without_work_end_too_after_their_parent_was_killed():
    with subprocess.Popen([sys.executable, "-c", WITHOUT_WORK], stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        workers = workers_of(process)
        assert len(workers) == 2
        process.kill()
    wait_for(lambda: not any(map(is_there, workers)), seconds=5)
