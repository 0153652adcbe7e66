"""`cutmix-gen verify`: is a set what its records say."""

from __future__ import annotations

import sys

import click

from cutmix_gen.cli.answers import Repaired, Verified
from cutmix_gen.cli.options import (
    FOUND_WRONG,
    OUT,
    jobs_option,
    json_option,
    max_pixels_option,
    moved_source,
    number_option,
    print_json,
    say,
    seed_option,
)
from cutmix_gen.cli.progress import Progress, talk_options
from cutmix_gen.cli.wording import verification_lines
from cutmix_gen.ranges import SAMPLES
from cutmix_gen.storage import Place


@click.command("verify")
@OUT
@click.option("--deep", is_flag=True, help="Decode every image, and look every donor up in the source index.")
@number_option(
    "--replay",
    "count",
    among=SAMPLES,
    text="Make so many samples, drawn at random, again from the sources, and compare the bytes.",
    default=0,
)
@seed_option("Of that choice.")
@moved_source
@click.option("--repair", is_flag=True, help="Drop what is bad, so that the next generate makes it again.")
@max_pixels_option
@jobs_option
@talk_options
@json_option
def command(
    output: Place,
    deep: bool,
    count: int,
    seed: int,
    source: Place | None,
    repair: bool,
    max_pixels: int,
    jobs: int | None,
    progress: str,
    quiet: bool,
    as_json: bool,
) -> None:
    """Check a set: its description, its shards against their records, every label against the law.

    Ends with code 3 and a line for each problem if something is wrong.

    \b
    Example:
      cutmix-gen verify out --deep
      cutmix-gen verify out --replay 100
    """
    if source is not None and not count:
        raise click.UsageError("--source is where --replay N finds the sources. Give both, or neither.")
    from cutmix_gen.checking import Replays  # noqa: PLC0415  each command imports what it needs
    from cutmix_gen.checking import repair as run_repair  # noqa: PLC0415
    from cutmix_gen.checking import verify as run_verify  # noqa: PLC0415

    replays = Replays(count, seed, source) if count else None
    with Progress("checks" if count else "shards", progress, quiet=quiet) as shown:
        result = run_verify(output, deep=deep, jobs=jobs, replays=replays, progress=shown, max_pixels=max_pixels)
    dropped = run_repair(output, result.problems) if repair else None
    if as_json:
        print_json(Verified.of(result), *([] if dropped is None else [Repaired(dropped)]))
    elif not quiet or not result.ok:
        say(verification_lines(result, output, dropped))
    sys.exit(0 if result.ok else FOUND_WRONG)
