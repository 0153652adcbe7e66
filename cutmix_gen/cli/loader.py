"""`cutmix-gen loader`: a script that trains on a set, for a framework."""

from __future__ import annotations

import click

from cutmix_gen.cli.options import OUT, NearestChoice
from cutmix_gen.cli.outputs import check_not_own, output_option, write_output
from cutmix_gen.exports.loaders import LOADERS
from cutmix_gen.storage import Place


@click.command("loader")
@OUT
@click.option("--framework", type=NearestChoice(list(LOADERS)), required=True, help="What to train with.")
@output_option("file", None, "Write it to a file.")
def command(output: Place, framework: str, file: Place | None) -> None:
    """Print a script that trains on the set in OUT as it stands, without this package.

    It has the set's own paths, classes and sizes, and it reads, decodes, shuffles, batches and changes the images in
    several workers, in ways that keep the labels true. Take from it what your own training needs.

    \b
    Example:
      cutmix-gen loader out --framework torch -o train.py
    """
    from cutmix_gen.exports.loaders.script import snippet  # noqa: PLC0415  each command imports what it needs

    script = snippet(output, framework)
    if file is None:
        click.echo(script, nl=False)
    else:
        check_not_own(file, output)
        write_output(file, script.encode())
