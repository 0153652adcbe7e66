"""`cutmix-gen finalize`: close a set that was made in slices."""

from __future__ import annotations

import click

from cutmix_gen.cli.options import OUT, card_options, say
from cutmix_gen.cli.wording import count_text
from cutmix_gen.errors import CutMixGenError
from cutmix_gen.storage import Place


@click.command("finalize")
@OUT
@card_options
def command(output: Place, license_name: str, sidecars: bool) -> None:
    """Close a set that was made in slices: write its card, or say which shards are missing.

    \b
    Example:
      cutmix-gen finalize out
    """
    from cutmix_gen.dataset.finalize import finalize as run_finalize  # noqa: PLC0415  each command imports what it needs

    missing = run_finalize(output, license_name=license_name, sidecars=sidecars)
    if missing:
        first = ", ".join(f"{shard:06d}" for shard in missing[:10])
        what = f"{count_text(len(missing), 'shard')} {'is' if len(missing) == 1 else 'are'} missing"
        raise CutMixGenError(
            f"{what}: {first}{', ...' if len(missing) > 10 else ''}. "
            "Run the slices that make them again, then finalize."
        )
    say([f"All shards are there; wrote {output / 'README.md'}."])
