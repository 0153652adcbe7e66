"""A picture of all strategies: one row of examples for each, mixed from the same images."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cutmix_gen.archives import scan_source
from cutmix_gen.config import GenerateConfig
from cutmix_gen.draws import Draw, DrawKey, draw_copy
from cutmix_gen.errors import SourceError
from cutmix_gen.geometry import whole
from cutmix_gen.images import Images, LoadedImage
from cutmix_gen.masks import STRATEGIES
from cutmix_gen.pairing import Census, Members
from cutmix_gen.records import Pixels, Size, Source, View
from cutmix_gen.resolution import look_at, resolve
from cutmix_gen.saliency import focus
from cutmix_gen.source import Scan
from cutmix_gen.storage import Place, path_text

_EXAMPLES = 6
_CELL = 160
"""Pixels of the longer side of an example."""
_MARGIN, _LINE, _NAMES = 12, 15, 110
_INK, _PAPER = "#222222", "white"


@dataclass(frozen=True, slots=True)
class _Example:
    pixels: Pixels
    caption: list[str]


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
    scanned = scan_source(source)
    config = GenerateConfig(source=source, output=source, seed=seed)
    config = resolve(config, scanned, look_at(config, scanned))
    sources = _some_sources(scanned, seed)
    frame = next((_frame(image.size) for image in map(Images(config).load, sources) if image.size), Size(1, 1))
    config = replace(config, size=f"{frame.width}x{frame.height}" if frame.area > 1 else "keep")
    loaded = [image for image in map(Images(config).load, sources) if image.decoded][:_EXAMPLES]
    if len(loaded) < 2:
        raise SourceError(f"{source} must have images that can be read to mix some, but two could not be found.")
    sources = [image.source for image in loaded]
    rows = {"images": _originals(config, loaded, frame, scanned.classes)}
    for name in STRATEGIES:
        rows[name] = _mixed(replace(config, strategy=(name,)), sources, scanned.classes)
    return _sheet(rows, frame)


def _some_sources(scanned: Scan, seed: int) -> list[Source]:
    """Choose sources by seed, of as many classes as there are: twice as many as are shown, some may be broken."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0, 2)))
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


def _originals(
    config: GenerateConfig, images: list[LoadedImage], frame: Size, classes: tuple[str, ...]
) -> list[_Example]:
    loader = Images(config)
    view = View(whole(frame), whole(frame), flip=False)
    return [_Example(loader.show(image, view, frame), [classes[image.source.label]]) for image in images]


def _mixed(config: GenerateConfig, sources: list[Source], classes: tuple[str, ...]) -> list[_Example]:
    """Mix each of the sources with others."""
    loader = Images(config)
    images = [loader.load(source) for source in sources]
    labels = np.array([source.label for source in sources], np.int32)
    members = Members(labels, np.ones(len(images), bool), len(images), Census(np.bincount(labels)))

    def focus_of(place: int, view: View, frame: Size) -> tuple[float, float]:
        return focus(loader.show(images[place], view, frame))

    draws = draw_copy(config, DrawKey(1, 1, 0, 0), [image.size for image in images], members, focus_of)
    examples = []
    for base, draw in zip(images, draws, strict=True):
        if isinstance(draw, Draw):
            mixed = [base, *(images[donor] for donor in draw.donors)]
            shares = zip(draw.owned.weights, mixed, strict=True)
            caption = [f"{share:.2f} {classes[image.source.label]}" for share, image in shares]
            examples.append(_Example(loader.mix(mixed, draw.views, draw.mask), caption))
    return examples


def _sheet(rows: dict[str, list[_Example]], frame: Size) -> Image.Image:
    """Lay out the rows of examples with their names and captions."""
    zoom = max(_CELL // max(frame.width, frame.height), 1)
    width, height = frame.width * zoom, frame.height * zoom
    columns = max(map(len, rows.values()))
    lines = [max((len(example.caption) for example in row), default=0) for row in rows.values()]
    size = (
        _NAMES + columns * (width + _MARGIN) + _MARGIN,
        _MARGIN + sum(height + _LINE * count + _MARGIN + 4 for count in lines),
    )
    sheet = Image.new("RGB", size, _PAPER)
    pen, font, title = ImageDraw.Draw(sheet), ImageFont.load_default(11), ImageFont.load_default(14)
    y = _MARGIN
    for (name, row), count in zip(rows.items(), lines, strict=True):
        pen.text((_MARGIN, y), name, fill=_INK, font=title)
        for column, example in enumerate(row):
            x = _NAMES + _MARGIN + column * (width + _MARGIN)
            sheet.paste(_picture(example.pixels).resize((width, height), Image.Resampling.NEAREST), (x, y))
            for line, text in enumerate(example.caption):
                pen.text((x, y + height + 3 + line * _LINE), text, fill=_INK, font=font)
        y += height + _LINE * count + _MARGIN + 4
    return sheet


def _picture(pixels: Pixels) -> Image.Image:
    """Return pixels of any of a set's modes as something to look at."""
    if pixels.dtype == np.uint16:
        pixels = ((pixels.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    return Image.fromarray(pixels).convert("RGB")
