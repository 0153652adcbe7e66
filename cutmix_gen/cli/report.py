"""`cutmix-gen report`: a page that shows what is in a set."""

from __future__ import annotations

import click

from cutmix_gen.cli.options import OUT, max_pixels_option, seed_option
from cutmix_gen.cli.outputs import check_not_own, output_option, tell
from cutmix_gen.storage import Place
from cutmix_gen.text import size_text


@click.command("report")
@OUT
@output_option("file", "report.html", "The page; one that is there is replaced, and - is standard output.")
@seed_option("Of the choice of samples.")
@max_pixels_option
def command(output: Place, file: Place, seed: int, max_pixels: int) -> None:
    """Write one HTML page that shows what is in a set and how it was made.

    Samples by class and by strategy, lam against its law, class mass, class pairs, image sizes, skips, and the command
    that makes the set again. The page needs no network and runs no script: send it to whoever should see it. Takes the
    extra report.

    \b
    Example:
      cutmix-gen report out -o report.html
    """
    check_not_own(file, output)
    from cutmix_gen.visualize.report import write_report  # noqa: PLC0415  each command imports what it needs

    size = write_report(output, file, seed, max_pixels=max_pixels)
    tell(f"Wrote {file}, {size_text(size)}.", file)
