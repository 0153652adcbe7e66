"""What the command line says: facts to lines of text. Nothing here prints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import Field, fields
from typing import TYPE_CHECKING

from cutmix_gen.mixing.strategies import STRATEGIES
from cutmix_gen.text import printable, size_text, time_text

if TYPE_CHECKING:
    from cutmix_gen.checking import Verification
    from cutmix_gen.dataset.records import Skip
    from cutmix_gen.generation.estimate import Estimate
    from cutmix_gen.generation.make import Report
    from cutmix_gen.mixing.strategies import Strategy
    from cutmix_gen.storage import Place

_SHOWN_SKIPS = 5


def strategy_lines() -> list[str]:
    """Return a few lines on each strategy: what it does, where it comes from, its options."""
    lines = []
    for name, strategy in STRATEGIES.items():
        lines += [name, f"  {summary(strategy)}", f"  {strategy.reference}"]
        for item in option_fields(strategy):
            lines.append(f"    --mix-option {item.name}={value_text(item.default)}  {item.metadata['help']}")
    return lines


def summary(strategy: type[Strategy]) -> str:
    """Return what a strategy does, in a line."""
    return (strategy.__doc__ or "").strip().splitlines()[0]


def option_fields(strategy: type[Strategy]) -> tuple[Field[object], ...]:
    """Return the fields of a strategy: its own options."""
    return fields(strategy)  # type: ignore[arg-type]  # every strategy is a dataclass


def value_text(value: object) -> str:
    """Return a value of a strategy's option as the command line takes it."""
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def report_lines(report: Report, output: Place, *, append: bool = False) -> Iterator[str]:
    """Return what a call of `generate` did, with `--append` or without."""
    if not report.new_shards and report.complete:
        yield f"All is done: {output} has the {count_text(report.samples, 'sample')} of this run already."
        if append:
            yield "To append other samples, give another --seed or other options."
    else:
        rate = report.new_samples / report.seconds if report.seconds else 0.0
        yield (
            f"Made {count_text(report.new_samples, 'sample')} in {count_text(report.new_shards, 'shard')}, "
            f"{size_text(report.new_bytes)}, "
            f"in {report.seconds:.1f} s ({rate:,.0f} a second)."
        )
        if report.new_samples != report.samples:
            yield f"The run now has {count_text(report.samples, 'sample')} in {count_text(report.shards, 'shard')}."
        if not report.complete:
            yield (
                f"Other slices have {count_text(report.missing, 'shard')} to make yet. The last one writes the card; "
                f"`cutmix-gen finalize {output}` does it by hand."
            )
    if report.missing_elsewhere:
        yield (
            f"Another run of the set still lacks {count_text(report.missing_elsewhere, 'shard')}. "
            "Give its command again; then the card is written."
        )
    if report.passed_over:
        reasons = ", ".join(f"{count:,} {printable(reason)}" for reason, count in report.passed_over.items())
        yield f"Passed over: {reasons}."
    if report.converted:
        yield f"{count_text(report.converted, 'source image')} had to be converted to the set's pixel mode."
    yield from animated_lines(report.animated)
    yield from skips_lines(report.skipped, report.lost_samples)


def animated_lines(count: int) -> Iterator[str]:
    """Return of how many sources only the first picture was taken."""
    if count:
        yield f"Of {count_text(count, 'source file')} with several pictures the first was taken."


def skips_lines(skipped: list[Skip], lost: int = 0) -> Iterator[str]:
    """Return what was skipped and why, and what was lost by it."""
    for title, unreadable in (("Could not read", True), ("Could not mix", False)):
        group = [skip for skip in skipped if skip.unreadable == unreadable]
        if group:
            yield f"{title} {count_text(len(group), 'source image')}:"
        yield from _shown_skips(group)
        if len(group) > _SHOWN_SKIPS:
            yield f"  and {len(group) - _SHOWN_SKIPS:,} more; `cutmix-gen info OUT --json` lists all"
    if lost:
        yield f"Because of them {count_text(lost, 'sample')} of the plan {'was' if lost == 1 else 'were'} not made."


