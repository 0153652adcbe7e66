"""The label of what is left of a sample after a crop: trainers crop again, and an exact label need not stay behind."""

from __future__ import annotations

import json
import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cutmix_gen.codecs import MOST_PIXELS
from cutmix_gen.errors import UsageError
from cutmix_gen.mixing.labels import soft_labels
from cutmix_gen.mixing.recipe import Recipe, parse_recipe
from cutmix_gen.shapes import Box

_MAX_PIXELS = 1 << 24
"""Of a sample at most, unless another number is given, where following its recipe takes memory for each pixel."""


def relabel(
    recipe_or_row: str | Mapping[str, Any], crop: Sequence[int], *, max_pixels: int = _MAX_PIXELS
) -> npt.NDArray[np.float32]:
    """Return the soft label of a part of a stored sample.

    Exact for every strategy: the mask is drawn again from the recipe, and the pixels that each source owns inside the
    crop are counted. A mirrored or turned sample keeps its label; crop first, or give the crop in the pixels of the
    sample as it is stored.

    Parameters
    ----------
    recipe_or_row : str or mapping
        The field `recipe` of a sample (its JSON, as text or parsed), or a row that has this field.
    crop : (x1, y1, x2, y2)
        In pixels of the stored sample, half open.
    max_pixels : int, optional
        Where following a recipe takes memory for each pixel, that of a larger sample is refused: recipes may come from
        anywhere. [default: 16,777,216]

    Returns
    -------
    (C,) float32 ndarray
        Sums to 1; smoothed as the set's labels are.

    Raises
    ------
    UsageError
        If the crop has no pixel, or reaches beyond the sample, or shows nothing but padding.
    RecipeError
        If the recipe is none, or one of a larger sample than `max_pixels` allows.
    """
    recipe = _recipe_of(recipe_or_row, max_pixels)
    try:
        x1, y1, x2, y2 = map(operator.index, crop)
    except (TypeError, ValueError) as error:
        raise UsageError(f"crop must be four whole numbers (x1, y1, x2, y2), but it is {crop!r}.") from error
    box = Box(x1, y1, x2, y2)
    if not (0 <= box.x1 < box.x2 <= recipe.size.width and 0 <= box.y1 < box.y2 <= recipe.size.height):
        raise UsageError(
            f"crop must be (x1, y1, x2, y2) with at least a pixel inside the sample of {recipe.size} px, "
            f"but it is {tuple(crop)}."
        )
    shares = recipe.shares_within(box)
    if not shares.sum():
        raise UsageError(f"crop {tuple(crop)} shows nothing but padding, which has no label.")
    index = np.array([recipe.labels], np.int32)
    labels = soft_labels(index, shares[None] / shares.sum(), recipe.num_classes, recipe.smoothing)
    return labels.reshape(-1)


def _recipe_of(recipe_or_row: str | Mapping[str, Any], max_pixels: int) -> Recipe:
    if isinstance(recipe_or_row, str):
        return parse_recipe(recipe_or_row, MOST_PIXELS, max_pixels)
    if "recipe" in recipe_or_row:
        return _recipe_of(recipe_or_row["recipe"], max_pixels)
    return parse_recipe(json.dumps(dict(recipe_or_row)), MOST_PIXELS, max_pixels)
