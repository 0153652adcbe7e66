"""The page: sections put into the template. Names are escaped by the template engine, wherever they stand."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from cutmix_gen.codecs import MAX_PIXELS
from cutmix_gen.storage import Place, real_place
from cutmix_gen.version import __version__
from cutmix_gen.visualize.report import sections
from cutmix_gen.visualize.report.gather import Facts, gather
from cutmix_gen.visualize.report.page_text import shown
from cutmix_gen.visualize.report.plots import lam_plot, mass_plot, size_plot, spread_plot
from cutmix_gen.visualize.report.tiles import make_tiles

_NAMED_MASSES = 20
"""Classes that a plot can name."""


def page(output: Place, seed: int = 0, max_pixels: int = MAX_PIXELS) -> str:
    """Return the page on a set, as HTML.

    Raises
    ------
    SetError
        If there is no set, or what is read of it is damaged.
    """
    facts = gather(output, seed, max_pixels)
    classes, strategies = sections.class_blocks(facts), sections.strategy_blocks(facts)
    rows = [row for block in classes + strategies for row in block.rows]
    lam, masses, sizes = sections.lam(facts, seed), sections.masses(facts), sections.sizes(facts)
    template = _environment().get_template("page.html")
    return template.render(
        name=shown(_name_of(output)),
        version=__version__,
        facts=facts,
        about=facts.description,
        classes=classes,
        strategies=strategies,
        tiles=make_tiles(rows, facts.description.classes, facts.description.mode, facts.max_pixels),
        lam=lam,
        lam_plot=Markup(lam_plot(facts.description.lam_histogram, lam.expected)) if lam else "",
        masses=masses,
        mass_plot=Markup(_mass_plot(facts)),
        pairs=sections.pairs(facts),
        sizes=sizes,
        size_plot=Markup(size_plot(sizes.all)) if len(sizes.common) > 1 else "",
        runs=sections.run_views(facts),
        skips=sections.skips(facts),
    )


def _name_of(output: Place) -> str:
    return real_place(output).name or str(output)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("cutmix_gen.visualize.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["count"] = lambda number: f"{number:,}"
    environment.filters["name"] = shown
    return environment


def _mass_plot(facts: Facts) -> str:
    """Draw all classes by name where there are few, else without names."""
    weights = facts.description.class_weight
    return mass_plot(weights) if len(weights) <= _NAMED_MASSES else spread_plot(weights)
