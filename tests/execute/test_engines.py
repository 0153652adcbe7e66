"""The engines for clusters, each with its real package."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from cutmix_gen.errors import WorkerError
from cutmix_gen.execute import run_tasks
from cutmix_gen.execute.cluster import ATTEMPTS
from cutmix_gen.execute.engines import CLUSTERS
from tests.sets import finish, kill_group, make_folder, start, tree

pytestmark = [
    pytest.mark.cluster,
    # What the engines warn of in their own code and leave open when they end is not for this program to mend.
    pytest.mark.filterwarnings("default"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("source") / "images", per_class=100)


@pytest.fixture(scope="module")
def expected(folder, tmp_path_factory):
    """Return what the serial engine makes."""
    output = tmp_path_factory.mktemp("serial") / "out"
    finish(start("generate", folder, output, *OPTIONS, "--backend", "serial"), 0)
    return tree(output)


OPTIONS = ("--copies", "2", "--shard-size", "20", "--hflip", "0.5")


def dies_once(folder: Path, task: int) -> int:
    """End the worker's process, without a word, at the first attempt of each third task."""
    if task % 3 == 0:
        try:
            (folder / str(task)).touch(exist_ok=False)
        except FileExistsError:
            return task
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def dies(task: int) -> int:
    if task == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return task


@pytest.mark.parametrize("backend", CLUSTERS)
def test_the_bytes_are_those_of_the_serial_engine(backend, folder, expected, tmp_path):
    finish(start("generate", folder, tmp_path / "out", *OPTIONS, "--backend", backend, "-j", "2"), 0)
    assert tree(tmp_path / "out") == expected


@pytest.mark.parametrize("backend", CLUSTERS)
def test_a_killed_worker_costs_only_time(backend, tmp_path):
    assert sorted(run_tasks(partial(dies_once, tmp_path), range(7), backend, 2)) == list(range(7))


@pytest.mark.parametrize("backend", CLUSTERS)
def test_a_task_that_kills_every_worker_is_reported(backend):
    with pytest.raises(WorkerError, match=f"Task 2 failed {ATTEMPTS} times"):
        list(run_tasks(dies, range(4), backend, 2))


@pytest.mark.parametrize("backend", CLUSTERS)
def test_an_interrupted_run_ends_with_130_and_goes_on(backend, folder, expected, tmp_path):
    process = start("generate", folder, tmp_path / "out", *OPTIONS, "--backend", backend, "-j", "2")
    _wait_for_records(tmp_path / "out", 2)
    kill_group(process, signal.SIGINT)
    assert "the same command goes on" in finish(process, 130)
    finish(start("generate", folder, tmp_path / "out", *OPTIONS, "--backend", "serial"), 0)
    assert tree(tmp_path / "out") == expected


def _wait_for_records(output: Path, number: int) -> None:
    deadline = time.monotonic() + 60
    while len(list(output.glob(".cutmix_gen/shards/*.json"))) < number:
        assert time.monotonic() < deadline, "no shard was made in a minute"
        time.sleep(0.005)


class _Scheduler:
    """A Dask cluster of processes, as on several machines."""

    def __init__(self) -> None:
        self.processes = [self._started("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")]
        found = None
        while found is None:
            line = self.processes[0].stderr.readline()
            assert line, "the scheduler ended"
            found = re.search(r"Scheduler at:\s+(tcp://\S+)", line)
        self.address = found[1]

    def add_worker(self) -> subprocess.Popen[str]:
        worker = self._started("worker", self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard")
        self.processes.append(worker)
        return worker

    def _started(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "dask", *arguments]
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd="/", start_new_session=True)

    def end(self) -> None:
        for process in reversed(self.processes):
            process.kill()
            process.communicate()


@pytest.fixture
def scheduler():
    scheduler = _Scheduler()
    yield scheduler
    scheduler.end()


def test_a_run_stopped_on_one_machine_goes_on_elsewhere_with_dask(folder, expected, scheduler, tmp_path):
    process = start("generate", folder, tmp_path / "out", *OPTIONS, "--backend", "loky", "-j", "2")
    _wait_for_records(tmp_path / "out", 3)
    kill_group(process, signal.SIGKILL)
    process.communicate()
    done = len(list((tmp_path / "out").glob(".cutmix_gen/shards/*.json")))
    assert done < 45
    scheduler.add_worker()
    there = ("--backend", "dask", "--address", scheduler.address)
    finish(start("generate", folder, tmp_path / "out", *OPTIONS, *there), 0)
    assert tree(tmp_path / "out") == expected


@pytest.mark.parametrize("address", ["nonsense", "tcp://127.0.0.1:{}", "foo://host"])
def test_an_address_where_no_scheduler_answers_ends_soon_with_dask(folder, tmp_path, address):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = address.format(silent.getsockname()[1])
        begun = time.monotonic()
        said = finish(start("generate", folder, tmp_path / "out", "--backend", "dask", "--address", address), 1)
        assert time.monotonic() - begun < 30
    assert f"There must be a Dask scheduler at --address {address}, but it cannot be reached: " in said
    assert "Traceback" not in said


def test_a_run_outlives_a_machine_of_its_cluster(folder, expected, scheduler, tmp_path):
    first, _ = scheduler.add_worker(), scheduler.add_worker()
    there = ("--backend", "dask", "--address", scheduler.address)
    process = start("generate", folder, tmp_path / "out", *OPTIONS, *there)
    _wait_for_records(tmp_path / "out", 2)
    assert process.poll() is None
    first.kill()
    finish(process, 0)
    assert tree(tmp_path / "out") == expected
