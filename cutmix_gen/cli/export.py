"""`cutmix-gen export`: the samples of a set in another form."""

from __future__ import annotations

import click

from cutmix_gen.cli.answers import Exported
from cutmix_gen.cli.options import OUT, PLACE, NearestChoice, jobs_option, json_option, print_json, say
from cutmix_gen.cli.progress import Progress, talk_options
from cutmix_gen.exports import EXPORTS
from cutmix_gen.storage import Place


@click.command("export")
@OUT
@click.argument("folder", metavar="FOLDER", type=PLACE)
@click.option("--format", "form", type=NearestChoice(list(EXPORTS)), required=True, help="What to write.")
@jobs_option
@talk_options
@json_option
def command(
    output: Place, folder: Place, form: str, jobs: int | None, progress: str, quiet: bool, as_json: bool
) -> None:
    """Write the samples of the set in OUT to a new FOLDER in another form. No image is decoded.

    imagefolder has SPLIT/CLASS/KEY.jpg and a metadata.jsonl with all fields, as Hugging Face's imagefolder reads it.
    tfrecord has a file of tf.train.Example records for each shard, and features.json, which says what they hold.

    \b
    Example:
      cutmix-gen export out images --format imagefolder
    """
    from cutmix_gen.exports.export import export_set  # noqa: PLC0415  each command imports what it needs

    with Progress("shards", progress, quiet=quiet) as shown:
        samples = export_set(output, folder, form, jobs, shown)
    if as_json:
        print_json(Exported(str(folder), form, samples))
    elif not quiet:
        say([f"Wrote {samples:,} samples to {folder} as {form}."])
