"""`cutmix-gen report`: a page that shows what is in a set."""

from __future__ import annotations

from pathlib import Path

import click

from cutmix_gen.cli.options import OUT
from cutmix_gen.quantities import size_text
from cutmix_gen.storage import Place


@click.command("report")
@OUT
@click.option(
    "-o",
    "--output",
    "file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    default="report.html",
    show_default=True,
    help="The page; one that is there is replaced.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, metavar="INT", show_default=True, help="Of the choice of samples."
)
def command(output: Place, file: Path, seed: int) -> None:
    """Write one HTML page that shows what is in a set and how it was made.

    Samples by class and by strategy, lam against its law, class mass, class pairs, image sizes, skips, and the command
    that makes the set again. The page needs no network and runs no script: send it to whoever should see it. Takes the
    extra report.

    \b
    Example:
      cutmix-gen report out -o report.html
    """
    if not file.absolute().parent.is_dir():
        raise click.UsageError(f"There is no folder {file.parent} to write {file.name} to.")
    from cutmix_gen.report import write_report  # noqa: PLC0415  each command imports what it needs

    size = write_report(output, file, seed)
    click.echo(f"Wrote {file}, {size_text(size)}.")
