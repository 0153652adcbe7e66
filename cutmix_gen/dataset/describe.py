"""What is in a set, from its commit records alone."""

from __future__ import annotations

from dataclasses import dataclass

from cutmix_gen.dataset.info import RunInfo
from cutmix_gen.dataset.ledger import Ledger
from cutmix_gen.dataset.manifest import Manifest
from cutmix_gen.dataset.records import Skip
from cutmix_gen.dataset.tally import Tally
from cutmix_gen.storage import Place


@dataclass(frozen=True, slots=True)
class ClassWeight:
    """The label mass of one class."""

    name: str
    """Of the class."""
    original: float
    """Sum of its label shares over the originals, without smoothing."""
    synthetic: float
    """The same over the mixed samples."""


@dataclass(frozen=True, slots=True)
class SampleCounts:
    """Samples by kind."""

    original: int
    """Originals."""
    synthetic: int
    """Mixed samples."""
    total: int
    """Both together."""


@dataclass(slots=True)
class RunState:
    """What was asked for in a run, and how much of it there is."""

    number: int
    """Of the run, from 1."""
    options: str
    """As on the command line; those that are the default are left out."""
    shards: int = 0
    """Shards of the run that are there."""
    samples: int = 0
    """Samples in them."""
    bytes: int = 0
    """Of their files."""
    skipped: int = 0
    """Samples of the plan that could not be made."""


@dataclass(frozen=True, slots=True)
class Description:
    """What is in a set."""

    format: str
    """Shard format: parquet or webdataset."""
    mode: str
    """Pixel mode of all images: RGB, L or I;16."""
    image_format: str
    """Of all images: jpeg, png or webp."""
    classes: list[str]
    """Their names, in the order of the numbers that labels have."""
    num_classes: int
    """How many classes there are."""
    runs: list[RunInfo]
    """The runs that made the set, as they were begun."""
    run_states: list[RunState]
    """How much there is of each run, in the same order."""
    shards: int
    """Shards on record, of all runs, as are all numbers that follow."""
    planned_shards: int
    """Shards that there will be; more than `shards` while a run is not finished."""
    bytes: int
    """Of the shards' files."""
    samples: SampleCounts
    """Samples in the shards."""
    class_weight: list[ClassWeight]
    """The label mass of each class."""
    lam_histogram: list[int]
    """Mixed samples by realised lam, in equal bins over [0, 1]."""
    strategies: dict[str, int]
    """Samples by strategy; `original` for originals."""
    converted: int
    """Source images that are the base of a sample and had another pixel mode than the set; each counts once."""
    animated: int
    """The same of files that hold several pictures, of which the first was taken."""
    skipped: list[Skip]
    """Source images of which samples could not be made, each once."""
    lost_samples: int
    """Samples of the plan that could not be made, because of what was skipped."""
    lost_files: list[str]
    """Shards whose file is gone or has another size than its record says; they are counted all the same."""


def describe(output: Place) -> Description:
    """Return what is in a set, read from its records and not from its shards.

    Raises
    ------
    SetError
        If there is no set.
    """
    manifest = Manifest(output)
    info, runs = manifest.read_set(), manifest.runs()
    tally = Tally(len(info.classes), {run.number: run.source for run in runs})
    states = {run.number: RunState(run.number, _options(run, output)) for run in runs}
    ledger, lost_files = Ledger(manifest), []
    for record in ledger.records():
        tally.add(record)
        if not ledger.has_file(record):
            lost_files.append(record.file)
        state = states.get(record.run)
        if state:
            state.shards += 1
            state.samples += record.samples
            state.bytes += record.bytes
            state.skipped += len(record.skipped)
    masses = zip(info.classes, *(tally.class_weight[kind].tolist() for kind in ("original", "cutmix")), strict=True)
    return Description(
        format=info.shard_format,
        mode=info.mode,
        image_format=info.image_format,
        classes=list(info.classes),
        num_classes=len(info.classes),
        runs=runs,
        run_states=list(states.values()),
        shards=tally.shards,
        planned_shards=sum(run.shards for run in runs),
        bytes=tally.bytes,
        samples=SampleCounts(tally.samples["original"], tally.samples["cutmix"], tally.total),
        class_weight=[ClassWeight(name, round(one, 3), round(two, 3)) for name, one, two in masses],
        lam_histogram=tally.lam_histogram.tolist(),
        strategies=dict(sorted(tally.strategies.items())),
        converted=tally.converted,
        animated=tally.animated,
        skipped=tally.skipped,
        lost_samples=tally.lost.total(),
        lost_files=lost_files,
    )


def _options(run: RunInfo, output: Place) -> str:
    """Return what was asked for in a run, as far as this version knows its options."""
    try:
        return run.config_in(output).chosen_options()
    except TypeError:  # an option of a later version
        return " ".join(f"--{name.replace('_', '-')} {value}" for name, value in run.config.items())
