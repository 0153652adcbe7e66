"""A picture of all strategies: one row of examples for each, mixed from the same images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image

from cutmix_gen.config import GenerateConfig, ResolvedConfig
from cutmix_gen.dataset.records import Source
from cutmix_gen.errors import SourceError
from cutmix_gen.generation.resolve import look_at, resolve
from cutmix_gen.mixing import streams
from cutmix_gen.mixing.fitting import whole
from cutmix_gen.mixing.pairing import Census, Members
from cutmix_gen.mixing.strategies import STRATEGIES
from cutmix_gen.shapes import Size, View
from cutmix_gen.sources.images import Images, LoadedImage
from cutmix_gen.sources.scan import Scan
from cutmix_gen.storage import Place, path_text
from cutmix_gen.visualize.drawing import SheetRow, Sources, Tile, draw_sheet, make_tile
from cutmix_gen.visualize.preview_sample import Sketch, Sketcher, look_into

_EXAMPLES = 6
_CELL = 160
"""Pixels of the longer side of an example."""


def draw_gallery(source: Place, seed: int = 0) -> Image.Image:
    """Draw some images of a folder, and below them a row of mixed samples for each strategy.

    Parameters
    ----------
    source : Place
        As `generate` takes it.
    seed : int

    Raises
    ------
    SourceError
        If fewer than two of the chosen images can be read.
    """
    config = GenerateConfig(source=source, output=source, seed=seed)
    scanned = look_into(config)
    config = resolve(config, scanned, look_at(config, scanned))
    sources = _some_sources(scanned, seed)
    frame = next((_frame(image.size) for image in map(Images(config).load, sources) if image.size), Size(1, 1))
    config = replace(config, size=f"{frame.width}x{frame.height}" if frame.area > 1 else "keep")
    loaded = [image for image in map(Images(config).load, sources) if image.decoded][:_EXAMPLES]
    if len(loaded) < 2:
        raise SourceError(f"{source} must have images that can be read to mix some, but two could not be found.")
    sources = [image.source for image in loaded]
    originals = SheetRow(_originals(config, loaded, frame, scanned.classes), "images")
    mixed = [SheetRow(_mixed(replace(config, strategy=(name,)), sources, scanned.classes), name) for name in STRATEGIES]
    return draw_sheet([originals, *mixed])


def _some_sources(scanned: Scan, seed: int) -> list[Source]:
    """Choose sources by seed, of as many classes as there are: twice as many as are shown, some may be broken."""
    rng = streams.generator(seed, streams.GALLERY)
    wanted = min(len(scanned), 64)
    chosen = rng.choice(len(scanned), wanted, replace=False, shuffle=False)
    labels = scanned.labels[chosen].tolist()
    turn = [labels[:place].count(label) for place, label in enumerate(labels)]
    order = chosen[np.argsort(turn, kind="stable")][: 2 * _EXAMPLES].tolist()
    return [Source(path_text(scanned.paths[n]), int(scanned.labels[n]), int(scanned.sizes[n])) for n in order]


def _frame(size: Size) -> Size:
    """Return the size of the examples: the image's shape, no larger than a cell."""
    scale = min(1.0, _CELL / max(size.width, size.height))
    return Size(max(round(size.width * scale), 2), max(round(size.height * scale), 2))


def _originals(config: ResolvedConfig, images: list[LoadedImage], frame: Size, classes: tuple[str, ...]) -> list[Tile]:
    loader, view = Images(config), View(whole(frame), whole(frame), flip=False)
    return [
        make_tile(loader.show(image, view, frame), Sources([image.source.label], [1.0]), classes, _CELL)
        for image in images
    ]


def _mixed(config: ResolvedConfig, sources: list[Source], classes: tuple[str, ...]) -> list[Tile]:
    """Mix each of the sources with others."""
    sketcher = Sketcher(config, classes)
    images = sketcher.load(sources)
    labels = np.array([source.label for source in sources], np.int32)
    members = Members(labels, np.ones(len(images), bool), len(images), Census(np.bincount(labels)))
    return [sketcher.tile(each, _CELL) for each in sketcher.mix(images, members) if isinstance(each, Sketch)]
