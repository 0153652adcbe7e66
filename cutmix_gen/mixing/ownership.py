"""How many pixels of a mixed image each source owns, padding left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cutmix_gen.mixing.masks import VISIBLE, AnyPixels, is_share, pixel_bounds
from cutmix_gen.mixing.strategies import Mask, SoftMask
from cutmix_gen.shapes import Box

Owners = npt.NDArray[np.uint8]
"""(H, W) which source shows at each pixel: 0 for the base and for padding, 1 for the first donor, ..."""


class Ownership(NamedTuple):
    """Who owns what of a mixed image."""

    weights: list[float]
    """Share of each source, base first; they sum to 1."""
    boxes: list[Box]
    """For each donor the smallest box that holds the pixels where it shows."""
    is_wasted: bool
    """Whether nothing shows of the base, or of any donor: lam would not lie strictly between 0 and 1."""


def ownership(mask: Mask, places: Sequence[Box]) -> Ownership:
    """Return the shares of the sources and the boxes of the donors.

    Parameters
    ----------
    mask : Mask
    places : sequence of Box
        Where the image of each source lies in its frame, base first; what is outside is padding, nobody's.
    """
    if fill_frames(mask, places):
        weights = mask.weights()
        return Ownership(weights, mask.bounds(), not is_share(weights[0]) or mask.is_faint())
    seen = [(show.sum(dtype=np.float64), pixel_bounds(show >= VISIBLE)) for show in _shows(mask, places)]
    shares = np.array([share for share, _ in seen])
    weights = shares / shares.sum() if shares.any() else np.eye(len(shares))[0]
    base, *donors = (box for _, box in seen)
    is_mixed = base.area and any(box.area for box in donors) and is_share(float(weights[0]))
    return Ownership(weights.tolist(), donors, not is_mixed or mask.is_faint())


def shares_within(mask: Mask, places: Sequence[Box], within: Box) -> npt.NDArray[np.float64]:
    """Return the pixels that each source owns in a part of the mixed image: (S,)."""
    if fill_frames(mask, places):
        return mask.shares(within)
    x1, y1, x2, y2 = within
    return np.array([show[y1:y2, x1:x2].sum(dtype=np.float64) for show in _shows(mask, places)])


def fill_frames(mask: Mask, places: Sequence[Box]) -> bool:
    """Tell whether every image fills its frame: then who owns what follows without a look at each pixel."""
    frame = mask.size
    for place in places:
        x1, y1, x2, y2 = place
        if x2 - x1 != frame.width or y2 - y1 != frame.height:
            return False
        frame = mask.donor_size
    return True


def owner_map(mask: Mask, places: Sequence[Box]) -> Owners | None:
    """Return which source shows at each pixel, for outlines; None where one shows all over.

    In a blend it is the one that shows more.

    Parameters
    ----------
    mask : Mask
    places : sequence of Box
        Where the image of each source lies in its frame, base first: bars are nobody's, as in the labels.
    """
    owners: Owners = painted(mask, places, np.arange(len(places), dtype=np.uint8))
    return owners if owners.min() < owners.max() else None


def painted(mask: Mask, places: Sequence[Box], paints: AnyPixels, bars: float = 0) -> AnyPixels:
    """Mix images that are of one value each, as the sources of a sample are mixed.

    Parameters
    ----------
    mask : Mask
    places : sequence of Box
        Where the image of each source lies in its frame, base first.
    paints : (S,) or (S, C) ndarray
        The value, or the colour, of each source.
    bars : float
        The value of what is outside of an image.

    Returns
    -------
    (H, W) or (H, W, C) ndarray
        Of the type of `paints`.
    """
    images = []
    for frame, place, paint in zip([mask.size, *[mask.donor_size] * (len(places) - 1)], places, paints, strict=True):
        image = np.full((frame.height, frame.width, *paints.shape[1:]), bars, paints.dtype)
        image[place.y1 : place.y2, place.x1 : place.x2] = paint
        images.append(image)
    return mask.mix(images[0], images[1:])


def _shows(mask: Mask, places: Sequence[Box]) -> Iterator[AnyPixels]:
    """Give how much of each pixel shows each source, one source after the other: (H, W) each, in [0, 1]."""
    for paints in np.eye(len(places), dtype=np.float64 if isinstance(mask, SoftMask) else np.uint8):
        yield painted(mask, places, paints)
