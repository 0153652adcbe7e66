"""The engines of one machine: this process, or joblib's workers."""

from __future__ import annotations

import logging
import os
import signal
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import resource_tracker as mp_resource_tracker
from threading import Thread
from typing import Any, TypeVar

from cutmix_gen.errors import WorkerError
from cutmix_gen.execute.engines import workers_for
from cutmix_gen.execute.memory import keep_memory
from cutmix_gen.machine import check_room, lack_of

Result = TypeVar("Result")

_ATTEMPTS = 3
"""How often the tasks of dead workers are tried again before the run gives up."""
_STARTING = 64 << 20
"""Bytes that the threads which speak to workers take."""
_FILES, _FILES_A_WORKER = 16, 2
"""Pipes to workers."""
_LOOK = 0.5
"""Seconds between two looks of a worker whether its parent is still there."""


def run(
    function: Callable[[int], Result], tasks: Sequence[int], backend: str, jobs: int | None, _address: str
) -> Iterator[Result]:
    """Run tasks as `run_tasks` describes."""
    workers = 1 if backend == "serial" or jobs == 1 or len(tasks) <= 1 else workers_for(tasks, jobs)
    if workers == 1:
        yield from map(function, tasks)
        return
    from joblib.externals.loky.process_executor import BrokenProcessPool  # noqa: PLC0415  see usable_cores

    done: set[int] = set()
    begun: set[int] = set()
    attempts = 0
    while len(done) < len(tasks):
        # A task that kills its worker is among those that were begun: it comes after all that others can do.
        remaining = sorted((task for task in tasks if task not in done), key=lambda task: task in begun)
        try:
            with _parallel(function, _noting(remaining, begun), backend, workers) as results:
                for task, result in results:
                    done.add(task)
                    attempts = 0
                    yield result
        except BrokenProcessPool as error:
            lack = lack_of(error)
            if lack is not None:
                raise lack from error
            attempts += 1
            if attempts == _ATTEMPTS:
                raise WorkerError(
                    f"A worker process died {_ATTEMPTS} times in a row (out of memory?) with {len(remaining)} tasks "
                    "still to do. What is committed stays; go on with the same command and fewer --jobs."
                ) from error


def _noting(tasks: Sequence[int], begun: set[int]) -> Iterator[int]:
    for task in tasks:
        begun.add(task)
        yield task


@contextmanager
def _parallel(
    function: Callable[[int], Result], tasks: Iterable[int], backend: str, jobs: int
) -> Iterator[Iterator[tuple[int, Result]]]:
    """Give a stream of results, and close it at the end or at Ctrl-C, however soon that comes.

    joblib's warning of tasks that are cut short says nothing new then.
    """
    from joblib import Parallel, delayed  # noqa: PLC0415  see usable_cores

    check_room(_STARTING, _FILES + _FILES_A_WORKER * jobs)  # a thread of joblib's that cannot go on says it to nobody
    prepared: dict[str, Any] = {}
    if backend == "loky":
        prepared = {"initializer": _prepare_worker, "initargs": (os.getpid(), function)}
    parallel = Parallel(n_jobs=jobs, backend=backend, return_as="generator_unordered", batch_size=1, **prepared)
    results: Generator[tuple[int, Result], None, None] | None = None
    try:
        with _signals_for_parent():
            results = parallel(delayed(_call)(function, task) for task in tasks)
        yield results
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            if results is not None:
                results.close()


@contextmanager
def _signals_for_parent() -> Iterator[None]:
    """Leave it to this process to stop, from the first moment of the workers that are started meanwhile.

    What is blocked stays so in a new process; here it is only put off. The trackers of loky and multiprocessing are
    started between the two, since whoever starts them unblocks SIGINT and SIGTERM.
    """
    from joblib.externals.loky.backend import resource_tracker  # noqa: PLC0415  see usable_cores

    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that the last one was killed
            mp_resource_tracker.ensure_running()
            resource_tracker.ensure_running()
        _do_without(resource_tracker._resource_tracker)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _do_without(tracker: Any) -> None:
    """Replace joblib's tracker by none if it is killed: another one would report all that it does not know of.

    It tidies up what a killed process leaves of joblib's; a process that ends by itself does so without it.
    """

    def launch() -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        if tracker._fd is None:
            tracker._fd = nowhere
        else:
            os.dup2(nowhere, tracker._fd, inheritable=False)
            os.close(nowhere)

    tracker._teardown_dead_process = lambda: None
    tracker._launch = launch


def _call(function: Callable[[int], Result], task: int) -> tuple[int, Result]:
    return task, function(task)


def _prepare_worker(parent: int, _function: object) -> None:
    """Set a worker up; its function is given so that it is imported by now.

    It ends when its parent does. Arrow gets one thread. It keeps the memory that it has.
    """
    Thread(target=_end_with, args=(parent,), daemon=True).start()
    import pyarrow as pa  # noqa: PLC0415  see usable_cores

    pa.set_cpu_count(1)
    logging.getLogger("PIL").setLevel(logging.CRITICAL)  # what is wrong with an image is said once, as its skip
    keep_memory()


def _end_with(parent: int) -> None:
    """End this process when its parent was killed: nobody would take what it makes, and another run may begin."""
    while os.getppid() == parent:
        time.sleep(_LOOK)
    os._exit(1)
