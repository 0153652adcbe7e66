from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import settings

# The same examples every time: what fails here fails everywhere, and no folder of past examples is left behind.
settings.register_profile("same", max_examples=60, deadline=None, derandomize=True, database=None)
settings.load_profile("same")

_Z = 4.75
"""Quantile of the normal distribution that one of a million uniform counts passes."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="do what the nightly run does: a hundred kills for a handful")


@pytest.fixture(scope="session")
def slow(request: pytest.FixtureRequest) -> bool:
    """Tell whether this is the nightly run."""
    return bool(request.config.getoption("--slow"))


@pytest.fixture(scope="session")
def looks_uniform() -> Callable[[npt.ArrayLike], bool]:
    """Pearson's chi-square test of counts that should all be alike, with the limit of Wilson and Hilferty (1931)."""

    def check(counts: npt.ArrayLike) -> bool:
        found = np.asarray(counts, float)
        chi_square = ((found - found.mean()) ** 2 / found.mean()).sum()
        freedom = found.size - 1
        spread = 2 / (9 * freedom)
        return bool(chi_square < freedom * (1 - spread + _Z * spread**0.5) ** 3)

    return check
