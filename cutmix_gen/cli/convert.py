"""`cutmix-gen convert`: the same set in another shard format."""

from __future__ import annotations

import click

from cutmix_gen.cli.answers import Converted
from cutmix_gen.cli.options import OUT, NearestChoice, jobs_option, json_option, print_json, say
from cutmix_gen.cli.progress import Progress, talk_options
from cutmix_gen.shards import SHARD_FORMATS
from cutmix_gen.storage import Place, parse_place


@click.command("convert")
@OUT
@click.argument("new", metavar="NEW")
@click.option("--format", "format_name", type=NearestChoice(list(SHARD_FORMATS)), required=True, help="Shard format.")
@jobs_option
@talk_options
@json_option
def command(
    output: Place, new: str, format_name: str, jobs: int | None, progress: str, quiet: bool, as_json: bool
) -> None:
    """Write the set in OUT to the folder NEW in another shard format. No image is decoded.

    NEW is the set that generate would have made in that format. The same command again goes on where one stopped.

    \b
    Example:
      cutmix-gen convert out out-tars --format webdataset
    """
    from cutmix_gen.exports.convert import convert_set  # noqa: PLC0415  each command imports what it needs

    place = parse_place(new)
    with Progress("shards", progress, quiet=quiet) as shown:
        done = convert_set(output, place, format_name, jobs, shown)
    if as_json:
        print_json(Converted(str(place), format_name, done.samples, done.new_shards))
    elif not quiet and done.new_shards:
        say([f"Wrote {done.samples:,} samples to {place} as {format_name}."])
    elif not quiet:
        say([f"All is done: {place} has the {done.samples:,} samples as {format_name} already."])
