from __future__ import annotations

import logging
import os
import re
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner

from cutmix_gen import GenerateConfig
from cutmix_gen.cli import main
from cutmix_gen.errors import SetError, UsageError, WorkerError
from cutmix_gen.execute import cluster, run_tasks
from cutmix_gen.execute.cluster import ATTEMPTS, Attempt, Cluster, check_reachable, run_on, unreachable
from cutmix_gen.execute.engines import CLUSTERS


class Threads(Cluster):
    """A cluster of threads, whose workers can be made to die."""

    where = "the threads"

    def __init__(self, cores: int = 2, deaths: dict[int, int] | None = None) -> None:
        self.closed = False
        self.flying = self.most = 0
        self._cores = cores
        self._deaths = deaths or {}
        self._pool = ThreadPoolExecutor(64)

    def cores(self) -> int:
        return self._cores

    def submit(self, attempt, task):
        if self._deaths.get(task, 0):
            self._deaths[task] -= 1
            lost: Future = Future()
            lost.set_exception(RuntimeError("the worker died\nat one.py\nat two.py\nat three.py"))
            return lost
        self.flying += 1
        self.most = max(self.most, self.flying)
        future = self._pool.submit(attempt, task)
        future.add_done_callback(self._landed)
        return future

    def _landed(self, _future) -> None:
        self.flying -= 1

    def close(self) -> None:
        self.closed = True
        self._pool.shutdown()


def test_every_task_gives_its_result_once():
    workers = Threads()
    assert sorted(run_on(workers, abs, range(-300, 0), None)) == list(range(1, 301))
    assert workers.closed


def test_a_bounded_number_of_tasks_is_in_flight():
    few, asked = Threads(cores=3), Threads(cores=3)
    list(run_on(few, abs, range(200), None))
    list(run_on(asked, abs, range(200), 4))
    assert few.most <= 6
    assert asked.most <= 4


def test_a_task_whose_worker_dies_is_tried_again(caplog):
    deaths = {3: ATTEMPTS - 1, 5: 1}
    assert sorted(run_on(Threads(deaths=deaths), abs, range(8), None)) == list(range(8))
    assert caplog.text.count("is tried again: RuntimeError: the worker died at one.py") == ATTEMPTS
    assert "two.py" not in caplog.text


def test_a_task_that_always_dies_is_reported_with_its_number_and_reason():
    workers = Threads(deaths={3: ATTEMPTS})
    with pytest.raises(WorkerError, match=rf"Task 3 failed {ATTEMPTS} times on the threads.*the worker died"):
        list(run_on(workers, abs, range(8), None))
    assert workers.closed


def test_an_error_of_a_machine_is_tried_again_on_another(tmp_path):
    def works_the_second_time(task: int) -> int:
        try:
            (tmp_path / str(task)).touch(exist_ok=False)
        except FileExistsError:
            return task
        raise OSError("no space left on device")

    assert sorted(run_on(Threads(), works_the_second_time, range(4), None)) == list(range(4))


def test_an_error_that_would_come_everywhere_is_raised_at_once():
    tried = []

    def fails(task: int) -> None:
        tried.append(task)
        raise SetError(f"the set is damaged at {task}")

    with pytest.raises(SetError, match="the set is damaged at 0"):
        list(run_on(Threads(), fails, [0], None))
    assert tried == [0]


def test_a_cluster_that_stays_empty_is_an_error_and_no_endless_wait(monkeypatch):
    class Nowhere(Threads):
        def submit(self, _attempt, _task):
            return Future()

    monkeypatch.setattr(cluster, "_LOOK", 0.05)
    monkeypatch.setattr(cluster, "_PATIENCE", 0.2)
    with pytest.raises(WorkerError, match=r"has had no worker for .* with 5 tasks still to do"):
        list(run_on(Nowhere(cores=0), abs, range(5), None))


