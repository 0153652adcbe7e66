"""The command: how long, which readers; it prints the table as Markdown."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import click

from tests.fuzz.child import Job
from tests.fuzz.outcomes import FAULTS, OUTCOMES
from tests.fuzz.targets import TARGETS
from tests.fuzz.watch import Counts, fuzz, has_atheris


@click.command()
@click.option("--minutes", type=click.FloatRange(0.01), default=10.0, show_default=True, help="In all.")
@click.option("--only", type=click.Choice(list(TARGETS)), multiple=True, help="Readers; may be repeated.")
@click.option("--seed", type=click.IntRange(0, 1 << 30), default=0, show_default=True, help="Of the inputs.")
@click.option("--plain", is_flag=True, help="Leave atheris out, though it is installed.")
@click.option(
    "--replay",
    "files",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="Read this file with the one reader of --only; may be repeated.",
)
@click.option(
    "--found",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the inputs that end as they should not, and for all other files.  [default: a new one]",
)
def main(  # noqa: PLR0917  its parameters are its options
    minutes: float, only: tuple[str, ...], seed: int, plain: bool, files: tuple[Path, ...], folder: Path | None
) -> None:
    """Hand changed files to every reader of this program, and count how each ends.

    Ends with code 1 if one of them ended otherwise than well or in the program's own error.
    """
    if files and len(only) != 1:
        raise click.UsageError("--replay takes the one reader that the file is for: --only NAME.")
    folder = folder or Path(tempfile.mkdtemp(prefix="cutmix-gen-fuzz-"))
    folder.mkdir(parents=True, exist_ok=True)
    names = only or tuple(TARGETS)
    guided = has_atheris() and not plain and not files
    click.echo(f"Inputs chosen by {'atheris' if guided else 'chance'}; files in {folder}.", err=True)
    total = Counts()
    for name in names:
        job = Job(
            folder=str(folder.absolute()),
            table="tests.fuzz.targets",
            names=(name,),
            seed=seed,
            until=None if files else time.monotonic() + 60 * minutes / len(names),
            guided=guided,
            files=tuple(str(file.absolute()) for file in files),
        )
        total.include(fuzz(job, lambda text: click.echo(text, err=True)))
    click.echo(table(total, names))
    sys.exit(0 if total.ok else 1)


def table(counts: Counts, names: tuple[str, ...]) -> str:
    """Return the counts as Markdown, and a line for each kind of fault."""
    lines = [
        f"| reader | inputs | {' | '.join(OUTCOMES)} | slowest, s | most memory, MiB |",
        "|---|" + "---:|" * (len(OUTCOMES) + 3),
    ]
    for name in (*names, "all"):
        ends = [
            sum(number for (one, end), number in counts.outcomes.items() if end == kind and name in (one, "all"))
            for kind in OUTCOMES
        ]
        slowest = max((each for one, each in counts.slowest.items() if name in (one, "all")), default=0.0)
        largest = max((each for one, each in counts.largest.items() if name in (one, "all")), default=0)
        numbers = " | ".join(f"{number:,}" for number in (sum(ends), *ends))
        lines.append(f"| {name} | {numbers} | {slowest:.1f} | {largest >> 20:,} |")
    for (name, kind, what), files in sorted(counts.faults.items()):
        assert kind in FAULTS
        lines.append(f"{name}: {kind}, {what}, {counts.how_often[name, kind, what]:,} times: {' '.join(files[:3])}")
    return "\n".join(lines)


if __name__ == "__main__":
    main(prog_name="python -m tests.fuzz")
