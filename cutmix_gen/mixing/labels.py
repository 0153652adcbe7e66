"""Label algebra: from who owns how many pixels to weights, dense soft labels and the dominant class."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Classes = npt.NDArray[np.int32]
Weights = npt.NDArray[np.float64]


def dominant_class(index: Classes, weight: Weights) -> npt.NDArray[np.int64]:
    """Return the class of the largest share of each sample; on a tie the base's.

    Parameters
    ----------
    index : (n, S) int32 ndarray
        Class of each source, base first.
    weight : (n, S) float64 ndarray
        Share of each source; the shares of sources of one class add up.

    Returns
    -------
    (n,) int64 ndarray
    """
    same = index[:, :, None] == index[:, None, :]
    # Sums of shares that are equal in exact arithmetic may differ by an ulp: a tie has to stay a tie.
    share = np.round((same * weight[:, None, :]).sum(axis=2), 12)
    return np.take_along_axis(index, share.argmax(axis=1)[:, None], axis=1)[:, 0].astype(np.int64)


def soft_labels(index: Classes, weight: Weights, num_classes: int, smoothing: float = 0.0) -> npt.NDArray[np.float32]:
    """Return the dense label of each sample: its classes weighted by the pixels that they own.

    Parameters
    ----------
    index : (n, S) int32 ndarray
        Class of each source.
    weight : (n, S) float64 ndarray
        Share of each source; a row sums to 1.
    num_classes : int
        C, the length of a label.
    smoothing : float
        In [0, 1): this much of the mass is spread evenly over all classes (Szegedy et al. 2016, eq. 7).

    Returns
    -------
    (n, C) float32 ndarray
        Each row sums to 1.
    """
    n, sources = index.shape
    dense = np.zeros((n, num_classes))
    rows = np.arange(n)
    for source in range(sources):  # one fancy-indexed add each: a row names a class once in each of them
        dense[rows, index[:, source]] += weight[:, source]
    if smoothing:
        dense *= 1.0 - smoothing
        dense += smoothing / num_classes
    return dense.astype(np.float32)


def class_weight(index: Classes, weight: Weights, num_classes: int) -> Weights:
    """Return the summed share of each class over all samples: (C,) float64."""
    return np.bincount(index.ravel(), weights=weight.ravel(), minlength=num_classes).astype(np.float64)
