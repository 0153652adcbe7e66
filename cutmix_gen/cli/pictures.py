"""What the commands that draw share: where the picture goes, and how many samples it has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cutmix_gen.cli.options import number_option
from cutmix_gen.cli.outputs import output_option, write_output
from cutmix_gen.ranges import Range
from cutmix_gen.storage import Place, is_stream, real_place

if TYPE_CHECKING:
    from PIL import Image

Command = TypeVar("Command", bound=Callable[..., Any])

_SIDE = Range(1, 50)
"""Rows and columns: the picture of 50 x 50 samples has 40 million pixels."""


def picture_option(
    default: str | None,
    text: str = "The picture: .png, .jpg or .webp; one that is there is replaced, and - is standard output.",
) -> Callable[[Command], Command]:
    """Add -o, the file that the picture is written to."""
    return output_option("picture", default, text, check=_check_name)


def shape_options(command: Command) -> Command:
    """Add --rows and --columns."""
    columns = number_option("--columns", among=_SIDE, text="Samples in a row.", default=6)
    rows = number_option("--rows", among=_SIDE, text="Rows of samples.", default=4)
    return rows(columns(command))


def _check_name(place: Place) -> None:
    """Refuse a file that is no picture by its name before anything is drawn."""
    from cutmix_gen.visualize.drawing.files import picture_format  # noqa: PLC0415  each command imports what it needs

    picture_format(_picture_name(place))


def _picture_name(place: Place) -> str:
    """Return the name that says what format the picture has: a device or a pipe without an ending gets PNG."""
    plain = isinstance(place, Path) and is_stream(place) and not place.suffix
    return f"{place.name}.png" if plain else place.name


def check_outside(picture: Place, source: Place) -> None:
    """Refuse to write a picture among the sources: it would become one of them, or take the place of one."""
    if real_place(source) in real_place(picture).parents:
        raise click.UsageError(f"-o {picture} lies inside SRC: it would be taken for a source. Give a file outside.")


def write_picture(picture: Image.Image, place: Place) -> None:
    """Write a picture, whole or not at all, and say where."""
    from cutmix_gen.visualize.drawing import encode_picture  # noqa: PLC0415  each command imports what it needs

    write_output(place, encode_picture(picture, _picture_name(place)), f": {picture.width:,} x {picture.height:,} px")
