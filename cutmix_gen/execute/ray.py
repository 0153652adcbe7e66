"""Tasks on Ray: a cluster that runs already, or worker processes on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from cutmix_gen.errors import WorkerError
from cutmix_gen.execute.cluster import Cluster, Outcome, check_reachable, engine_module, run_on, unreachable
from cutmix_gen.execute.engines import workers_for

Result = TypeVar("Result")


def run(
    function: Callable[[int], Result], tasks: Sequence[int], _backend: str, jobs: int | None, address: str
) -> Iterator[Result]:
    """Run tasks as `run_tasks` describes; the address is `auto` or that of a head node, e.g. ray://10.0.0.1:10001."""
    return run_on(_Ray(workers_for(tasks, jobs), address), function, tasks, jobs if address else None)


class _Ray(Cluster):
    def __init__(self, workers: int, address: str) -> None:
        self._ray = engine_module("ray")
        check_reachable(address, "the head of a Ray cluster")
        self.where = f"the Ray cluster at {address}" if address else "the Ray workers of this machine"
        settings: dict[str, Any] = {"address": address or "local", "log_to_driver": False, "logging_level": "ERROR"}
        if not address:
            # What is of this machine alone listens to no other.
            own = {"num_cpus": workers, "include_dashboard": False, "_node_ip_address": "127.0.0.1"}
            settings |= own
        try:
            self._ray.init(**settings)
        except Exception as error:  # an address of any form
            if not address:
                raise WorkerError(f"Ray could not be started: {type(error).__name__}: {error}") from error
            raise unreachable(address, "a Ray cluster", error) from error
        # Tried again by this program, as with any other engine: no more often, and counted.
        self._remote = self._ray.remote(_call).options(max_retries=0, scheduling_strategy="SPREAD")

    def cores(self) -> int:
        return int(self._ray.cluster_resources().get("CPU", 0))

    def submit(self, attempt: Callable[[int], Outcome[Result]], task: int) -> Future[Outcome[Result]]:
        future: Future[Outcome[Result]] = self._remote.remote(attempt, task).future()
        return future

    def close(self) -> None:
        self._ray.shutdown()


def _call(attempt: Callable[[int], Outcome[Result]], task: int) -> Outcome[Result]:
    return attempt(task)
