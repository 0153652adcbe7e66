"""What the commands that write a file share: -o, where it may lead, and what is said of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from cutmix_gen.dataset.layout import is_own
from cutmix_gen.storage import STDOUT, Place, is_stdout, is_stream, parse_place, put_output, real_place

Command = TypeVar("Command", bound=Callable[..., Any])


def output_option(
    name: str, default: str | None, text: str, check: Callable[[Place], None] | None = None
) -> Callable[[Command], Command]:
    """Add -o, the file that something is written to; `-` is standard output. What cannot be written is refused early.

    Parameters
    ----------
    name : str
        Of the command's parameter.
    default : str, optional
    text : str
        The help.
    check : callable, optional
        What more is to be looked at: it raises an error for a file that will not do.
    """

    def checked(ctx: click.Context, _param: click.Parameter, place: Place | None) -> Place | None:
        if place is not None:
            _check_file(ctx, place)
            if check:
                check(place)
        return place

    return click.option(
        "-o",
        "--output",
        name,
        metavar="FILE",
        type=output_place,
        default=default,
        show_default=default is not None,
        callback=checked,
        help=text,
    )


def output_place(text: str | Place) -> Place:
    """Return the place that a text names for an output."""
    return STDOUT if text == "-" else parse_place(text)


def _check_file(ctx: click.Context, place: Place) -> None:
    if place.is_dir():
        raise click.UsageError(f"-o must be a file, but {place} is a folder.", ctx)
    if isinstance(place, Path) and not is_stream(place) and not Path(os.path.realpath(place)).parent.is_dir():
        raise click.UsageError(f"There is no folder {place.parent} to write {place.name} to.", ctx)


def check_not_own(place: Place, output: Place) -> None:
    """Refuse to write over the files of a set."""
    there, root = str(real_place(place)), f"{real_place(output)}/"
    if there.startswith(root) and is_own(there.removeprefix(root)):
        raise click.UsageError(f"-o {place} lies among the files of the set in {output}. Give a file elsewhere.")


def write_output(place: Place, data: bytes, what: str = "") -> None:
    """Write what a command made, and say where it is."""
    put_output(place, data)
    tell(f"Wrote {place}{what}.", place)


def tell(line: str, place: Place | None) -> None:
    """Say something beside what is written to a place: on standard error where that is standard output."""
    click.echo(line, err=isinstance(place, Path) and is_stdout(place))
