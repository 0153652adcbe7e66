"""The law of lam: how much of a sample the base is meant to keep."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class LamLaw:
    """The law of lam, the share that the base is meant to keep: Beta(alpha, alpha), as in the papers."""

    alpha: float
    stratified: bool = False
    """Draw one value from each of n equal parts of the law, in random order: the same law with less spread."""

    def draw(self, rng: np.random.Generator, n: int) -> npt.NDArray[np.float64]:
        """Draw n values in [0, 1], shape (n,)."""
        if not self.stratified:
            return rng.beta(self.alpha, self.alpha, n)
        return beta_quantile(self.alpha, (rng.permutation(n) + rng.random(n)) / n)


def beta_quantile(alpha: float, probability: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the quantiles of Beta(alpha, alpha), by numerical integration and interpolation.

    Half of the law is enough, since it is symmetric. The substitution x = q^(1/alpha) / 2 takes away the pole that
    the density has at 0 for alpha below 1. The error in probability is below 1e-5 for alpha from 0.05 to 100.

    Parameters
    ----------
    alpha : float
        Above 0.
    probability : (n,) float64 ndarray
        In [0, 1].

    Returns
    -------
    (n,) float64 ndarray
        In [0, 1].
    """
    power = max(1.0, 1.0 / alpha)
    q = np.linspace(0.0, 1.0, 1 << 14)
    x = 0.5 * q**power
    with np.errstate(divide="ignore", invalid="ignore"):  # at q = 0, set below
        log = (power * alpha - 1.0) * np.log(q) + (alpha - 1.0) * np.log1p(-x)
    log[0] = 0.0 if power * alpha == 1.0 else -np.inf
    density = np.exp(log - log.max())
    mass = np.concatenate(([0.0], np.cumsum((density[1:] + density[:-1]) / 2)))
    low = np.interp(np.minimum(probability, 1.0 - probability), 0.5 * mass / mass[-1], x)
    return np.where(probability < 0.5, low, 1.0 - low)
