"""A picture of how a sample was made: its sources, the mask, the result."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from cutmix_gen.checking.replay import Replayer
from cutmix_gen.mixing.ownership import Ownership, painted
from cutmix_gen.mixing.recipe import Recipe
from cutmix_gen.shapes import Box, Pixels, Size, View
from cutmix_gen.sources.images import LoadedImage
from cutmix_gen.visualize.drawing.colours import INK, PAPER, Colour, colours_of
from cutmix_gen.visualize.drawing.lettering import can_write, one_line, shortened, text_width, write
from cutmix_gen.visualize.drawing.tile import as_rgb

_HEIGHT, _WIDEST = 256, 512
"""Pixels of a panel: all are as high, unless that makes one too wide."""
_MARGIN, _LINE, _TEXT = 12, 17, 13
_SQUARE = 15
"""Pixels before a text for the square that shows a source's colour."""
_SHADE = 0.35
"""How much is seen of what is not used of a source."""


class _Panel(NamedTuple):
    picture: Image.Image
    caption: list[str]
    colour: Colour | None = None
    """Of a square before the first line; no square without one."""


def draw_replay(replayer: Replayer, key: str) -> Image.Image:
    """Draw how a sample of a set was made: sources, mask and result side by side.

    Raises
    ------
    RecipeError, ImageError
        If it cannot be made again.
    """
    remade = replayer.remade(replayer.dataset.row(replayer.dataset.find(key)))
    return draw_explanation(remade.recipe, remade.sources, replayer.pixels(remade), replayer.dataset.classes)


def draw_explanation(
    recipe: Recipe, sources: Sequence[LoadedImage], result: Pixels, classes: Sequence[str]
) -> Image.Image:
    """Draw the sources of a sample with the parts that are used, then the mask and the result.

    Parameters
    ----------
    recipe : Recipe
    sources : sequence of LoadedImage
        Base first, all of them read, and not fitted yet.
    result : (H, W[, 3]) ndarray
        The sample.
    classes : sequence of str
    """
    owned, mask = recipe.ownership(), recipe.mask()
    colours = colours_of(recipe.labels)
    panels = [
        _source_panel(image, view, _Role(number, colours[number], owned.weights[number]), classes)
        for number, (image, view) in enumerate(zip(sources, recipe.views, strict=True))
    ]
    if mask is not None:
        shares = [f"{share:.3f} {_role(number)}" for number, share in enumerate(owned.weights)]
        places = [view.place for view in recipe.views]
        blend = painted(mask, places, np.array(colours, np.uint8), bars=255)
        panels.append(_Panel(_scaled(Image.fromarray(blend)), ["mask", *shares]))
    panels.append(_Panel(_outlined(result, owned, colours), [recipe.strategy, *_facts(recipe)]))
    return _in_a_row(panels)


def one_below_another(pictures: Sequence[Image.Image]) -> Image.Image:
    """Return pictures in one column."""
    size = max(picture.width for picture in pictures), sum(picture.height for picture in pictures)
    sheet, y = Image.new("RGB", size, PAPER), 0
    for picture in pictures:
        sheet.paste(picture, (0, y))
        y += picture.height
    return sheet


class _Role(NamedTuple):
    """What an image is in a sample."""

    number: int
    """0 for the base."""
    colour: Colour
    share: float


def _source_panel(image: LoadedImage, view: View, role: _Role, classes: Sequence[str]) -> _Panel:
    """Show a whole source, what is not used of it in the shade."""
    if image.decoded is None or image.size is None:
        raise ValueError(f"{image.source.path} was not read")
    pixels = np.asarray(as_rgb(image.decoded.pixels))
    crop = _on(pixels, view.crop, image.size)
    shaded = (pixels * _SHADE + 255 * (1 - _SHADE)).astype(np.uint8)
    used = (slice(crop.y1, crop.y2), slice(crop.x1, crop.x2))
    shaded[used] = pixels[used]
    picture = _scaled(Image.fromarray(shaded))
    drawn = _on(np.asarray(picture), view.crop, image.size)
    ImageDraw.Draw(picture).rectangle((drawn.x1, drawn.y1, drawn.x2 - 1, drawn.y2 - 1), outline=role.colour, width=3)
    turned = ", mirrored" if view.flip else ""
    share = f"{role.share:.3f} {classes[image.source.label]}"
    return _Panel(
        picture, [f"{_role(role.number)}: {image.source.path}", share, f"{image.size} px{turned}"], role.colour
    )


