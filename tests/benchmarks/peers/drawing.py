"""The box of CutMix (Yun et al. 2019, equation 2), as the scripts of the peers share it."""

from __future__ import annotations

import numpy as np


def draw_box(rng: np.random.Generator, width: int, height: int) -> tuple[int, int, int, int]:
    """Return x1, y1, x2, y2 of the box that the donor fills."""
    side = np.sqrt(1.0 - rng.beta(1.0, 1.0))
    box_width, box_height = int(width * side), int(height * side)
    x, y = rng.integers(width), rng.integers(height)
    x1, x2 = np.clip((x - box_width // 2, x + box_width // 2), 0, width)
    y1, y2 = np.clip((y - box_height // 2, y + box_height // 2), 0, height)
    return int(x1), int(y1), int(x2), int(y2)


def soft_label(base: int, donor: int, share: float, classes: int) -> list[float]:
    """Return the dense label of a sample whose base owns a share of the pixels."""
    label = [0.0] * classes
    label[base] += share
    label[donor] += 1.0 - share
    return label
