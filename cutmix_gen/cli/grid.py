"""`cutmix-gen grid`: a picture of samples of a set."""

from __future__ import annotations

from typing import Any

import click

from cutmix_gen.cli.options import OUT, NearestChoice, max_pixels_option, seed_option
from cutmix_gen.cli.outputs import check_not_own
from cutmix_gen.cli.pictures import picture_option, shape_options, write_picture
from cutmix_gen.storage import Place


@click.command("grid")
@OUT
@picture_option("grid.png")
@shape_options
@click.option(
    "--class", "classes", metavar="NAME", multiple=True, help="Only samples that show this class. Repeatable."
)
@click.option("--strategy", "strategies", metavar="NAME", multiple=True, help="Only samples mixed so. Repeatable.")
@click.option("--only", type=NearestChoice(["original", "cutmix"]), help="Only originals, or only mixed samples.")
@click.option("--key", "keys", metavar="KEY", multiple=True, help="The sample of this key. Repeatable.")
@seed_option("Of the choice.")
@max_pixels_option
def command(output: Place, picture: Place, rows: int, columns: int, max_pixels: int, **choice: Any) -> None:
    """Draw samples of a set: image, outline of what was pasted, and the share of each class.

    The samples are chosen at random, by seed; only these are read, whatever the size of the set. What each donor owns
    is outlined in the colour of its class.

    \b
    Example:
      cutmix-gen grid out -o grid.png --only cutmix
      cutmix-gen grid out --class cat --class dog --rows 2
    """
    check_not_own(picture, output)
    from cutmix_gen.visualize.grid import Choice, draw_grid  # noqa: PLC0415  each command imports what it needs

    write_picture(draw_grid(output, Choice(**choice), rows, columns, max_pixels), picture)
