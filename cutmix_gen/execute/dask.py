"""Tasks on Dask: a cluster that runs already, or worker processes on this machine."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from cutmix_gen.execute.cluster import CONNECT, Cluster, Outcome, check_reachable, engine_module, run_on, unreachable
from cutmix_gen.execute.engines import workers_for

Result = TypeVar("Result")

_WHAT = "a Dask scheduler"


def run(
    function: Callable[[int], Result], tasks: Sequence[int], _backend: str, jobs: int | None, address: str
) -> Iterator[Result]:
    """Run tasks as `run_tasks` describes; the address is that of a scheduler, e.g. tcp://10.0.0.1:8786."""
    return run_on(_Dask(workers_for(tasks, jobs), address), function, tasks, jobs if address else None)


class _Dask(Cluster):
    def __init__(self, workers: int, address: str) -> None:
        distributed = engine_module("dask")
        logging.getLogger("distributed").setLevel(logging.ERROR)  # it tells of every connection that closes
        if address:
            check_reachable(address, _WHAT)
            _check_answers(address)
        self._own: Any = None
        if not address:
            self._own = distributed.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                dashboard_address=None,
                silence_logs=logging.ERROR,
            )
        self.where = f"the Dask cluster at {address}" if address else "the Dask workers of this machine"
        self._client = distributed.Client(address or self._own, set_as_default=False)
        self._executor = self._client.get_executor(retries=0, pure=False)

    def cores(self) -> int:
        return sum(self._client.nthreads().values())

    def submit(self, attempt: Callable[[int], Outcome[Result]], task: int) -> Future[Outcome[Result]]:
        future: Future[Outcome[Result]] = self._executor.submit(attempt, task)
        return future

    def close(self) -> None:
        self._executor.shutdown(wait=False)
        self._client.close()
        if self._own is not None:
            self._own.close()


def _check_answers(address: str) -> None:
    """Raise `WorkerError` unless a scheduler answers: a client that finds none takes a minute to end."""
    distributed = engine_module("dask")

    async def ask() -> None:
        arguments = distributed.Security().get_connection_args("client")
        async with distributed.rpc(address, timeout=CONNECT, connection_args=arguments) as scheduler:
            await asyncio.wait_for(scheduler.identity(), CONNECT)

    try:
        with ThreadPoolExecutor(1) as apart:  # a notebook has a loop of its own in this thread
            apart.submit(asyncio.run, ask()).result()
    except Exception as error:  # an address of any form, and whatever listens there
        raise unreachable(address, _WHAT, error) from error
