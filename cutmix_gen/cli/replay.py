"""`cutmix-gen replay`: one sample made again."""

from __future__ import annotations

import sys

import click

from cutmix_gen.cli.options import FOUND_WRONG, OUT, max_pixels_option, moved_source
from cutmix_gen.cli.outputs import check_not_own, tell
from cutmix_gen.cli.pictures import picture_option, write_picture
from cutmix_gen.storage import Place


@click.command("replay")
@OUT
@click.argument("key", metavar="KEY")
@moved_source
@max_pixels_option
@picture_option(None, "Draw the sources, the mask and the result to a .png, .jpg or .webp.")
def command(output: Place, key: str, source: Place | None, picture: Place | None, max_pixels: int) -> None:
    """Make one sample again from its recipe and its sources, and compare it with the one in OUT.

    Ends with code 0 if the bytes are the same, 3 if they are not, 1 if a source is missing or has changed.

    \b
    Example:
      cutmix-gen replay out 0001-001-000000007 -o sample.png
    """
    if picture is not None:
        check_not_own(picture, output)
    from cutmix_gen.checking.replay import Replayer  # noqa: PLC0415  each command imports what it needs

    replayer = Replayer(output, source, max_pixels)
    result = replayer.replay(replayer.dataset.find(key))
    tell(f"{key}: {'the same bytes again' if result.same else result.problem}.", picture)
    if picture is not None:
        from cutmix_gen.visualize.explain import draw_replay  # noqa: PLC0415  seldom asked for

        write_picture(draw_replay(replayer, key), picture)
    sys.exit(0 if result.same else FOUND_WRONG)
