"""Running tasks on an engine: one small interface, an unordered stream of results."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from importlib import import_module
from typing import Protocol, TypeVar

from cutmix_gen.errors import UsageError
from cutmix_gen.text import brief

__all__ = [
    "CLUSTERS",
    "ENGINES",
    "TaskProgress",
    "check_installed",
    "run_counted",
    "run_tasks",
    "usable_cores",
    "workers_for",
]

Result = TypeVar("Result")

_OF_JOBLIB = ("JOBLIB_", "LOKY_")
"""How its variables of the environment begin."""

ENGINES = {
    "serial": "local",
    "loky": "local",
    "threading": "local",
    "dask": "dask",
    "ray": "ray",
    "spark": "spark",
}
"""Every engine: the module of this package that runs it, imported when it is used."""
CLUSTERS = {"dask": "distributed", "ray": "ray", "spark": "pyspark"}
"""Those that have an address, and the package that each of them needs."""


def usable_cores() -> int:
    """Return how many cores this process may use, by its affinity and its container's limits."""
    with _joblib_in_words():
        # Imported here: starting the program to print its help or a set's facts takes no engine.
        from joblib import cpu_count  # noqa: PLC0415

        return int(cpu_count())


@contextmanager
def _joblib_in_words() -> Iterator[None]:
    """Say of an error that joblib stumbles into which of its settings the environment has: nobody else knows of them.

    Raises
    ------
    UsageError
        If there are any.
    """
    try:
        yield
    except (ValueError, ImportError) as error:
        given = [f"{name}={brief(value)}" for name, value in os.environ.items() if name.startswith(_OF_JOBLIB)]
        if not given:
            raise
        raise UsageError(
            f"The environment has settings that joblib, which runs the workers, cannot take ({brief(str(error))}): "
            f"{', '.join(given)}. Give what its documentation says, or unset them."
        ) from error


def workers_for(tasks: Sequence[int], jobs: int | None) -> int:
    """Return how many workers to start for some tasks, where so many are asked for: never more than there are tasks."""
    cores = usable_cores()  # in any case: what joblib cannot take in the environment shows here
    return max(1, min(jobs or cores, len(tasks)))


def check_installed(backend: str) -> None:
    """Raise `WorkerError` if an engine is not installed: better before anything is written than after."""
    if backend in CLUSTERS:
        import_module(f"{__name__}.cluster").engine_module(backend)


def run_tasks(
    function: Callable[[int], Result], tasks: Sequence[int], backend: str, jobs: int | None = None, address: str = ""
) -> Generator[Result, None, None]:
    """Call a function with each task number, and give the results as they come, in no order.

    Whoever does not take all of them closes what it was given: then no worker is left at work.

    A worker that dies (killed for its memory, say, or with its machine) costs only time: its tasks are given to
    other workers.

    Parameters
    ----------
    function : callable
        Importable by the workers, or a `functools.partial` of such a one; small, since it travels to them.
    tasks : sequence of int
    backend : str
        One of `ENGINES`.
    jobs : int, optional
        Workers, by default as many as there are cores; of a cluster that runs already, how many tasks it is given at
        a time, by default as many as it has cores.
    address : str
        Of a cluster that runs already, where the engine is for clusters; else one is started on this machine.

    Raises
    ------
    WorkerError
        If workers keep dying, or the engine is not installed.
    """
    engine = import_module(f"{__name__}.{ENGINES[backend]}")
    results: Generator[Result, None, None] = engine.run(function, tasks, backend, jobs, address)
    return results


class TaskProgress(Protocol):
    """Who wants to know how many tasks are done."""

    def start(self, total: int) -> None:
        """Take note of how many there are."""

    def advance(self, count: int) -> None:
        """Take note that so many more are done."""


def run_counted(
    function: Callable[[int], Result], tasks: Sequence[int], jobs: int | None, progress: TaskProgress | None
) -> Iterator[Result]:
    """Call a function with each task number in processes of this machine, telling how many are done."""
    if progress:
        progress.start(len(tasks))
    with closing(run_tasks(function, tasks, "loky", jobs)) as results:
        for result in results:
            if progress:
                progress.advance(1)
            yield result
