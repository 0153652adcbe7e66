"""The command line: options to a configuration, a call, words and an exit code. Nothing below here prints or exits."""

from __future__ import annotations

import json
import logging
import signal
import sys
from collections.abc import Callable
from dataclasses import Field, asdict, fields
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

from cutmix_gen.config import GenerateConfig
from cutmix_gen.errors import CutMixGenError, InterruptedRunError
from cutmix_gen.masks import STRATEGIES
from cutmix_gen.version import __version__

if TYPE_CHECKING:
    from cutmix_gen.describe import Description
    from cutmix_gen.estimate import Estimate
    from cutmix_gen.plan import Run
    from cutmix_gen.records import Report, ShardRecord, Skip
    from cutmix_gen.tally import Tally
    from cutmix_gen.verify import Verification

Command = TypeVar("Command", bound=Callable[..., Any])

_FOUND_WRONG = 3
"""Exit code of a command that finished, but skipped something or found something wrong."""
_SHOWN_SKIPS = 5


class _Group(click.Group):
    """The group of all commands: it turns this program's errors into one message and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        signal.signal(signal.SIGTERM, _interrupt)
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            if ctx.params["debug"]:
                raise
            goes_on = " What is committed stays; the same command goes on from there."
            _fail(InterruptedRunError("Interrupted." + (goes_on if ctx.invoked_subcommand == "generate" else "")))
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if ctx.params["debug"]:
                raise
            _fail(error)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _fail(error: Exception) -> None:
    click.secho("Error: ", fg="red", bold=True, err=True, nl=False)
    if isinstance(error, CutMixGenError | OSError):
        click.echo(str(error), err=True)
    else:
        click.echo(f"{type(error).__name__}: {error} (a bug of cutmix-gen; --debug shows where)", err=True)
    sys.exit(error.exit_code if isinstance(error, CutMixGenError) else 1)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="cutmix-gen")
@click.option("--debug", is_flag=True, help="Show where an error came from.")
def main(debug: bool) -> None:
    """Add CutMix samples with exact soft labels to an image data set, in shards that any loader reads.

    \b
    Example:
      cutmix-gen generate photos/train out --copies 4 --size 224
      cutmix-gen info out
    """
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.DEBUG if debug else logging.WARNING)


def _config_options(command: Command) -> Command:
    """Add an option for each field of the configuration that has a help text."""
    for item in reversed(fields(GenerateConfig)):
        if "help" in item.metadata:
            command = _config_option(item)(command)
    return command


def _config_option(item: Field[Any]) -> Callable[[Command], Command]:
    facts, default = item.metadata, item.default
    flag = facts["flag"] or "--" + item.name.replace("_", "-")
    names = [*flag.split("/"), item.name] if flag.startswith("-j") else [flag, item.name]
    settings: dict[str, Any] = {"help": facts["help"], "default": default}
    if isinstance(default, bool):
        settings |= {"is_flag": True, "show_default": "/" in flag and "originals"}
    elif facts["choices"]:
        settings |= {"type": click.Choice(list(facts["choices"])), "show_default": True}
    else:
        kind = str(item.type)
        settings["metavar"] = facts["metavar"]
        settings["type"] = int if kind.startswith("int") else float if kind.startswith("float") else str
        settings["multiple"] = kind.startswith("tuple")
        if facts["metavar"] == "FILE":
            settings |= {
                "multiple": False,
                "type": click.File(encoding="utf-8-sig"),
                "callback": _lines_of,
                "default": None,
            }
        settings["show_default"] = default not in (None, (), "")
    return click.option(*names, **settings)


def _lines_of(ctx: click.Context, param: click.Parameter, file: TextIO | None) -> tuple[str, ...]:
    """Return the lines of a file: what it says is part of a run, where it lies is not."""
    if file is None:
        return ()
    with file:
        lines = tuple(line.rstrip("\r\n") for line in file)
    if not any(line.strip() for line in lines):
        raise click.BadParameter("the file is empty; it takes lines of class_a,class_b,count.", ctx, param)
    return lines


def _json_option(command: Command) -> Command:
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")(command)


_SRC = click.argument("source", metavar="SRC", type=click.Path(path_type=Path))
_OUT = click.argument("output", metavar="OUT", type=click.Path(path_type=Path))


def _strategy_lines() -> list[str]:
    """Return a few lines on each strategy: what it does, where it comes from, its options."""
    lines = []
    for name, strategy in STRATEGIES.items():
        summary = (strategy.__doc__ or "").strip().splitlines()[0]
        lines += [click.style(name, bold=True), f"  {summary}", f"  {strategy.reference}"]
        for item in fields(strategy):  # type: ignore[arg-type]  # every strategy is a dataclass
            lines.append(f"    --mix-option {item.name}={_value_text(item.default)}  {item.metadata['help']}")
    return lines


def _value_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


_KEEP_LINES = "\b\n"
"""What tells click to leave the lines of a paragraph as they are."""


@main.command(epilog=_KEEP_LINES + "Ways of mixing:\n" + click.unstyle("\n".join(_strategy_lines())))
@_SRC
@_OUT
@_config_options
@click.option("--dry-run", is_flag=True, help="Say what it will take, from a timed sample, and write nothing.")
@_json_option
def generate(source: Path, output: Path, dry_run: bool, as_json: bool, **options: Any) -> None:
    """Make a set from the images in SRC, or go on where an earlier call stopped.

    The sub-folders of SRC are the classes. OUT gets the original images and the mixed ones in shards, with a
    dataset card. The same command again resumes, or says that all is done.

    \b
    Example:
      cutmix-gen generate photos/train out --format webdataset --copies 4 --size 224
    """
    config = GenerateConfig(source=source, output=output, **options)
    if dry_run:
        from cutmix_gen.estimate import estimate  # noqa: PLC0415  each command imports what it needs

        expected = estimate(config)
        _print_json(asdict(expected)) if as_json else _show_estimate(expected)
        return
    from cutmix_gen.make import generate as run_generate  # noqa: PLC0415  each command imports what it needs

    bar = _Bar()
    try:
        report = run_generate(config, bar)
    finally:
        bar.close()
    if as_json:
        _print_json(asdict(report) | {"output": str(output)})
    else:
        _show_report(report, config)
    sys.exit(report.exit_code)


@main.command()
@_OUT
@_json_option
def info(output: Path, as_json: bool) -> None:
    """Say what is in a set.

    \b
    Example:
      cutmix-gen info out
    """
    from cutmix_gen.describe import describe  # noqa: PLC0415  each command imports what it needs

    description = describe(output)
    _print_json(asdict(description)) if as_json else _show_description(description, output)


@main.command()
@_OUT
@click.option("--deep", is_flag=True, help="Decode every image too.")
@click.option("-j", "--jobs", type=click.IntRange(1), metavar="INT", help="Processes.  [default: usable cores]")
@_json_option
def verify(output: Path, deep: bool, jobs: int | None, as_json: bool) -> None:
    """Check the shards of a set against their records, and every label against the law.

    Ends with code 3 and a line for each problem if something is wrong.

    \b
    Example:
      cutmix-gen verify out --deep
    """
    from cutmix_gen.verify import verify as run_verify  # noqa: PLC0415  each command imports what it needs

    result = run_verify(output, deep=deep, jobs=jobs)
    if as_json:
        _print_json({"ok": result.ok} | asdict(result))
    else:
        _show_verification(result)
    sys.exit(0 if result.ok else _FOUND_WRONG)


@main.command()
@_OUT
def finalize(output: Path) -> None:
    """Close a set that was made in slices: write its card, or say which shards are missing.

    \b
    Example:
      cutmix-gen finalize out
    """
    from cutmix_gen.make import finalize as run_finalize  # noqa: PLC0415  each command imports what it needs

    missing = run_finalize(output)
    if missing:
        first = ", ".join(f"{shard:06d}" for shard in missing[:10])
        raise CutMixGenError(
            f"{len(missing)} shards are missing: {first}{', ...' if len(missing) > 10 else ''}. "
            "Run the slices that make them again, then finalize."
        )
    click.echo(f"All shards are there; wrote {output / 'README.md'}.")


@main.command()
@click.argument("source", metavar="[SRC]", required=False, type=click.Path(path_type=Path))
@click.option("-o", "--output", metavar="FILE", type=click.Path(path_type=Path), help="Draw examples from SRC.")
@click.option("--seed", default=0, metavar="INT", show_default=True, help="Of the choice of images.")
def strategies(source: Path | None, output: Path | None, seed: int) -> None:
    """List the ways of mixing with their options, or draw a row of examples for each.

    \b
    Example:
      cutmix-gen strategies
      cutmix-gen strategies -o strategies.png photos/train
    """
    if (source is None) != (output is None):
        raise click.UsageError("A picture needs both: cutmix-gen strategies -o FILE.png SRC")
    if source is None or output is None:
        click.echo("\n".join(_strategy_lines()))
        return
    if output.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp"):
        raise click.UsageError(f"FILE must end in .png, .jpg or .webp, but it is {output}.")
    if not output.absolute().parent.is_dir():
        raise click.UsageError(f"There is no folder {output.parent} to write {output.name} to.")
    from cutmix_gen.gallery import draw_gallery  # noqa: PLC0415  each command imports what it needs

    draw_gallery(source, seed).save(output)
    click.echo(f"Wrote {output}.")


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


def _print_json(facts: dict[str, Any]) -> None:
    click.echo(json.dumps(facts))


def _show_report(report: Report, config: GenerateConfig) -> None:
    if not report.new_shards and report.complete:
        click.echo(f"All is done: {config.output} has the {_count(report.samples, 'sample')} of this run already.")
    else:
        rate = report.new_samples / report.seconds if report.seconds else 0.0
        click.echo(
            f"Made {_count(report.new_samples, 'sample')} in {_count(report.new_shards, 'shard')}, "
            f"{size_text(report.new_bytes)}, "
            f"in {report.seconds:.1f} s ({rate:,.0f} a second)."
        )
        if report.new_samples != report.samples:
            click.echo(f"The run now has {_count(report.samples, 'sample')} in {_count(report.shards, 'shard')}.")
        if not report.complete:
            click.echo(
                "Other slices have shards to make yet. The last one writes the card; "
                f"`cutmix-gen finalize {config.output}` does it by hand."
            )
    if report.missing_elsewhere:
        click.echo(
            f"An earlier run of the set still lacks {_count(report.missing_elsewhere, 'shard')}. "
            "Give its command again; then the card is written."
        )
    if report.passed_over:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in report.passed_over.items())
        click.echo(f"Passed over {_count(sum(report.passed_over.values()), 'file')}: {reasons}.")
    if report.converted:
        click.echo(f"{_count(report.converted, 'source image')} had to be converted to the set's pixel mode.")
    _show_skips(report.skipped, report.lost_samples)


def _show_skips(skipped: list[Skip], lost: int) -> None:
    for title, unreadable in (("Could not read", True), ("Could not mix", False)):
        group = [skip for skip in skipped if skip.unreadable == unreadable]
        if group:
            click.secho(f"{title} {_count(len(group), 'source image')}:", fg="yellow")
        for skip in group[:_SHOWN_SKIPS]:
            click.echo(f"  {skip.path}: {skip.reason}")
        if len(group) > _SHOWN_SKIPS:
            click.echo(f"  and {len(group) - _SHOWN_SKIPS:,} more; `cutmix-gen info OUT --json` lists all")
    if lost:
        click.echo(f"Because of them {_count(lost, 'sample')} of the plan {'was' if lost == 1 else 'were'} not made.")


def _show_estimate(expected: Estimate) -> None:
    click.echo(
        f"{_count(expected.images, 'image')} give {_count(expected.samples, 'sample')} in "
        f"{_count(expected.shards, 'shard')}: about "
        f"{size_text(expected.bytes)} and {time_text(expected.seconds)} with {_count(expected.jobs, 'process')}."
    )


def _show_description(description: Description, output: Path) -> None:
    samples = description.samples
    click.secho(str(output), bold=True)
    for name, value in (
        ("format", f"{description.format}, {description.mode} as {description.image_format}"),
        *((f"run {run.number}", f"{_count(run.num_images, 'image')} of {run.source}") for run in description.runs),
        ("shards", _of(description.shards, description.planned_shards)),
        ("bytes", size_text(description.bytes)),
        ("samples", f"{samples.total:,}: {samples.original:,} originals, {samples.synthetic:,} mixed"),
        (
            "strategies",
            ", ".join(f"{k} {v:,}" for k, v in description.strategies.items() if k != "original") or "none",
        ),
        ("classes", f"{description.num_classes:,}"),
    ):
        click.echo(f"  {name:<12}{value}")
    _show_classes(description)
    if samples.synthetic:
        _show_histogram(description.lam_histogram)
    _show_skips(description.skipped, description.lost_samples)


def _of(count: int, planned: int) -> str:
    return f"{count:,}" if count == planned else f"{count:,} of {planned:,}: the run is not finished"


_SHOWN_CLASSES = 20


def _show_classes(description: Description) -> None:
    shown = description.class_weight[:_SHOWN_CLASSES]
    width = min(max(len(row.name) for row in shown), 40)
    click.echo(f"\n  {'class':<{width}}  {'original':>12}  {'mixed':>12}    (sum of label shares)")
    for row in shown:
        name = row.name if len(row.name) <= width else row.name[: width - 1] + "…"
        click.echo(f"  {name:<{width}}  {row.original:>12,.1f}  {row.synthetic:>12,.1f}")
    if len(description.class_weight) > _SHOWN_CLASSES:
        click.echo(f"  and {len(description.class_weight) - _SHOWN_CLASSES:,} more; --json lists all")


def _show_histogram(histogram: list[int]) -> None:
    click.echo("\n  lam, the share of the base, over the mixed samples")
    most, step = max(histogram), 1 / len(histogram)
    for number, count in enumerate(histogram):
        bar = "█" * round(40 * count / most)
        click.echo(f"  {number * step:.2f} to {(number + 1) * step:.2f}  {count:>10,}  {bar}")


def _show_verification(result: Verification) -> None:
    for problem in result.problems:
        where = f"{problem.shard}: {problem.key}" if problem.key else problem.shard
        click.echo(f"{where}: {problem.problem}")
    what = f"{_count(result.shards, 'shard')}, {_count(result.samples, 'sample')}"
    if result.ok:
        click.secho(f"All good: {what}.", fg="green")
    else:
        click.secho(f"Found {_count(len(result.problems), 'problem')} in {what}.", fg="red")
        click.echo("Delete the files that are named and give the generate command again: it makes them anew, the same.")


def _count(number: int, thing: str) -> str:
    plural = "es" if thing.endswith("ss") else "s"
    return f"{number:,} {thing}{'' if number == 1 else plural}"


def size_text(size: float) -> str:
    """Return a number of bytes for people: 1.2 MB.

    >>> size_text(1_234_567)
    '1.2 MB'
    """
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def time_text(seconds: float) -> str:
    """Return a time span for people: 2 h 05 min.

    >>> time_text(7500)
    '2 h 05 min'
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
