"""`cutmix-gen verify`: is a set what its records say."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

from cutmix_gen.cli.options import FOUND_WRONG, OUT, json_option, print_json, say
from cutmix_gen.storage import Place
from cutmix_gen.words import verification_lines


@click.command("verify")
@OUT
@click.option("--deep", is_flag=True, help="Decode every image too.")
@click.option("-j", "--jobs", type=click.IntRange(1), metavar="INT", help="Processes.  [default: usable cores]")
@json_option
def command(output: Place, deep: bool, jobs: int | None, as_json: bool) -> None:
    """Check the shards of a set against their records, and every label against the law.

    Ends with code 3 and a line for each problem if something is wrong.

    \b
    Example:
      cutmix-gen verify out --deep
    """
    from cutmix_gen.verify import verify as run_verify  # noqa: PLC0415  each command imports what it needs

    result = run_verify(output, deep=deep, jobs=jobs)
    if as_json:
        print_json({"ok": result.ok} | asdict(result))
    else:
        say(verification_lines(result))
    sys.exit(0 if result.ok else FOUND_WRONG)