def test_a_reader_that_stops_early_closes_the_cluster():
    workers = Threads()
    results = run_on(workers, abs, range(100), None)
    next(results)
    results.close()
    assert workers.closed


def test_a_worker_with_other_libraries_refuses(monkeypatch):
    attempt = Attempt(abs)
    here = dict(cluster._versions())
    monkeypatch.setattr(cluster, "_versions", lambda: here | {"pillow": "1.0"})
    outcome = attempt(1)
    assert isinstance(outcome.error, WorkerError)
    assert f"pillow 1.0 there, {here['pillow']} here" in str(outcome.error)


@pytest.mark.parametrize(("backend", "package"), [("dask", "distributed"), ("ray", "ray"), ("spark", "pyspark")])
def test_a_missing_extra_is_named_with_its_command(monkeypatch, backend, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(WorkerError, match=rf'pip install "cutmix-gen\[{backend}\]"'):
        list(run_tasks(abs, [1, 2], backend))


def test_every_engine_for_clusters_has_an_extra_of_its_name():
    pyproject = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    for name in CLUSTERS:
        assert f"\n{name} = [" in pyproject


@pytest.mark.parametrize("backend", ["serial", "loky", "threading"])
def test_an_address_is_refused_where_there_is_no_cluster(tmp_path, backend):
    with pytest.raises(UsageError, match="--address names a cluster"):
        GenerateConfig(source=tmp_path, output=tmp_path / "out", backend=backend, address="tcp://127.0.0.1:1")


@pytest.mark.parametrize(
    ("backend", "address"), [("dask", "tcp://127.0.0.1:9"), ("ray", "127.0.0.1:9"), ("spark", "spark://127.0.0.1:9")]
)
def test_an_address_where_nothing_listens_is_an_error_at_once(monkeypatch, backend, address):
    monkeypatch.setitem(
        sys.modules, {"dask": "distributed", "spark": "pyspark"}.get(backend, backend), ModuleType("any")
    )
    with pytest.raises(WorkerError, match=rf"at --address {address}, but it cannot be reached"):
        list(run_tasks(abs, [1, 2], backend, address=address))


@pytest.mark.parametrize("address", ["tcp://[::1]:9", "foo://127.0.0.1:9/", "127.0.0.1:99999", "tcp://a..b:1"])
def test_an_address_that_nothing_can_have_is_an_error_at_once(address):
    with pytest.raises(WorkerError, match=f"at --address {re.escape(address)}, but it cannot be reached: "):
        check_reachable(address, "anything")


@pytest.mark.parametrize("backend", CLUSTERS)
@pytest.mark.parametrize("form", ["tcp://{}@127.0.0.1:9", "ray://{}@host:1", "spark://{}@a:7077,b:7077", "{}@host"])
def test_an_address_has_no_password_and_none_is_said(tmp_path, backend, form):
    address = form.format("someone:Top/Secret")
    result = CliRunner().invoke(main, ["generate", str(tmp_path), "out", "--backend", backend, "--address", address])
    assert result.exit_code == 2
    assert "--address takes no user and no password" in result.output
    assert "Secret" not in result.output
    assert "someone" not in result.output


def test_what_an_engine_says_of_an_address_has_no_password():
    error = unreachable("host", "a cluster", OSError("tcp://someone:Top/Secret@host:1 is\nnot there"))
    assert str(error) == "There must be a cluster at --address host, but it cannot be reached: tcp://...@host:1 is."


@pytest.mark.parametrize("address", ["", "auto", "yarn", "local[2]", "spark://one:7077,two:7077"])
def test_an_address_of_another_form_is_left_to_the_engine(address):
    check_reachable(address, "anything")


def test_what_is_logged_of_a_lost_worker_is_one_line(caplog):
    with caplog.at_level(logging.WARNING):
        list(run_on(Threads(deaths={0: 1}), abs, [0], None))
    assert [record.getMessage().count("\n") for record in caplog.records] == [0]
    assert os.linesep not in caplog.records[0].getMessage()
