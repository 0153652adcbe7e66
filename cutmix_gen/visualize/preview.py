"""What `generate` would make of a folder, as a picture: a part of the sources is looked at and nothing is written."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from cutmix_gen.config import GenerateConfig, ResolvedConfig
from cutmix_gen.dataset.plan import Plan
from cutmix_gen.dataset.records import Skip, Source
from cutmix_gen.dataset.run import quota_plan
from cutmix_gen.errors import SourceError
from cutmix_gen.generation.draws import DrawKey
from cutmix_gen.generation.resolve import look_at, resolve
from cutmix_gen.mixing.pairing import Bases, Census, Indices, Members
from cutmix_gen.mixing.streams import GUESTS
from cutmix_gen.sources.images import LoadedImage
from cutmix_gen.sources.scan import Scan
from cutmix_gen.storage import path_text
from cutmix_gen.visualize.drawing import cell_for, draw_sheet, in_rows
from cutmix_gen.visualize.explain import one_below_another
from cutmix_gen.visualize.preview_sample import Sketch, Sketcher, look_into

_PIXELS = 1 << 20
"""Of a sample at most, where --size asks for more: they are shown far smaller, and two dozen would fill the memory."""


@dataclass(frozen=True, slots=True)
class Preview:
    """A picture, and what should be in it but could not be made."""

    picture: Image.Image
    skipped: list[Skip]


def draw_preview(config: GenerateConfig, rows: int = 4, columns: int = 6, *, explain: bool = False) -> Preview:
    """Draw samples as `generate` would make them of the sources.

    Of many sources a part is looked at: of 64 classes drawn by seed up to 500 images each. These are paired, drawn,
    mixed and encoded as a run of just these sources would do it.

    Parameters
    ----------
    config : GenerateConfig
        As asked for; its output is not looked at.
    rows, columns : int
        The picture has fewer where fewer samples can be made.
    explain : bool
        One sample per row: its sources, the mask and the result; `columns` is not used.

    Raises
    ------
    UsageError, SourceError
        As `generate` would, or where no sample can be made.
    """
    scanned = look_into(config)
    config, _ = resolve(config, scanned, look_at(config, scanned)).within(_PIXELS)
    sketcher = Sketcher(config, scanned.classes, fitted=not explain)
    wanted = rows if explain else rows * columns
    found, skipped = _sketches(config, scanned, sketcher, wanted)
    if not found:
        why = f" The first one that failed: {skipped[0].path}: {skipped[0].reason}." if skipped else ""
        raise SourceError(f"{config.source} must have images that can be mixed, but of those tried none could be.{why}")
    if explain:
        return Preview(one_below_another([sketcher.explained(sketch) for sketch in found]), skipped)
    columns = min(columns, len(found))
    cell = cell_for(columns)
    tiles = [replace(sketcher.tile(sketch, cell), note=sketch.draw.strategy.name) for sketch in found]
    return Preview(draw_sheet(in_rows(tiles, columns)), skipped)


def _sketches(
    config: ResolvedConfig, scanned: Scan, sketcher: Sketcher, wanted: int
) -> tuple[list[Sketch], list[Skip]]:
    """Mix so many samples, in as many copies as that takes; say of each base that failed why, once."""
    census = Census(scanned.class_counts)
    plan = Plan(config, len(scanned), 1, 0)
    bases, guests = _chosen(config, scanned, census, plan, wanted)
    rows = np.concatenate([bases, guests])
    images = _loaded(scanned, sketcher, rows)
    members = Members(
        labels=scanned.labels[rows],
        usable=np.array([image.decoded is not None for image in images]),
        bases=len(bases),
        census=census,
        rows=rows,
    )
    found: list[Sketch] = []
    skipped: dict[str, Skip] = {}
    for copy in range(1, 1 + -(-wanted // len(bases))):
        for sketch in sketcher.mix(images, replace(members, wanted=wanted - len(found)), copy):
            if isinstance(sketch, Skip):
                skipped[sketch.path] = sketch
            else:
                found.append(sketch)
    return found[:wanted], list(skipped.values())


def _chosen(config: ResolvedConfig, scanned: Scan, census: Census, plan: Plan, wanted: int) -> tuple[Indices, Indices]:
    """Return the images that are bases, and those that are donors only, by their places in the scan."""
    if plan.given_samples:
        return quota_plan(config, scanned.classes, census, 1).rows(0, min(wanted, plan.given_samples))
    # A few more than are shown, so that some may be donors only: with a single base there would be none.
    count = min(max(wanted, config.num_sources + 1), len(scanned))
    bases = plan.permutation(0, count)
    rng = DrawKey(1, 0, 0, 0).generator(config.seed, GUESTS)
    copies = -(-wanted // count)
    return bases, config.make_pairing().guests(rng, Bases(bases, scanned.labels[bases], census, copies))


def _loaded(scanned: Scan, sketcher: Sketcher, rows: Indices) -> list[LoadedImage]:
    """Load images, each once."""
    different = np.unique(rows).tolist()
    sources = [Source(path_text(scanned.paths[n]), int(scanned.labels[n]), int(scanned.sizes[n])) for n in different]
    image_of = dict(zip(different, sketcher.load(sources), strict=True))
    return [image_of[row] for row in rows.tolist()]