def _role(number: int) -> str:
    return "base" if number == 0 else f"donor {number}"


def _on(pixels: npt.NDArray[np.uint8], box: Box, size: Size) -> Box:
    """Return a box of an image of some size on the same image at the size that it has here; at least a pixel."""
    height, width = pixels.shape[:2]
    x1, y1 = min(box.x1 * width // size.width, width - 1), min(box.y1 * height // size.height, height - 1)
    x2, y2 = round(box.x2 * width / size.width), round(box.y2 * height / size.height)
    return Box(x1, y1, max(x2, x1 + 1), max(y2, y1 + 1))


def _outlined(result: Pixels, owned: Ownership, colours: Sequence[Colour]) -> Image.Image:
    """Return the sample with the box of each donor outlined in its colour."""
    height, width = result.shape[:2]
    picture = _scaled(as_rgb(result))
    pen = ImageDraw.Draw(picture)
    for box, colour in zip(owned.boxes, colours[1:], strict=True):
        if box.area:
            x1, y1, x2, y2 = _on(np.asarray(picture), box, Size(width, height))
            pen.rectangle((x1, y1, x2 - 1, y2 - 1), outline=colour, width=2)
    return picture


def _facts(recipe: Recipe) -> list[str]:
    options = [f"{name}={value}" for name, value in recipe.options.items() if value]
    drawn = [] if recipe.strategy == "original" else [f"lam drawn {recipe.lam_drawn:.3f}"]
    return [f"{recipe.size} px", *drawn, *options]


def _in_a_row(panels: list[_Panel]) -> Image.Image:
    panels = [panel._replace(caption=[_to_write(line) for line in panel.caption]) for panel in panels]
    lines = max(len(panel.caption) for panel in panels)
    widths = [
        min(max(panel.picture.width, ceil(_caption_width(panel))), max(panel.picture.width, _WIDEST))
        for panel in panels
    ]
    height = max(panel.picture.height for panel in panels)
    size = (_MARGIN + sum(width + _MARGIN for width in widths), 2 * _MARGIN + height + lines * _LINE)
    sheet, x = Image.new("RGB", size, PAPER), _MARGIN
    for panel, width in zip(panels, widths, strict=True):
        sheet.paste(panel.picture, (x, _MARGIN))
        _write_caption(sheet, (x, _MARGIN + height), width, panel)
        x += width + _MARGIN
    return sheet


def _caption_width(panel: _Panel) -> float:
    first, *others = (text_width(line, _TEXT) for line in panel.caption)
    return max(first + (_SQUARE if panel.colour else 0), *others)


def _write_caption(sheet: Image.Image, corner: tuple[int, int], width: int, panel: _Panel) -> None:
    x, y = corner
    indent = 0
    if panel.colour:
        indent, top = _SQUARE, y + _LINE - _TEXT + 3
        ImageDraw.Draw(sheet).rectangle((x, top, x + _TEXT - 4, top + _TEXT - 4), fill=panel.colour)
    for line in panel.caption:
        y += _LINE
        write(sheet, (x + indent, y), shortened(line, width - indent, _TEXT), _TEXT, INK)
        indent = 0


def _to_write(text: str) -> str:
    """Return a text as it can be written here: on one line, and in escapes where no font has its letters."""
    line = one_line(text)
    return line if can_write(line) else line.encode("ascii", "backslashreplace").decode()


def _scaled(picture: Image.Image) -> Image.Image:
    """Return a picture at a panel's height: small ones with their pixels seen."""
    scale = min(_HEIGHT / picture.height, _WIDEST / picture.width)
    size = (max(round(picture.width * scale), 1), max(round(picture.height * scale), 1))
    return picture.resize(size, Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.BILINEAR)
