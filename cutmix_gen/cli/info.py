"""`cutmix-gen info`: what is in a set."""

from __future__ import annotations

from dataclasses import asdict

import click

from cutmix_gen.cli.options import OUT, json_option, print_json, say
from cutmix_gen.storage import Place
from cutmix_gen.words import description_lines


@click.command("info")
@OUT
@json_option
def command(output: Place, as_json: bool) -> None:
    """Say what is in a set.

    \b
    Example:
      cutmix-gen info out
    """
    from cutmix_gen.describe import describe  # noqa: PLC0415  each command imports what it needs

    description = describe(output)
    print_json(asdict(description)) if as_json else say(description_lines(description, output))
