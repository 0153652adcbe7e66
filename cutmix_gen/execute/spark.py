"""Tasks on Spark: a cluster that runs already, or worker processes on this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from cutmix_gen.errors import WorkerError
from cutmix_gen.execute.cluster import Cluster, Outcome, check_reachable, engine_module, run_on
from cutmix_gen.execute.engines import workers_for
from cutmix_gen.storage import hide_passwords

Result = TypeVar("Result")

_THREADS = 1000
"""Jobs that wait at the cluster at a time at most."""


def run(
    function: Callable[[int], Result], tasks: Sequence[int], _backend: str, jobs: int | None, address: str
) -> Iterator[Result]:
    """Run tasks as `run_tasks` describes; the address is a master, e.g. spark://10.0.0.1:7077 or yarn."""
    return run_on(_Spark(workers_for(tasks, jobs), address), function, tasks, jobs if address else None)


class _Spark(Cluster):
    """Each task is a Spark job of one partition, and many jobs run at a time.

    An RDD of all tasks would hand out its partitions one after another (`toLocalIterator` runs a job for each, and
    starts the next one when asked for it) or all at the end (`collect`).
    """

    def __init__(self, workers: int, address: str) -> None:
        pyspark = engine_module("spark")
        check_reachable(address, "a Spark master")
        self.where = f"the Spark cluster at {address}" if address else "the Spark workers of this machine"
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        if not address:
            os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")  # what is of this machine alone listens to no other
        settings = {
            "spark.master": address or f"local[{workers}]",
            "spark.app.name": "cutmix-gen",
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.log.level": "ERROR",
            "spark.scheduler.mode": "FAIR",
        }
        self._is_own = pyspark.SparkContext._active_spark_context is None
        try:
            self._context = pyspark.SparkContext.getOrCreate(pyspark.SparkConf().setAll(list(settings.items())))
        except Exception as error:
            reason = hide_passwords((str(error).strip().splitlines() or [""])[0])
            raise WorkerError(
                f"Spark could not be started ({type(error).__name__}: {reason}). It needs Java 17 or newer and, with "
                f"--address, a Spark master there."
            ) from error
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="spark-job")

    def cores(self) -> int:
        return int(self._context.defaultParallelism)

    def submit(self, attempt: Callable[[int], Outcome[Result]], task: int) -> Future[Outcome[Result]]:
        return self._threads.submit(self._job, attempt, task)

    def _job(self, attempt: Callable[[int], Outcome[Result]], task: int) -> Outcome[Result]:
        rows: Any = self._context.parallelize([task], 1).map(attempt).collect()
        outcome: Outcome[Result] = rows[0]
        return outcome

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._context.cancelAllJobs() if not self._is_own else self._context.stop()
