"""`cutmix-gen generate`: make a set."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from cutmix_gen.cli.options import KEEP_LINES, OUT, SRC, config_options, json_option, print_json, say
from cutmix_gen.config import GenerateConfig
from cutmix_gen.storage import Place
from cutmix_gen.words import estimate_lines, report_lines, strategy_lines

if TYPE_CHECKING:
    from cutmix_gen.plan import Run
    from cutmix_gen.records import ShardRecord
    from cutmix_gen.tally import Tally


@click.command("generate", epilog=KEEP_LINES + "Ways of mixing:\n" + "\n".join(strategy_lines()))
@SRC
@OUT
@config_options
@click.option("--dry-run", is_flag=True, help="Say what it will take, from a timed sample, and write nothing.")
@json_option
def command(source: Place, output: Place, dry_run: bool, as_json: bool, **options: Any) -> None:
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

    bar = _Bar()
    try:
        report = run_generate(config, bar)
    finally:
        bar.close()
    if as_json:
        print_json(asdict(report) | {"output": str(output)})
    else:
        say(report_lines(report, output))
    sys.exit(report.exit_code)


class _Bar:
    """A progress bar in samples, on a terminal only."""

    def __init__(self) -> None:
        self._bar: Any = None

    def begin(self, run: Run, done: Tally) -> None:
        """Start the bar where the run stands."""
        from tqdm import tqdm  # noqa: PLC0415  each command imports what it needs

        self._bar = tqdm(total=run.info.samples, initial=done.total, unit=" samples", disable=None, smoothing=0.1)

    def add(self, record: ShardRecord) -> None:
        """Move on by a shard's samples."""
        self._bar.update(record.samples)

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self._bar is not None:
            self._bar.close()
