"""`cutmix-gen strategies`: the ways of mixing."""

from __future__ import annotations

import click

from cutmix_gen.cli.options import PLACE, say, seed_option
from cutmix_gen.cli.pictures import check_outside, picture_option, write_picture
from cutmix_gen.cli.wording import strategy_lines
from cutmix_gen.storage import Place


@click.command("strategies")
@click.argument("source", metavar="[SRC]", required=False, type=PLACE)
@picture_option(None, "Draw examples from SRC to a .png, .jpg or .webp.")
@seed_option("Of the choice of images.")
def command(source: Place | None, picture: Place | None, seed: int) -> None:
    """List the ways of mixing with their options, or draw a row of examples for each.

    \b
    Example:
      cutmix-gen strategies
      cutmix-gen strategies -o strategies.png photos/train
    """
    if (source is None) != (picture is None):
        raise click.UsageError("A picture needs both: cutmix-gen strategies -o FILE.png SRC")
    if source is None or picture is None:
        say(strategy_lines())
        return
    check_outside(picture, source)
    from cutmix_gen.visualize.gallery import draw_gallery  # noqa: PLC0415  each command imports what it needs

    write_picture(draw_gallery(source, seed), picture)
