"""The command line: options to a configuration, a call, words and an exit code. Nothing below here prints or exits."""

from __future__ import annotations

import json
import logging
import signal
import sys
from collections.abc import Callable, Iterable
from dataclasses import Field, asdict, fields
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

from cutmix_gen.config import GenerateConfig
from cutmix_gen.errors import CutMixGenError, InterruptedRunError
from cutmix_gen.version import __version__
from cutmix_gen.words import description_lines, estimate_lines, report_lines, strategy_lines, verification_lines

if TYPE_CHECKING:
    from cutmix_gen.plan import Run
    from cutmix_gen.records import ShardRecord
    from cutmix_gen.tally import Tally

Command = TypeVar("Command", bound=Callable[..., Any])

_FOUND_WRONG = 3
"""Exit code of a command that finished, but skipped something or found something wrong."""


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
        settings |= {"is_flag": True, "show_default": "on" if default else False}
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


_KEEP_LINES = "\b\n"
"""What tells click to leave the lines of a paragraph as they are."""


@main.command(epilog=_KEEP_LINES + "Ways of mixing:\n" + "\n".join(strategy_lines()))
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
        _print_json(asdict(expected)) if as_json else _say(estimate_lines(expected))
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
        _say(report_lines(report, output))
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
    _print_json(asdict(description)) if as_json else _say(description_lines(description, output))


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
        _say(verification_lines(result))
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
        _say(strategy_lines())
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


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)


def _print_json(facts: dict[str, Any]) -> None:
    click.echo(json.dumps(facts))
