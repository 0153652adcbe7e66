"""Where an image draws the eye: the spectral residual of Hou and Zhang (CVPR 2007)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cutmix_gen.shapes import Pixels

_SIDE = 128
"""Pixels of the longer side on which saliency is computed at most; the authors use 64."""
_RADIUS, _SIGMA = 3, 3.0
"""Of the 7 x 7 Gaussian that smooths the map, in pixels of the shrunken image."""


def focus(pixels: Pixels) -> tuple[float, float]:
    """Return the place of the saliency maximum.

    Parameters
    ----------
    pixels : (H, W[, 3]) ndarray

    Returns
    -------
    x, y : float
        The centre of the most salient pixel, in (0, 1) of width and height.
    """
    saliency = spectral_residual(_small_gray(pixels))
    row, column = np.unravel_index(int(saliency.argmax()), saliency.shape)
    return (int(column) + 0.5) / saliency.shape[1], (int(row) + 0.5) / saliency.shape[0]


def spectral_residual(gray: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the saliency of each pixel: |ifft(exp(log|F| - box3(log|F|)) * phase)|, smoothed.

    Parameters
    ----------
    gray : (H, W) float64 ndarray
        Of any range.

    Returns
    -------
    (H, W) float64 ndarray
        From 0 up; the scale has no meaning.
    """
    spectrum = np.fft.fft2(gray)
    amplitude = np.abs(spectrum)
    phase = np.divide(spectrum, amplitude, out=np.ones_like(spectrum), where=amplitude > 0)
    log = np.log(amplitude + 1e-9)  # a flat image has frequencies of amplitude 0
    residual = log - _smoothed(log, np.full(3, 1 / 3), "wrap")
    saliency = np.abs(np.fft.ifft2(np.exp(residual) * phase))
    kernel = np.exp(-(np.arange(-_RADIUS, _RADIUS + 1) ** 2) / (2 * _SIGMA**2))
    return _smoothed(saliency, kernel / kernel.sum(), "edge")


def _small_gray(pixels: Pixels) -> npt.NDArray[np.float64]:
    """Return the image in gray, averaged over blocks so that no side is longer than the limit."""
    gray = pixels.mean(axis=2) if pixels.ndim == 3 else pixels.astype(np.float64)
    step = -(-max(gray.shape) // _SIDE)
    height, width = (max(side // step, 1) for side in gray.shape)
    step_y, step_x = gray.shape[0] // height, gray.shape[1] // width
    blocks = gray[: height * step_y, : width * step_x].reshape(height, step_y, width, step_x)
    means: npt.NDArray[np.float64] = blocks.mean(axis=(1, 3))
    return means


def _smoothed(values: npt.NDArray[np.float64], kernel: npt.NDArray[np.float64], edge: str) -> npt.NDArray[np.float64]:
    """Convolve both axes with a kernel of odd length."""
    for axis in (0, 1):
        pad = [(0, 0), (0, 0)]
        pad[axis] = (len(kernel) // 2, len(kernel) // 2)
        padded = np.pad(values, pad, mode=edge)  # type: ignore[call-overload]  # `edge` is one of its modes
        windows = np.lib.stride_tricks.sliding_window_view(padded, len(kernel), axis=axis)
        values = windows @ kernel
    return values
