"""`cutmix-gen preview`: a picture of what `generate` would make."""

from __future__ import annotations

import sys
from typing import Any

import click
from click.core import ParameterSource

from cutmix_gen.cli.options import FOUND_WRONG, SRC, mixing_options, say
from cutmix_gen.cli.pictures import check_outside, picture_option, shape_options, write_picture
from cutmix_gen.cli.wording import skips_lines
from cutmix_gen.config import GenerateConfig
from cutmix_gen.storage import Place


@click.command("preview")
@SRC
@picture_option("preview.png")
@shape_options
@click.option("--explain", is_flag=True, help="Sources, mask and mixed image side by side, one sample per row.")
@mixing_options
def command(source: Place, picture: Place, rows: int, columns: int, explain: bool, **options: Any) -> None:
    """Draw samples as `generate` would make them of the images in SRC, and write nothing but the picture.

    It takes about a second however many images there are: of many, some are looked at, chosen by seed (up to 500 images
    of 64 classes). What `auto` stands for and how often a class is drawn follow from these.

    \b
    Example:
      cutmix-gen preview photos/train --strategy patches --mix-option grid=4
      cutmix-gen preview photos/train -o why.png --explain --rows 3
    """
    if explain and click.get_current_context().get_parameter_source("columns") is ParameterSource.COMMANDLINE:
        raise click.UsageError("--columns would have no effect: --explain shows one sample a row. Leave it out.")
    check_outside(picture, source)
    config = GenerateConfig(source=source, output=source, **options)
    from cutmix_gen.visualize.preview import draw_preview  # noqa: PLC0415  each command imports what it needs

    preview = draw_preview(config, rows, columns, explain=explain)
    write_picture(preview.picture, picture)
    if preview.skipped:
        say(skips_lines(preview.skipped))
        sys.exit(FOUND_WRONG)
