"""What a page is made of: the records of a set, and some samples of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

from cutmix_gen.config import ResolvedConfig
from cutmix_gen.dataset.describe import Description, describe
from cutmix_gen.dataset.info import RunInfo
from cutmix_gen.dataset.ledger import Ledger
from cutmix_gen.dataset.manifest import Manifest
from cutmix_gen.dataset.reader import open_dataset
from cutmix_gen.dataset.records import ShardRecord
from cutmix_gen.errors import SetError
from cutmix_gen.mixing.recipe import parse_recipe
from cutmix_gen.shapes import Size
from cutmix_gen.shards.rows import Row
from cutmix_gen.storage import Place
from cutmix_gen.visualize.report.sampling import Selection, select


@dataclass(frozen=True, slots=True)
class RunFacts:
    """One run of the set."""

    info: RunInfo
    config: ResolvedConfig
    samples: int
    """That are there."""
    strategies: Counter[str]
    """Mixed samples by strategy."""
    unreadable: int
    """Sources that were skipped because they could not be read."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about a set."""

    output: Place
    description: Description
    license: str
    max_pixels: int
    """Of a sample at most."""
    runs: list[RunFacts]
    originals: Selection
    mixed: Selection

    @property
    def rows(self) -> list[Row]:
        """All samples that were looked at."""
        return self.originals.rows + self.mixed.rows


def gather(output: Place, seed: int, max_pixels: int) -> Facts:
    """Read the records of a set, and some of its samples.

    Raises
    ------
    SetError
        If there is no set, or what is read of it is damaged.
    """
    description, dataset = describe(output), open_dataset(output, max_pixels=max_pixels)
    mean_bytes = description.bytes / max(description.samples.total, 1)
    return Facts(
        output=output,
        description=description,
        license=Manifest(output).read_license(),
        max_pixels=dataset.max_pixels,
        runs=_runs(output, description.runs),
        originals=select(dataset.originals(), mean_bytes, seed),
        mixed=select(dataset.mixed(), mean_bytes, seed),
    )


def _runs(output: Place, runs: list[RunInfo]) -> list[RunFacts]:
    samples: Counter[int] = Counter()
    strategies: dict[int, Counter[str]] = defaultdict(Counter)
    unreadable: dict[int, set[str]] = defaultdict(set)
    known = {run.number: {each.name for each, _ in run.config_in(output).strategies} for run in runs}
    for record in Ledger(Manifest(output)).records():
        _check(record, known)
        samples[record.run] += record.samples
        if record.kind == "cutmix":
            strategies[record.run].update(record.strategies)
        unreadable[record.run].update(skip.path for skip in record.skipped if skip.unreadable)
    return [
        RunFacts(run, run.config_in(output), samples[number], strategies[number], len(unreadable[number]))
        for number, run in ((run.number, run) for run in runs)
    ]


def _check(record: ShardRecord, known: dict[int, set[str]]) -> None:
    """Raise `SetError` for a record that does not agree with its run, whose strategies are known, or with itself."""
    mixed = record.samples if record.kind == "cutmix" else 0
    counted = record.strategies.keys() if mixed else set()
    if (
        not counted <= known.get(record.run, set())
        or sum(record.strategies.values()) != record.samples
        or sum(record.lam_histogram) != mixed
    ):
        raise SetError(
            f"The record of {record.file} says what run {record.run} cannot have made: {record.samples:,} samples, "
            f"{record.strategies}. `cutmix-gen verify` says more."
        )


def size_of(row: Row, max_pixels: int) -> Size:
    """Return the size of a sample."""
    return parse_recipe(row.recipe, max_pixels).size
