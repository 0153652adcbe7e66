"""CutMix of a batch in memory, for those who mix while they train."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from cutmix_gen.draws import Rounds, realise
from cutmix_gen.errors import UsageError
from cutmix_gen.labels import soft_labels
from cutmix_gen.masks import LamLaw
from cutmix_gen.masks.cutmix import CutMix
from cutmix_gen.pairing import random_pairs
from cutmix_gen.records import Size


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
    batch, given = np.asarray(images), np.asarray(labels)
    size = _size_of(batch, data_format)
    _check(batch, given, num_classes, alpha, rng)
    n = len(batch)
    donors = random_pairs(rng, np.ones(n, bool), 1)[:, 0]
    strategy = CutMix()
    rounds = Rounds(lambda _: strategy.draw(rng, n, LamLaw(alpha)))
    mixed, weight = batch.copy(), np.ones((n, 2))
    for row in range(n):
        found = realise(strategy, size, rounds, row)
        if found is None:
            raise UsageError(f"images must be large enough to hold a box, but they have {size} px.")
        box = found[1].patches[0].box
        window: tuple[Any, ...] = (slice(box.y1, box.y2), slice(box.x1, box.x2))
        if data_format == "NCHW":
            window = (..., *window)
        mixed[row][window] = batch[donors[row]][window]
        weight[row] = np.array(found[1].counts()) / size.area
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
    height, width = batch.shape[1:3] if data_format == "NHWC" or batch.ndim == 3 else batch.shape[2:]
    return Size(width, height)


def _check(
    batch: npt.NDArray[Any],
    labels: npt.NDArray[Any],
    num_classes: int,
    alpha: float,
    rng: np.random.Generator,
) -> None:
    if not isinstance(rng, np.random.Generator):
        raise UsageError(f"rng must be a numpy.random.Generator, e.g. numpy.random.default_rng(0), but it is {rng!r}.")
    if not 0 < alpha < float("inf"):
        raise UsageError(f"alpha must be a number above 0, but it is {alpha}.")
    if len(batch) < 2:
        raise UsageError(f"images must be at least two, so that there is something to mix, but there are {len(batch)}.")
    if labels.shape == (len(batch),) and np.issubdtype(labels.dtype, np.integer):
        if labels.min() < 0 or labels.max() >= num_classes:
            raise UsageError(
                f"labels must be classes from 0 to {num_classes - 1}, "
                f"but they go from {labels.min()} to {labels.max()}."
            )
    elif labels.shape != (len(batch), num_classes):
        raise UsageError(
            f"labels must be {len(batch)} integers or floats of shape ({len(batch)}, {num_classes}), "
            f"but they are {labels.dtype} of shape {labels.shape}."
        )
