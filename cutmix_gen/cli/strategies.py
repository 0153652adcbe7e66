"""`cutmix-gen strategies`: the ways of mixing."""

from __future__ import annotations

from pathlib import Path

import click

from cutmix_gen.cli.options import PLACE, say
from cutmix_gen.storage import Place
from cutmix_gen.words import strategy_lines


@click.command("strategies")
@click.argument("source", metavar="[SRC]", required=False, type=PLACE)
@click.option("-o", "--output", metavar="FILE", type=click.Path(path_type=Path), help="Draw examples from SRC.")
@click.option("--seed", default=0, metavar="INT", show_default=True, help="Of the choice of images.")
def command(source: Place | None, output: Path | None, seed: int) -> None:
    """List the ways of mixing with their options, or draw a row of examples for each.

    \b
    Example:
      cutmix-gen strategies
      cutmix-gen strategies -o strategies.png photos/train
    """
    if (source is None) != (output is None):
        raise click.UsageError("A picture needs both: cutmix-gen strategies -o FILE.png SRC")
    if source is None or output is None:
        say(strategy_lines())
        return
    if output.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp"):
        raise click.UsageError(f"FILE must end in .png, .jpg or .webp, but it is {output}.")
    if not output.absolute().parent.is_dir():
        raise click.UsageError(f"There is no folder {output.parent} to write {output.name} to.")
    from cutmix_gen.gallery import draw_gallery  # noqa: PLC0415  each command imports what it needs

    draw_gallery(source, seed).save(output)
    say([f"Wrote {output}."])
