"""The command: which rows, how many rounds, where the data lies; it prints the tables as Markdown."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

import click

from tests.benchmarks.contest import Reading, missing, rounds
from tests.benchmarks.table import fact_line, load, machine, versions, work_table
from tests.benchmarks.upkeep import UPKEEP, Fact
from tests.benchmarks.works import INSTALL, NEEDS, WORKS, Work

_ROWS = [*(work.name for work in WORKS), *UPKEEP]


@click.command()
@click.option("--only", type=click.Choice(_ROWS), multiple=True, help="Rows to measure; may be repeated.")
@click.option("--rounds", "count", type=click.IntRange(1), default=3, show_default=True, help="Of each work.")
@click.option("--quick", is_flag=True, help="A twentieth of the images: to see that all works, not to measure.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=Path(tempfile.gettempdir(), "cutmix-gen-benchmarks"),
    show_default=True,
    help="Folder for the data (about 300 MB), laid out at the first use, and for the sets that are made.",
)
@click.option("--json", "facts", type=click.Path(path_type=Path), help="File for all readings.")
def main(only: tuple[str, ...], count: int, quick: bool, data: Path, facts: Path | None) -> None:
    """Run the peers, the codec floor and this program in turn, several rounds, and print medians and ratios."""
    if find_spec("skimage") is None or find_spec("sklearn") is None:
        raise click.ClickException(f"The pictures come from scikit-image and scikit-learn: {INSTALL['data']}")
    data.mkdir(parents=True, exist_ok=True)
    click.echo(f"{machine()}\n{versions()}\n")
    for message in filter(None, map(missing, NEEDS)):
        click.echo(message)
    if quick:
        click.echo("A quick look: the start of the processes is most of what these figures show.")
    chosen = only or _ROWS
    readings: list[Reading] = []
    found: list[Fact] = []
    for work in WORKS:
        if work.name in chosen:
            readings += _contest(work, data, count, quick)
    for name, measure in UPKEEP.items():
        if name in chosen:
            click.echo(f"{name}: load {load()}", err=True)
            new = measure(data, count, quick)
            click.echo("\n".join(fact_line(fact, quick=quick) for fact in new))
            found += new
    if facts:
        _save(facts, readings, found)


def _contest(work: Work, data: Path, count: int, quick: bool) -> list[Reading]:
    before, readings = load(), []
    for reading in rounds(work, data, count, quick):
        click.echo(
            f"{work.name} {reading.contestant}: {reading.rate:,.0f} samples/s, {reading.seconds:.1f} s, load {before}",
            err=True,
        )
        readings.append(reading)
        before = load()
    click.echo(work_table(work, readings, quick=quick) + "\n")
    return readings


def _save(path: Path, readings: list[Reading], found: list[Fact]) -> None:
    content = {
        "machine": machine(),
        "versions": versions(),
        "readings": [asdict(reading) for reading in readings],
        "facts": [asdict(fact) for fact in found],
    }
    path.write_text(json.dumps(content, indent=2) + "\n")


main(prog_name="python -m tests.benchmarks")
