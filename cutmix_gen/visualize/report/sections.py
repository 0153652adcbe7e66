"""The sections of the page: facts to what its template shows, and no more of it than a page can hold."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cutmix_gen.dataset.describe import ClassWeight
from cutmix_gen.dataset.records import LAM_BINS, Skip
from cutmix_gen.mixing.recipe import parse_recipe
from cutmix_gen.mixing.strategies import STRATEGIES
from cutmix_gen.shapes import Size
from cutmix_gen.shards.rows import Row
from cutmix_gen.visualize.report.expected_lam import Expected, Source, expected_histogram
from cutmix_gen.visualize.report.gather import Facts, RunFacts, size_of
from cutmix_gen.visualize.report.page_text import colour, shown

_CLASSES, _TILES = 12, 4
"""Classes of which samples are shown, and samples of each."""
_STRATEGY_TILES = 8
"""Samples of a set's only strategy."""
_TAKES_PART = 0.2
"""Share from which on a class is seen in a sample."""
_MASSES, _PAIRS, _SIZES, _SKIPS, _QUOTAS = 50, 20, 8, 50, 100
"""Lines of a table at most."""
_RUNS = 20
"""Runs that are told of at most."""
_LAW = ("strategy", "mix_option", "alpha", "lam_range", "size", "fit")
"""Settings that decide about the law of lam."""
_PATH = 160
"""Characters of a path or a reason at most."""


@dataclass(frozen=True, slots=True)
class Block:
    """Some samples under a heading."""

    name: str
    colour: str
    """Of a class; empty for a strategy."""
    text: str
    reference: str
    count: float
    """Samples of a strategy, mass of a class in the mixed samples."""
    rows: list[Row]


def class_blocks(facts: Facts) -> list[Block]:
    """Return a few samples of each of the largest classes: an original first, then mixed ones it has a part in."""
    blocks, seen = [], set[str]()
    for label in _largest(facts, _CLASSES):
        originals = [row for row in facts.originals.rows if row.label == label][:1]
        mixed = [row for row in facts.mixed.rows if row.key not in seen and _share(row, label) >= _TAKES_PART]
        weight = facts.description.class_weight[label]
        rows = (originals + mixed)[:_TILES]
        seen.update(row.key for row in rows)
        blocks.append(Block(shown(weight.name), colour(label), "", "", weight.synthetic, rows))
    return blocks


def strategy_blocks(facts: Facts) -> list[Block]:
    """Return a few samples of each strategy, the most used first."""
    counts = sum((run.strategies for run in facts.runs), Counter[str]())
    tiles = _STRATEGY_TILES if len(counts) == 1 else _TILES
    blocks = []
    for name, count in counts.most_common():
        rows = [row for row in facts.mixed.rows if row.strategy == name][:tiles]
        text = (STRATEGIES[name].__doc__ or "").strip().splitlines()[0]
        blocks.append(Block(name, "", text, STRATEGIES[name].reference, count, rows))
    return blocks


def _largest(facts: Facts, count: int) -> list[int]:
    """Return the classes of the largest mass, in the order of the set."""
    masses = np.array([weight.original + weight.synthetic for weight in facts.description.class_weight])
    return sorted(np.argsort(-masses, kind="stable")[:count].tolist())


def _share(row: Row, label: int) -> float:
    return float(row.label_weight[row.label_index == label].sum())


@dataclass(frozen=True, slots=True)
class Lam:
    """The lam histogram and its law."""

    bins: list[tuple[float, float, int, float, float]]
    """Each from, to, count, expected count, what chance allows."""
    expected: Expected
    outside: int
    """Bins further off than chance allows."""


def lam(facts: Facts, seed: int) -> Lam | None:
    """Return the lam histogram beside its law, None where nothing is mixed."""
    histogram = facts.description.lam_histogram
    if not sum(histogram) or not facts.mixed.rows:
        return None
    expected = expected_histogram(_law_sources(facts), seed)
    edges = np.linspace(0, 1, LAM_BINS + 1).tolist()
    bins = list(zip(edges, edges[1:], histogram, expected.counts, expected.margins, strict=False))
    return Lam(bins, expected, len(expected.outside(histogram)))


def _law_sources(facts: Facts) -> list[Source]:
    """Return what the mixed samples were made with, runs that have one law together."""
    groups: dict[tuple[object, ...], list[RunFacts]] = {}
    for run in facts.runs:
        if run.strategies:
            groups.setdefault(tuple(getattr(run.config, name) for name in _LAW), []).append(run)
    return [_law_source(facts, runs) for runs in groups.values()]


def _law_source(facts: Facts, runs: list[RunFacts]) -> Source:
    numbers = {run.info.number for run in runs}
    recipes = [parse_recipe(row.recipe, facts.max_pixels) for row in facts.mixed.rows]
    recipes = [recipe for recipe in recipes if recipe.run in numbers] or recipes
    crops = [recipe.views[0].crop for recipe in recipes]
    return Source(
        config=runs[0].config,
        strategies=sum((run.strategies for run in runs), Counter[str]()),
        sizes=[Size(crop.width, crop.height) for crop in crops],
        focuses=[focus for recipe in recipes if (focus := recipe.focus)],
    )


