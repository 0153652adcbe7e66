"""The plots of the page, drawn by matplotlib."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from cutmix_gen.dataset.describe import ClassWeight
from cutmix_gen.shapes import Size
from cutmix_gen.visualize.report.expected_lam import Expected
from cutmix_gen.visualize.report.page_text import shown, width_in_ems
from cutmix_gen.visualize.report.svg import FAINT, INK, MAIN, SECOND, SETTINGS, TEXT_SIZE, inline_svg

_WIDTH = 5.6
"""Inches of 72 units: as wide as a telephone's screen, so that text is as large there as it says."""
_NAME = 18
"""Characters of a class's name on an axis."""


def lam_plot(histogram: Sequence[int], expected: Expected) -> str:
    """Draw the lam histogram as bars, and the law that it should follow as a line, with what chance allows."""
    edges = np.linspace(0.0, 1.0, len(histogram) + 1)
    counts, margins = np.array(expected.counts), np.array(expected.margins)
    with _plot(2.9) as (figure, axes):
        axes.bar(edges[:-1], histogram, np.diff(edges), align="edge", color=MAIN, alpha=0.55, linewidth=0, label="set")
        axes.stairs(counts, edges, color=INK, linewidth=1.2, label="law")
        middles, below = (edges[:-1] + edges[1:]) / 2, np.minimum(margins, counts)
        axes.errorbar(middles, counts, (below, margins), fmt="none", ecolor=INK, elinewidth=1.0, capsize=2.0)
        axes.set_xlim(0, 1)
        axes.set_xlabel("lam, the share of the base")
        axes.set_ylabel("mixed samples")
        _count_axis(axes.yaxis)
        _legend(axes)
        alt = f"Histogram of lam over {sum(histogram):,} mixed samples, and the law that it should follow."
        return inline_svg(figure, "lam", alt)


def mass_plot(weights: Sequence[ClassWeight]) -> str:
    """Draw the label mass of classes by name, originals and mixed."""
    names = [shown(weight.name, _NAME) for weight in weights]
    places = np.arange(len(names))
    with _plot(0.9 + 0.34 * len(names)) as (figure, axes):
        for offset, kind, ink in ((-0.19, "original", MAIN), (0.19, "synthetic", SECOND)):
            masses = [getattr(weight, kind) for weight in weights]
            axes.barh(places + offset, masses, 0.38, color=ink, linewidth=0, label=_KINDS[kind])
        axes.set_yticks(places, names, parse_math=False)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlabel("sum of label shares")
        _count_axis(axes.xaxis)
        _legend(axes)
        left = (max(map(width_in_ems, names)) * TEXT_SIZE + 14) / (72 * _WIDTH)
        figure.subplots_adjust(left=min(left, 0.5))
        return inline_svg(figure, "mass", f"Bars of the label mass of {len(names)} classes, originals and mixed.")


def spread_plot(weights: Sequence[ClassWeight]) -> str:
    """Draw the label mass of many classes, in descending order, without names."""
    with _plot(2.9) as (figure, axes):
        order = np.argsort([-weight.original - weight.synthetic for weight in weights], kind="stable")
        for kind, ink in (("original", MAIN), ("synthetic", SECOND)):
            masses = np.array([getattr(weight, kind) for weight in weights])[order]
            axes.stairs(masses, np.arange(len(masses) + 1) + 0.5, color=ink, linewidth=1.6, label=_KINDS[kind])
        axes.set_xlim(0.5, len(weights) + 0.5)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("class, by its mass in all samples")
        axes.set_ylabel("sum of label shares")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        _count_axis(axes.yaxis)
        _legend(axes)
        return inline_svg(figure, "spread", f"The label mass of all {len(weights):,} classes, in descending order.")


def size_plot(sizes: Sequence[Size]) -> str:
    """Draw the widths and heights of images as dots, larger where several coincide."""
    distinct, counts = np.unique(np.array(sizes), axis=0, return_counts=True)
    with _plot(3.4) as (figure, axes):
        area = 14 + 160 * counts / counts.max()
        axes.scatter(distinct[:, 0], distinct[:, 1], area, color=MAIN, alpha=0.55, linewidth=0)
        axes.set_xlim(0, distinct[:, 0].max() * 1.12)
        axes.set_ylim(0, distinct[:, 1].max() * 1.12)
        axes.set_xlabel("width in pixels")
        axes.set_ylabel("height in pixels")
        _count_axis(axes.xaxis)
        _count_axis(axes.yaxis)
        return inline_svg(figure, "sizes", f"Widths and heights of {len(sizes):,} images, {len(distinct):,} sizes.")


_KINDS = {"original": "originals", "synthetic": "mixed"}


@contextmanager
def _plot(height: float) -> Iterator[tuple[Figure, Axes]]:
    """Give an empty plot in the page's colours."""
    logging.getLogger("matplotlib").setLevel(logging.WARNING)  # how it looks for fonts fills screens
    with mpl.rc_context(SETTINGS), warnings.catch_warnings():
        # The page's reader has the fonts; the one here only serves to guess how wide a text is.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font")
        figure = Figure((_WIDTH, height))
        figure.subplots_adjust(left=0.15, right=0.975, top=1 - 0.32 / height, bottom=0.55 / height)
        axes = figure.subplots()
        axes.set_facecolor("none")
        axes.spines[["top", "right"]].set_visible(False)
        for spine in axes.spines.values():
            spine.set_color(FAINT)
        axes.tick_params(colors=INK, length=0, pad=5)
        axes.xaxis.label.set_color(INK)
        axes.yaxis.label.set_color(INK)
        yield figure, axes


def _count_axis(axis: Axis) -> None:
    axis.set_major_locator(MaxNLocator(5, integer=True))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def _legend(axes: Axes) -> None:
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, labelcolor=INK, borderaxespad=0)
