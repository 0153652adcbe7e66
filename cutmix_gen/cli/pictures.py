"""What the commands that draw share: where the picture goes, and how many samples it has."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cutmix_gen.cli.options import PLACE, check_file, number_option
from cutmix_gen.ranges import Range
from cutmix_gen.storage import Place

if TYPE_CHECKING:
    from PIL import Image

Command = TypeVar("Command", bound=Callable[..., Any])

_SIDE = Range(1, 50)
"""Rows and columns: the picture of 50 x 50 samples has 40 million pixels."""


def picture_option(
    default: str | None, text: str = "The picture: .png, .jpg or .webp; one that is there is replaced."
) -> Callable[[Command], Command]:
    """Add -o, the file that the picture is written to."""
    return click.option(
        "-o",
        "--output",
        "picture",
        metavar="FILE",
        type=PLACE,
        default=default,
        show_default=default is not None,
        callback=_checked,
        help=text,
    )


def shape_options(command: Command) -> Command:
    """Add --rows and --columns."""
    columns = number_option("--columns", among=_SIDE, text="Samples in a row.", default=6)
    rows = number_option("--rows", among=_SIDE, text="Rows of samples.", default=4)
    return rows(columns(command))


def _checked(ctx: click.Context, param: click.Parameter, place: Place | None) -> Place | None:
    """Refuse a file that cannot be written, or is no picture by its name, before anything is drawn."""
    if place is not None:
        from cutmix_gen.drawing.files import picture_format  # noqa: PLC0415  each command imports what it needs

        picture_format(place.name)
    return check_file(ctx, param, place)


def check_outside(picture: Place, source: Place) -> None:
    """Refuse to write a picture among the sources: it would become one of them, or take the place of one."""
    if source.resolve() in picture.resolve().parents:
        raise click.UsageError(f"-o {picture} lies inside SRC: it would be taken for a source. Give a file outside.")


def write_picture(picture: Image.Image, place: Place) -> None:
    """Write a picture, whole or not at all, and say where."""
    from cutmix_gen.drawing import encode_picture  # noqa: PLC0415  each command imports what it needs
    from cutmix_gen.storage import put_bytes  # noqa: PLC0415

    put_bytes(place, encode_picture(picture, place.name))
    click.echo(f"Wrote {place}: {picture.width:,} x {picture.height:,} px.")
