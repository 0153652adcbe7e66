"""`cutmix-gen generate`: make a set."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cutmix_gen.cli.answers import Output
from cutmix_gen.cli.options import FOUND_WRONG, PLACE, config_options, json_option, print_json, say
from cutmix_gen.cli.progress import Progress, talk_options
from cutmix_gen.cli.sections import SectionedCommand
from cutmix_gen.cli.settings import settings_lines, with_file
from cutmix_gen.cli.wording import estimate_lines, report_lines
from cutmix_gen.config import GenerateConfig
from cutmix_gen.storage import Place

if TYPE_CHECKING:
    from cutmix_gen.dataset.records import ShardRecord, Skip
    from cutmix_gen.dataset.tally import Tally


@click.command("generate", cls=SectionedCommand)
@click.argument("source", metavar="SRC", type=PLACE, required=False)
@click.argument("output", metavar="OUT", type=PLACE, required=False)
@config_options
@click.option("--dry-run", is_flag=True, help="Say what it will take, from timed trials, and write nothing.")
@click.option(
    "--config",
    "config_file",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take options from a TOML file, or from the record of a run; those given here win.",
)
@click.option("--print-config", is_flag=True, help="Print all options as they stand as such a file, and do no more.")
@json_option
@talk_options
def command(source: Place | None, output: Place | None, **options: Any) -> None:
    """Make a set from the images in SRC, or go on where an earlier call stopped.

    The sub-folders of SRC are the classes; SRC may also hold shards: a set, a WebDataset, Parquet files with images and
    labels. OUT gets the original images and the mixed ones in shards, with a dataset card. The same command again
    resumes, or says that all is done.

    \b
    Example:
      cutmix-gen generate photos/train out --copies 4 --size 224
    """
    ctx = click.get_current_context()
    talk = _Talk(as_json=options.pop("as_json"), progress=options.pop("progress"), quiet=options.pop("quiet"))
    dry_run, prints = options.pop("dry_run"), options.pop("print_config")
    options = with_file(ctx, options, options.pop("config_file"))
    if prints:
        say(settings_lines(GenerateConfig(source=Path("SRC"), output=Path("OUT"), **options)))
        return
    if source is None or output is None:
        missing = "OUT is" if source else "SRC and OUT are"
        raise click.UsageError(f"{missing} missing: {ctx.command_path} {source or 'SRC'} OUT", ctx)
    config = GenerateConfig(source=source, output=output, **options)
    if dry_run:
        _dry_run(config, talk)
    else:
        _make(config, talk)


@dataclass(frozen=True, slots=True)
class _Talk:
    as_json: bool
    progress: str
    quiet: bool


def _make(config: GenerateConfig, talk: _Talk) -> None:
    from cutmix_gen.generation.make import generate as run_generate  # noqa: PLC0415  each command imports what it needs

    with _GenerateProgress(talk.progress, quiet=talk.quiet) as progress:
        report = run_generate(config, progress)
    if talk.as_json:
        print_json(report, Output(str(config.output)))
    elif not talk.quiet:
        say(report_lines(report, config.output, append=config.append))
    sys.exit(report.exit_code)


def _dry_run(config: GenerateConfig, talk: _Talk) -> None:
    from cutmix_gen.generation.estimate import estimate  # noqa: PLC0415  each command imports what it needs
    from cutmix_gen.generation.make import too_many_failures  # noqa: PLC0415  as above
    from cutmix_gen.generation.space import check_room  # noqa: PLC0415  as above

    with Progress("samples", talk.progress, quiet=talk.quiet):
        expected = estimate(config)
    print_json(expected) if talk.as_json else say(estimate_lines(expected))
    check_room(config, expected.bytes, expected.free)
    if expected.stops:
        raise too_many_failures(expected.skipped, config.failures.of(expected.images))
    sys.exit(FOUND_WRONG if expected.skipped else 0)


class _GenerateProgress(Progress):
    """Counts samples; the note tells shards and skips."""

    def __init__(self, form: str, *, quiet: bool) -> None:
        super().__init__("samples", form, quiet=quiet)
        self._planned = 0
        self._skipped: set[str] = set()

    def begin(self, done: Tally, samples: int, shards: int) -> None:
        """Start where the run stands."""
        self._planned = shards
        self.start(samples, done.total, self._state(done.shards, done.skipped))

    def add(self, record: ShardRecord) -> None:
        """Move on by the samples of a shard, those that had to be skipped among them."""
        state = self._state((self.shards or 0) + 1, record.skipped)
        self.advance(record.samples + len(record.skipped), state)

    def _state(self, shards: int, skipped: list[Skip]) -> str:
        self._skipped.update(skip.path for skip in skipped)
        self.shards, self.skips = shards, len(self._skipped)
        return f"{shards:,}/{self._planned:,} shards, {self.skips:,} skipped"
