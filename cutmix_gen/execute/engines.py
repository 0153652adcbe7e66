"""The engines that run tasks, by name."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from cutmix_gen.errors import UsageError
from cutmix_gen.text import brief

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