def _shown_skips(skips: list[Skip]) -> Iterator[str]:
    for skip in skips[:_SHOWN_SKIPS]:
        yield f"  {printable(skip.path)}: {printable(skip.reason)}"


def lost_file_lines(files: list[str], output: Place) -> Iterator[str]:
    """Return which shards have lost their files, and what to do."""
    if files:
        shown = ", ".join(files[:_SHOWN_DROPPED]) + (", ..." if len(files) > _SHOWN_DROPPED else "")
        yield f"{count_text(len(files), 'shard')} counted here {_IS_LOST[len(files) > 1]}: {shown}."
        yield f"`cutmix-gen verify {output}` says more; the generate command makes them again."


_IS_LOST = ("has a file that is gone or of another size", "have files that are gone or of another size")


def estimate_lines(expected: Estimate) -> Iterator[str]:
    """Return what a run will take."""
    if not expected.shards:
        yield "All is done: there is nothing left to make."
        return
    roughly = "about " if expected.skipped else ""
    yield (
        f"{count_text(expected.images, 'image')} give {roughly}{count_text(expected.samples, 'sample')} in "
        f"{count_text(expected.shards, 'shard')}: about "
        f"{size_text(expected.bytes)} and {time_text(expected.seconds)} with {count_text(expected.jobs, 'process')}."
    )
    if expected.skipped:
        yield f"Of {count_text(expected.tried, 'image')} that were tried {len(expected.skipped):,} could not be read:"
        yield from _shown_skips(expected.skipped)
        if len(expected.skipped) > _SHOWN_SKIPS:
            yield f"  and {len(expected.skipped) - _SHOWN_SKIPS:,} more; --json lists all"
    if expected.free is not None:
        yield f"The disk has {size_text(expected.free)} free."


def verification_lines(result: Verification, output: Place, dropped: list[str] | None) -> Iterator[str]:
    """Return what `verify` found, what was dropped of it where that was asked for, and what to do."""
    for problem in result.problems:
        where = f"{problem.shard}: {problem.key}" if problem.key else problem.shard
        yield printable(f"{where}: {problem.problem}")
    again = f", {result.replayed:,} of them made again" if result.replayed else ""
    what = f"{count_text(result.shards, 'shard')}, {count_text(result.samples, 'sample')}{again}"
    if result.ok:
        yield f"All good: {what}."
        return
    yield f"Found {count_text(len(result.problems), 'problem')} in {what}."
    kinds = {problem.kind for problem in result.problems}
    if dropped:
        names = ", ".join(dropped[:_SHOWN_DROPPED]) + (", ..." if len(dropped) > _SHOWN_DROPPED else "")
        yield f"Dropped {names}. Give the generate command again: it makes them again, with the same bytes."
    elif "shard" in kinds and dropped is None:
        yield f"`cutmix-gen verify {output} --repair` drops the shards that are bad; then generate makes them again."
    for kind, remedy in _REMEDIES.items():
        if kind in kinds:
            yield remedy.format(output=output)


_SHOWN_DROPPED = 5

_REMEDIES = {
    "unfinished": "What is not made yet is made by the same generate command (or the slices that are missing).",
    "card": "The card and what else lies beside the shards is written again by `cutmix-gen finalize {output}`.",
    "copy": (
        "The copy of the commit records is dropped by `cutmix-gen verify {output} --repair` and made again when it is "
        "worth it; the records are what counts."
    ),
    "description": (
        "A file that says what the set is cannot be made from the rest. Copy it back from a copy of the set, or make "
        "the set again: --overwrite."
    ),
    "stranger": "What belongs to no run is left as it is. Loaders may take it for shards: move it out of the set.",
    "source": "Where a source is not what it was, nothing can be said of the sample. --source SRC names another place.",
    "versions": (
        "Other releases of the libraries encode otherwise: these samples are right. With the releases named above "
        "the bytes would be the same too."
    ),
}
"""What to do about problems of each kind but `shard`."""


def count_text(number: int, thing: str) -> str:
    """Return a number of things: 1 shard, 1,000 shards."""
    plural = "es" if thing.endswith("ss") else "s"
    return f"{number:,} {thing}{'' if number == 1 else plural}"
