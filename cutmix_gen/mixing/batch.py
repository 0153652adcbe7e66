"""CutMix of a batch in memory, for those who mix while they train."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from cutmix_gen.errors import UsageError
from cutmix_gen.mixing.labels import soft_labels
from cutmix_gen.mixing.pairing import Census, Members, RandomPairing
from cutmix_gen.mixing.redraws import Rounds
from cutmix_gen.mixing.strategies import LamLaw
from cutmix_gen.mixing.strategies.cutmix import CutMix, CutMixParams
from cutmix_gen.shapes import Size

_TRIES = 64
"""How often a wasted box is drawn again before one over the middle serves."""
_TOLERANCE = 1e-3
"""How far the shares of a soft label may sum from 1: half precision has steps of that size."""


def cutmix(  # noqa: PLR0913  the arguments are a fixed contract
    images: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    num_classes: int,
    alpha: float = 1.0,
    rng: np.random.Generator,
    data_format: str = "NHWC",
) -> tuple[npt.NDArray[Any], npt.NDArray[np.float32]]:
    """Mix each image of a batch with another one of it, each with a box of its own (Yun et al., ICCV 2019).

    Parameters
    ----------
    images : (N, H, W), (N, H, W, C) or (N, C, H, W) array_like
        Of any dtype; at least two images of at least 2 pixels.
    labels : (N,) integer or (N, C) float array_like
        Classes, or soft labels whose rows sum to 1.
    num_classes : int
        C, the length of a soft label.
    alpha : float
        The share of the base is drawn from Beta(alpha, alpha).
    rng : numpy.random.Generator
        Where the draws come from.
    data_format : str
        `NHWC` or `NCHW`; without a channel axis both mean (N, H, W).

    Returns
    -------
    mixed : ndarray
        Of the shape and dtype of `images`, which is left as it is.
    soft : (N, C) float32 ndarray
        The label of each source weighted by the share of the pixels that it owns; each row sums to 1.

    Raises
    ------
    UsageError
        If shapes, labels or options do not fit.

    Examples
    --------
    >>> images = np.zeros((4, 8, 8), np.uint8)
    >>> mixed, soft = cutmix(images, [0, 1, 2, 2], num_classes=3, rng=np.random.default_rng(0))
    >>> mixed.shape, soft.sum(axis=1)
    ((4, 8, 8), array([1., 1., 1., 1.], dtype=float32))
    """
    batch, given = _array("images", images), _array("labels", labels)
    size = _size_of(batch, data_format)
    _check_options(num_classes, alpha, rng)
    _check_labels(len(batch), given, num_classes)
    n = len(batch)
    everyone = Members(np.zeros(n, np.int32), np.ones(n, bool), n, Census(np.array([n])))
    donors = RandomPairing().pair(rng, everyone, 1)[:, 0]
    strategy = CutMix()
    law = LamLaw(alpha)
    rounds = Rounds(strategy, lambda _: strategy.draw(rng, n, law), lambda _: _endless(strategy, rng, law))
    mixed, weight = batch.copy(), np.ones((n, 2))
    for row in range(n):
        masks = (strategy.realise(params, size) for params in chain((rounds.first(row),), rounds.others(row, _TRIES)))
        mask = next((mask for mask in masks if not mask.is_wasted()), None)
        if mask is None:
            raise UsageError(f"images must be large enough to hold a box, but they have {size} px.")
        box = mask.patches[0].box
        window: tuple[Any, ...] = (slice(box.y1, box.y2), slice(box.x1, box.x2))
        if data_format == "NCHW":
            window = (..., *window)
        mixed[row][window] = batch[donors[row]][window]
        weight[row] = mask.weights()
    if given.ndim == 1:
        index = np.stack([given, given[donors]], axis=1).astype(np.int32)
        return mixed, soft_labels(index, weight, num_classes)
    soft = weight[:, :1] * given + weight[:, 1:] * given[donors]
    return mixed, soft.astype(np.float32)


def _size_of(batch: npt.NDArray[Any], data_format: str) -> Size:
    if data_format not in ("NHWC", "NCHW"):
        raise UsageError(f"data_format must be NHWC or NCHW, but it is {data_format!r}.")
    if batch.ndim not in (3, 4):
        raise UsageError(f"images must be of shape (N, H, W), (N, H, W, C) or (N, C, H, W), but it is {batch.shape}.")
    if batch.ndim == 4 and data_format == "NHWC" and batch.shape[1] in (1, 3, 4) and batch.shape[3] > 4:
        raise UsageError(f'images of shape {batch.shape} look like (N, C, H, W). Give data_format="NCHW".')
    if batch.ndim == 4 and data_format == "NCHW" and batch.shape[3] in (1, 3, 4) and batch.shape[1] > 4:
        raise UsageError(f'images of shape {batch.shape} look like (N, H, W, C). Give data_format="NHWC".')
    height, width = batch.shape[1:3] if data_format == "NHWC" or batch.ndim == 3 else batch.shape[2:]
    if width * height < 2:
        raise UsageError(f"images must be large enough to hold a box, but they have {width} x {height} px.")
    return Size(width, height)


def _endless(strategy: CutMix, rng: np.random.Generator, law: LamLaw) -> Iterator[CutMixParams]:
    while True:
        yield from strategy.draw(rng, 1, law)


def _array(name: str, values: npt.ArrayLike) -> npt.NDArray[Any]:
    try:
        return np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:
        raise UsageError(f"{name} must be one array, all of one shape, that NumPy can read, but: {error}.") from error


def _check_options(num_classes: int, alpha: float, rng: np.random.Generator) -> None:
    if not isinstance(num_classes, int | np.integer) or num_classes < 1:
        raise UsageError(f"num_classes must be a whole number from 1 up, but it is {num_classes!r}.")
    if not isinstance(alpha, int | float | np.number) or not 0 < alpha < float("inf"):
        raise UsageError(f"alpha must be a number above 0, but it is {alpha!r}.")
    if not isinstance(rng, np.random.Generator):
        raise UsageError(f"rng must be a numpy.random.Generator, e.g. numpy.random.default_rng(0), but it is {rng!r}.")


def _check_labels(n: int, labels: npt.NDArray[Any], num_classes: int) -> None:
    if n < 2:
        raise UsageError(f"images must be at least two, so that there is something to mix, but there are {n}.")
    if labels.shape == (n,) and np.issubdtype(labels.dtype, np.integer):
        if labels.min() < 0 or labels.max() >= num_classes:
            raise UsageError(
                f"labels must be classes from 0 to {num_classes - 1}, "
                f"but they go from {labels.min()} to {labels.max()}."
            )
        return
    if labels.shape != (n, num_classes) or labels.dtype.kind not in "biuf":
        raise UsageError(
            f"labels must be {n} integers or floats of shape ({n}, {num_classes}), "
            f"but they are {labels.dtype} of shape {labels.shape}."
        )
    if not (labels >= 0).all() or np.abs(labels.sum(axis=1) - 1).max() > _TOLERANCE:
        raise UsageError("labels must be shares that sum to 1 for each image, none below 0, but they are not.")
