"""The engines of one machine: this process, or joblib's workers."""

from __future__ import annotations

import logging
import signal
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

from cutmix_gen.errors import WorkerError
from cutmix_gen.execute import usable_cores
from cutmix_gen.execute.memory import keep_memory

Result = TypeVar("Result")

_ATTEMPTS = 3
"""How often the tasks of dead workers are tried again before the run gives up."""


def run(
    function: Callable[[int], Result], tasks: Sequence[int], backend: str, jobs: int | None, _address: str
) -> Iterator[Result]:
    """Run tasks as `run_tasks` describes."""
    jobs = jobs or usable_cores()
    if backend == "serial" or jobs == 1 or len(tasks) <= 1:
        yield from map(function, tasks)
        return
    from joblib.externals.loky.process_executor import TerminatedWorkerError  # noqa: PLC0415  see usable_cores

    done: set[int] = set()
    attempts = 0
    while len(done) < len(tasks):
        remaining = [task for task in tasks if task not in done]
        try:
            with _closing(_parallel(function, remaining, backend, jobs)) as results:
                for task, result in results:
                    done.add(task)
                    attempts = 0
                    yield result
        except TerminatedWorkerError as error:
            attempts += 1
            if attempts == _ATTEMPTS:
                raise WorkerError(
                    f"A worker process died {_ATTEMPTS} times in a row (out of memory?) with {len(remaining)} tasks "
                    "still to do. What is committed stays; go on with the same command and fewer --jobs."
                ) from error


def _parallel(
    function: Callable[[int], Result], tasks: list[int], backend: str, jobs: int
) -> Generator[tuple[int, Result], None, None]:
    from joblib import Parallel, delayed  # noqa: PLC0415  see usable_cores

    parallel = Parallel(n_jobs=jobs, backend=backend, return_as="generator_unordered", batch_size=1)
    results: Generator[tuple[int, Result], None, None] = parallel(
        delayed(_call)(function, task, backend == "loky") for task in tasks
    )
    return results


@contextmanager
def _closing(results: Generator[Result, None, None]) -> Iterator[Generator[Result, None, None]]:
    """Close a stream of results at the end; joblib's warning of tasks that are cut short says nothing new then."""
    try:
        yield results
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            results.close()


def _call(function: Callable[[int], Result], task: int, own_process: bool) -> tuple[int, Result]:
    _prepare_worker(own_process)
    return task, function(task)


@cache
def _prepare_worker(own_process: bool) -> None:
    """Set a worker up at its first task.

    Arrow gets one thread. A process of our own leaves Ctrl-C to its parent, and keeps the memory that it has.
    """
    if own_process:
        import pyarrow as pa  # noqa: PLC0415  see usable_cores

        pa.set_cpu_count(1)
        logging.getLogger("PIL").setLevel(logging.CRITICAL)  # what is wrong with an image is said once, as its skip
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        keep_memory()
