"""`cutmix-gen info`: what is in a set."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from cutmix_gen.cli.columns import bar, fitted, width_of
from cutmix_gen.cli.options import FOUND_WRONG, OUT, json_option, print_json
from cutmix_gen.cli.wording import animated_lines, count_text, lost_file_lines, skips_lines
from cutmix_gen.storage import Place
from cutmix_gen.text import printable, size_text

if TYPE_CHECKING:
    from cutmix_gen.dataset.describe import Description, RunState
    from cutmix_gen.dataset.info import RunInfo

_PIPED = 200
"""Columns where there is no terminal: names are whole."""
_SHOWN_CLASSES = 20
_WIDEST_BAR = 40


@click.command("info")
@OUT
@click.option("--all-classes", is_flag=True, help=f"List every class, not only the first {_SHOWN_CLASSES}.")
@json_option
def command(output: Place, all_classes: bool, as_json: bool) -> None:
    """Say what is in a set: its runs, samples and classes, how lam is spread, and what was skipped.

    Only the commit records are read, and the shards' sizes: it ends with code 3 where one is gone or has another size.
    Mass is the sum of the label shares of a class: before in the originals, after in all samples.

    \b
    Example:
      cutmix-gen info out
      cutmix-gen info out --json | jq .samples
    """
    from cutmix_gen.dataset.describe import describe  # noqa: PLC0415  each command imports what it needs

    description = describe(output)
    if as_json:
        print_json(description)
        sys.exit(FOUND_WRONG if description.lost_files else 0)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _PIPED
    for line in _lines(description, output, width, None if all_classes else _SHOWN_CLASSES):
        click.echo(line)  # with its colours; names in it are made printable one by one
    sys.exit(FOUND_WRONG if description.lost_files else 0)


def _lines(description: Description, output: Place, width: int, classes: int | None) -> Iterator[str]:
    samples = description.samples
    yield click.style(printable(str(output)), bold=True)
    for name, value in (
        ("format", f"{description.format}, {description.mode} as {description.image_format}"),
        ("shards", _of(description.shards, description.planned_shards)),
        ("bytes", size_text(description.bytes)),
        ("samples", f"{samples.total:,}: {samples.original:,} originals, {samples.synthetic:,} mixed"),
        ("strategies", ", ".join(f"{k} {v:,}" for k, v in description.strategies.items() if k != "original")),
        ("converted", f"{count_text(description.converted, 'image')} of another mode" if description.converted else ""),
    ):
        if value:
            yield f"  {name:<12}{value}"
    for run, state in zip(description.runs, description.run_states, strict=True):
        yield from _run_lines(run, state, width)
    yield from _class_lines(description, width, classes)
    if any(description.lam_histogram):
        yield from _histogram_lines(description.lam_histogram, width)
    yield from animated_lines(description.animated)
    if description.skipped:
        yield ""
        yield from map(printable, skips_lines(description.skipped, description.lost_samples))
    if description.lost_files:
        yield ""
        yield from map(printable, lost_file_lines(description.lost_files, output))


def _of(count: int, planned: int) -> str:
    return f"{count:,}" if count == planned else f"{count:,} of {planned:,}"


def _run_lines(run: RunInfo, state: RunState, width: int) -> Iterator[str]:
    yield "\n" + _heading(f"run {run.number}: {printable(run.source)}")
    yield from click.wrap_text(printable(state.options) or "all options by default", width, "  ", "    ").splitlines()
    lost = f", {state.skipped:,} skipped" if state.skipped else ""
    yield (
        f"  {count_text(run.num_images, 'image')}: {_of(state.samples, run.samples)} samples in "
        f"{_of(state.shards, run.shards)} shard{'' if run.shards == 1 else 's'}, {size_text(state.bytes)}{lost}"
    )
    if state.shards < run.shards:
        yield click.style("  not finished: the same generate command goes on", fg="yellow")


def _class_lines(description: Description, width: int, limit: int | None) -> Iterator[str]:
    rows = description.class_weight[:limit]
    names = [printable(row.name) for row in rows]
    wide = width >= 64
    numbers = 2 * 14 + (2 * 10 if wide else 0)
    column = max(min(max(map(width_of, [*names, "class"])), width - 2 - numbers), 5)
    before = sum(row.original for row in description.class_weight) or 1.0
    after = before + sum(row.synthetic for row in description.class_weight)
    shares = f"{'before':>10}{'after':>10}" if wide else ""
    yield "\n" + _heading(f"{fitted('class', column)}{'originals':>14}{'mixed':>14}{shares}")
    for name, row in zip(names, rows, strict=True):
        shares = f"{row.original / before:>10.2%}{(row.original + row.synthetic) / after:>10.2%}" if wide else ""
        yield f"  {fitted(name, column)}{row.original:>14,.1f}{row.synthetic:>14,.1f}{shares}"
    if len(rows) < description.num_classes:
        yield f"  and {description.num_classes - len(rows):,} more: --all-classes lists them"


def _histogram_lines(histogram: list[int], width: int) -> Iterator[str]:
    yield "\n" + _heading("lam, the share of the base, over the mixed samples")
    most, step = max(histogram), 1 / len(histogram)
    room = max(min(width - 30, _WIDEST_BAR), 5)
    for number, count in enumerate(histogram):
        drawn = click.style(_drawable(bar(count / most, room)), fg="cyan")
        yield f"  {number * step:.2f} to {(number + 1) * step:.2f}  {count:>10,}  {drawn}".rstrip()


def _heading(text: str) -> str:
    return "  " + click.style(text, bold=True)


def _drawable(text: str) -> str:
    """Return a bar in what the terminal's encoding has."""
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return "#" * len(text)
    return text
