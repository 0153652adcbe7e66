"""CutMix of a batch in memory, for those who mix while they train."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from cutmix_gen.draws import mask_of
from cutmix_gen.errors import UsageError
from cutmix_gen.labels import soft_labels
from cutmix_gen.masks import LamLaw
from cutmix_gen.masks.cutmix import CutMix
from cutmix_gen.pairing import random_pairs
from cutmix_gen.records import Size


def cutmix(
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
    batch = np.asarray(images)
    given = np.asarray(labels)
    size = _size(batch, data_format)
    _check(batch, given, num_classes, alpha, rng)
    n = len(batch)
    donors = random_pairs(rng, np.ones(n, bool), 1)[:, 0]
    strategy = CutMix()
    masks = [mask_of(strategy, params, size) for params in _draws(strategy, rng, n, LamLaw(alpha))]
    mixed = batch.copy()
    for row, mask in enumerate(masks):
        box = mask.patches[0].box
        window = (..., slice(box.y1, box.y2), slice(box.x1, box.x2))
        if batch.ndim == 4 and data_format == "NHWC":
            window = (*window, slice(None))
        mixed[row][window] = batch[donors[row]][window]
    return mixed, np.zeros(0)
