"""What the engines for clusters have in common: tasks in flight, tasks tried again, results as they come."""

from __future__ import annotations

import logging
import re
import socket
import time
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, Generic, TypeVar

from cutmix_gen.errors import CutMixGenError, MachineError, WorkerError
from cutmix_gen.execute.engines import CLUSTERS
from cutmix_gen.storage import hide_passwords
from cutmix_gen.version import __version__, library_versions

Result = TypeVar("Result")

_log = logging.getLogger(__name__)

ATTEMPTS = 4
"""How often a task is tried before the run gives up."""
_QUEUED = 2
"""Tasks that wait at the cluster for each core, so that none is idle between two."""
_PATIENCE = 300.0
"""Seconds that a cluster may have no worker at all: a scheduler of jobs may be bringing new ones."""
CONNECT = 10.0
"""Seconds that the head of a cluster may take to answer."""
_HOST_AND_PORT = re.compile(r"([a-z]+://)?(\[(?P<v6>[\w:.%]+)\]|(?P<host>[\w.-]+)):(?P<port>\d{1,5})/?", re.ASCII)
_LOOK = 5.0
"""Seconds between two looks at the size of the cluster."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Result]):
    """What became of a task."""

    result: Result | None = None
    error: CutMixGenError | None = None
    """It would end like this everywhere."""
    failure: str = ""
    """Another worker may have more luck with it."""


class Cluster(ABC):
    """Workers somewhere, for as long as it is open."""

    where: str
    """For messages."""

    @abstractmethod
    def cores(self) -> int:
        """Return how many tasks the workers of this moment can do at a time."""

    @abstractmethod
    def submit(self, attempt: Callable[[int], Outcome[Result]], task: int) -> Future[Outcome[Result]]:
        """Have a task done. The future fails if the worker dies; the engine need not try again by itself."""

    @abstractmethod
    def close(self) -> None:
        """Give up what is not done, and leave the cluster, or end it if it was started here."""


def run_on(
    cluster: Cluster, function: Callable[[int], Result], tasks: Sequence[int], jobs: int | None
) -> Iterator[Result]:
    """Run tasks on a cluster as `run_tasks` describes, and close it."""
    try:
        yield from _Flight(cluster, function, tasks, jobs).results()
    finally:
        cluster.close()


def engine_module(backend: str) -> Any:
    """Import the package that an engine needs.

    Raises
    ------
    WorkerError
        If it is not installed.
    """
    try:
        return import_module(CLUSTERS[backend])
    except ImportError as error:
        raise WorkerError(
            f"--backend {backend} needs a package that is not installed ({error}). "
            f'Give: pip install "cutmix-gen[{backend}]"'
        ) from error


def check_reachable(address: str, what: str) -> None:
    """Raise `WorkerError` if nothing listens at HOST:PORT of an address: engines would try for minutes.

    An address of another form (`auto`, `yarn`) is the engine's to understand.
    """
    found = _HOST_AND_PORT.fullmatch(address)
    if not found:
        return
    try:
        socket.create_connection((found["v6"] or found["host"], int(found["port"])), CONNECT).close()
    except (OSError, ValueError, OverflowError) as error:  # a name or a port that nothing can have
        raise unreachable(address, what, error) from error


def unreachable(address: str, what: str, error: BaseException) -> WorkerError:
    """Return the error that says so, without what may be secret in the words of a library."""
    reason = hide_passwords(str(error).partition("\n")[0]).rstrip(". ") or type(error).__name__
    return WorkerError(f"There must be {what} at --address {address}, but it cannot be reached: {reason}.")


class Attempt(Generic[Result]):
    """What travels to a worker: the function, and the libraries whose releases decide about the bytes."""

    def __init__(self, function: Callable[[int], Result]) -> None:
        self._function = function
        self._versions = _versions()

    def __call__(self, task: int) -> Outcome[Result]:
        """Do a task; its error is a value, since each engine dresses up exceptions in its own way."""
        try:
            self._check_versions()
            return Outcome(self._function(task))
        except MachineError as error:
            return Outcome(failure=f"on {socket.gethostname()}: {error}")
        except CutMixGenError as error:
            return Outcome(error=type(error)(str(error)))
        except Exception as error:
            _log.debug("task %d failed", task, exc_info=True)
            return Outcome(failure=f"{type(error).__name__} on {socket.gethostname()}: {error}")

    def _check_versions(self) -> None:
        here = _versions()
        if here != self._versions:
            names = sorted(here.keys() | self._versions.keys())
            differ = [
                f"{name} {here.get(name, 'none')} there, {self._versions.get(name, 'none')} here"
                for name in names
                if here.get(name) != self._versions.get(name)
            ]
            raise WorkerError(
                f"The worker on {socket.gethostname()} would make other bytes: {', '.join(differ)}. "
                "Install the same releases on all machines."
            )


@cache
def _versions() -> dict[str, str]:
    return {"cutmix-gen": __version__, **library_versions()}


class _Flight(Generic[Result]):
    """The tasks of one run on their way."""

    def __init__(
        self, cluster: Cluster, function: Callable[[int], Result], tasks: Sequence[int], jobs: int | None
    ) -> None:
        self._cluster = cluster
        self._attempt = Attempt(function)
        self._waiting = deque(tasks)
        self._jobs = jobs
        self._tried: Counter[int] = Counter()
        self._flying: dict[Future[Outcome[Result]], int] = {}
        self._room = 0
        self._looked = self._saw_workers = time.monotonic()

    def results(self) -> Iterator[Result]:
        self._look()
        while self._waiting or self._flying:
            while self._waiting and len(self._flying) < max(self._room, 1):
                self._launch(self._waiting.popleft())
            done, _ = wait(self._flying, _LOOK, FIRST_COMPLETED)
            for future in done:
                outcome = self._landed(future, self._flying.pop(future))
                if outcome is not None:
                    yield outcome.result  # type: ignore[misc]  # a result may well be None
            if time.monotonic() - self._looked > _LOOK:
                self._look()

    def _look(self) -> None:
        """Note how large the cluster is now: workers come and go.

        Raises
        ------
        WorkerError
            If it has had none for a long time.
        """
        cores = self._cluster.cores()
        self._looked = time.monotonic()
        self._room = _QUEUED * cores if self._jobs is None else self._jobs
        if cores:
            self._saw_workers = self._looked
        elif self._looked - self._saw_workers > _PATIENCE:
            raise WorkerError(
                f"{self._cluster.where} has had no worker for {_PATIENCE:.0f} s, with {self._left} tasks still to do. "
                "What is committed stays; start workers and give the same command again."
            )

    @property
    def _left(self) -> int:
        return len(self._waiting) + len(self._flying)

    def _launch(self, task: int) -> None:
        self._tried[task] += 1
        self._flying[self._cluster.submit(self._attempt, task)] = task

    def _landed(self, future: Future[Outcome[Result]], task: int) -> Outcome[Result] | None:
        """Return the outcome of a task, or None if it has to be tried again: after the others, likely elsewhere.

        Raises
        ------
        CutMixGenError
            If it would fail everywhere, or has failed often enough.
        """
        outcome = _outcome(future)
        if outcome.error is not None:
            raise outcome.error
        if not outcome.failure:
            return outcome
        if self._tried[task] == ATTEMPTS:
            raise WorkerError(
                f"Task {task} failed {ATTEMPTS} times on {self._cluster.where}, the last time with: {outcome.failure}. "
                f"{self._left + 1} tasks are still to do; what is committed stays, and the same command goes on."
            )
        _log.warning("Task %d failed and is tried again: %s", task, outcome.failure)
        self._waiting.append(task)
        return None


def _outcome(future: Future[Outcome[Result]]) -> Outcome[Result]:
    """Return what a future came to; of what an engine says about a lost worker, the first lines are enough."""
    if future.cancelled():
        return Outcome(failure="its worker was lost")
    error = future.exception()
    if error is None:
        return future.result()
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return Outcome(failure=f"{type(error).__name__}: {' '.join(lines[:2])[:300]}")