@dataclass(frozen=True, slots=True)
class Masses:
    """The label mass of classes."""

    shown: list[ClassWeight]
    """Of the largest, in the order of the set."""
    hidden: int


def masses(facts: Facts) -> Masses:
    """Return the label mass of the largest classes."""
    weights = facts.description.class_weight
    chosen = [weights[label] for label in _largest(facts, _MASSES)]
    return Masses(chosen, len(weights) - len(chosen))


@dataclass(frozen=True, slots=True)
class Pairs:
    """How often a base of one class met a donor of another, in the samples that were looked at."""

    names: list[str]
    counts: list[list[int]]
    """[base][donor]"""
    most: int
    hidden: int
    """Classes that are left out."""
    alike: int
    """Pairs of one class, of all classes."""
    total: int

    @property
    def are_many(self) -> bool:
        """Whether there are enough of them to look at: one a row at least."""
        return sum(map(sum, self.counts)) >= len(self.names)


def pairs(facts: Facts) -> Pairs:
    """Count the pairs of the largest classes."""
    labels = _largest(facts, _PAIRS)
    found: Counter[tuple[int, int]] = Counter()
    for row in facts.mixed.rows:
        base, *donors = row.label_index.tolist()
        found.update((base, donor) for donor, weight in zip(donors, row.label_weight[1:], strict=True) if weight > 0)
    counts = [[found[base, donor] for donor in labels] for base in labels]
    names = [shown(facts.description.classes[label], 30) for label in labels]
    return Pairs(
        names=names,
        counts=counts,
        most=max(*map(max, counts), 1),
        hidden=facts.description.num_classes - len(labels),
        alike=sum(count for (base, donor), count in found.items() if base == donor),
        total=found.total(),
    )


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of the samples that were looked at."""

    all: list[Size]
    common: list[tuple[Size, int]]
    hidden: int


def sizes(facts: Facts) -> Sizes:
    """Return the sizes of samples, the most common ones with their count."""
    found = [size_of(row, facts.max_pixels) for row in facts.rows]
    counts = Counter(found).most_common()
    return Sizes(found, counts[:_SIZES], len(counts) - _SIZES)


@dataclass(frozen=True, slots=True)
class RunView:
    """How a run was made."""

    number: int
    source: str
    images: int
    made: int
    """Samples that are there."""
    samples: int
    """Of the plan."""
    command: str
    quotas: list[str]
    """Lines of the file that the command calls `pairs.csv`."""
    hidden_quotas: int
    settings: list[tuple[str, str]]
    versions: dict[str, str]
    digest: str
    fingerprint: str
    passed_over: dict[str, int]


def run_views(facts: Facts) -> list[RunView]:
    """Return how each of the first runs was made."""
    return [_run_view(run, facts) for run in facts.runs[:_RUNS]]


def _run_view(run: RunFacts, facts: Facts) -> RunView:
    info, config = run.info, run.config
    settings = [(name.replace("_", "-"), _value(value)) for name, value in config.identity().items() if name != "pairs"]
    return RunView(
        number=info.number,
        source=shown(info.source, _PATH),
        images=info.num_images,
        made=run.samples,
        samples=info.samples,
        command=_command(run, facts),
        quotas=[shown(line, _PATH) for line in config.pairs[:_QUOTAS]],
        hidden_quotas=max(len(config.pairs) - _QUOTAS, 0),
        settings=settings,
        versions=info.versions,
        digest=info.digest,
        fingerprint=info.fingerprint,
        passed_over=info.passed_over,
    )


def _command(run: RunFacts, facts: Facts) -> str:
    """Return the command that makes the run again, from the same images with the same releases."""
    words = ["cutmix-gen", "generate", run.info.source, str(facts.output), *run.config.chosen_words()]
    words += ["--pairs", "pairs.csv"] if run.config.pairs else []
    words += ["--license", facts.license] if facts.license and run.info.number == 1 else []
    allowed = run.config.failures.of(run.info.num_images)
    words += ["--max-failures", str(run.unreadable)] if run.unreadable > allowed else []
    words += ["--append"] if run.info.number > 1 else []
    return shown(shlex.join(words), 4000)


def _value(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "by default" if value in (None, "") else str(value)


@dataclass(frozen=True, slots=True)
class Skips:
    """What could not be read or mixed."""

    reasons: list[tuple[str, int]]
    shown: list[Skip]
    hidden: int


def skips(facts: Facts) -> Skips:
    """Return what was skipped, by reason and one by one."""
    skipped = facts.description.skipped
    reasons = Counter(shown(skip.reason, _PATH) for skip in skipped).most_common(_SKIPS)
    few: Sequence[Skip] = skipped[:_SKIPS]
    listed = [Skip(shown(skip.path, _PATH), shown(skip.reason, _PATH), skip.unreadable) for skip in few]
    return Skips(reasons, listed, len(skipped) - len(listed))
