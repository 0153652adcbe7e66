"""`cutmix-gen generate`: make a set."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from cutmix_gen.cli.options import KEEP_LINES, OUT, SRC, config_options, json_option, print_json, say
from cutmix_gen.cli.progress import Progress, talk_options
from cutmix_gen.config import GenerateConfig
from cutmix_gen.storage import Place
from cutmix_gen.words import estimate_lines, report_lines, strategy_lines

if TYPE_CHECKING:
    from cutmix_gen.records import ShardRecord
    from cutmix_gen.tally import Tally


@click.command("generate", epilog=KEEP_LINES + "Ways of mixing:\n" + "\n".join(strategy_lines()))
@SRC
@OUT
@config_options
@click.option("--dry-run", is_flag=True, help="Say what it will take, from a timed sample, and write nothing.")
@json_option
@talk_options
def command(source: Place, output: Place, dry_run: bool, as_json: bool, quiet: bool, **options: Any) -> None:
    """Make a set from the images in SRC, or go on where an earlier call stopped.

    The sub-folders of SRC are the classes; SRC may also hold shards: a set, a WebDataset, Parquet files with images and
    labels. OUT gets the original images and the mixed ones in shards, with a dataset card. The same command again
    resumes, or says that all is done.

    \b
    Example:
      cutmix-gen generate photos/train out --format webdataset --copies 4 --size 224
    """
    config = GenerateConfig(source=source, output=output, **options)
    if dry_run:
        from cutmix_gen.estimate import estimate  # noqa: PLC0415  each command imports what it needs

        expected = estimate(config)
        print_json(asdict(expected)) if as_json else say(estimate_lines(expected))
        return
    from cutmix_gen.make import generate as run_generate  # noqa: PLC0415  each command imports what it needs

    with _GenerateProgress(quiet=quiet) as progress:
        report = run_generate(config, progress)
    if as_json:
        print_json(asdict(report) | {"output": str(output)})
    elif not quiet:
        say(report_lines(report, output))
    sys.exit(report.exit_code)


class _GenerateProgress(Progress):
    """Counts samples; the note tells shards and skips."""

    def __init__(self, *, quiet: bool) -> None:
        super().__init__("samples", quiet=quiet)
        self._shards = 0
        self._planned = 0
        self._skipped: set[str] = set()

    def begin(self, done: Tally, samples: int, shards: int) -> None:
        """Start where the run stands."""
        self._shards, self._planned = done.shards, shards
        self._skipped = {skip.path for skip in done.skipped}
        self.start(samples, done.total, self._state())

    def add(self, record: ShardRecord) -> None:
        """Move on by the samples of a shard, those that had to be skipped among them."""
        self._shards += 1
        self._skipped |= {skip.path for skip in record.skipped}
        self.advance(record.samples + len(record.skipped), self._state())

    def _state(self) -> str:
        return f"{self._shards:,}/{self._planned:,} shards, {len(self._skipped):,} skipped"
