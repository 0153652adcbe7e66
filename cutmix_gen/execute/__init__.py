"""Running tasks on an engine: one small interface, an unordered stream of results."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from importlib import import_module
from typing import Protocol, TypeVar

from cutmix_gen.execute.engines import CLUSTERS, ENGINES, usable_cores, workers_for

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
