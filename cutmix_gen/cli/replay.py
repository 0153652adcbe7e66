"""`cutmix-gen replay`: one sample made again."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from cutmix_gen.cli.options import FOUND_WRONG, OUT, moved_source
from cutmix_gen.storage import Place


@click.command("replay")
@OUT
@click.argument("key", metavar="KEY")
@moved_source
@click.option(
    "-o",
    "--output",
    "picture",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Draw the sources, the mask and the result to a .png, .jpg or .webp file.",
)
def command(output: Place, key: str, source: Place | None, picture: Path | None) -> None:
    """Make one sample again from its recipe and its sources, and compare it with the one in OUT.

    Ends with code 0 if the bytes are the same, 3 if they are not, 1 if a source is missing or has changed.

    \b
    Example:
      cutmix-gen replay out 0001-001-000000007 -o sample.png
    """
    if picture is not None and picture.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp"):
        raise click.UsageError(f"FILE must end in .png, .jpg or .webp, but it is {picture}.")
    if picture is not None and not picture.absolute().parent.is_dir():
        raise click.UsageError(f"There is no folder {picture.parent} to write {picture.name} to.")
    from cutmix_gen.replay import Replayer  # noqa: PLC0415  each command imports what it needs

    replayer = Replayer(output, source)
    result = replayer.replay(replayer.dataset.find(key))
    click.echo(f"{key}: {'the same bytes again' if result.same else result.problem}.")
    if picture is not None:
        replayer.draw(key).save(picture)
        click.echo(f"Wrote {picture}.")
    sys.exit(0 if result.same else FOUND_WRONG)
