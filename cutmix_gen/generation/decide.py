"""What a call of `generate` is about, by its configuration and what there is: nothing is written here."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import numpy as np

from cutmix_gen.codecs.pillow import Header
from cutmix_gen.config import GenerateConfig, ResolvedConfig
from cutmix_gen.dataset.info import RunInfo, SetInfo
from cutmix_gen.dataset.ledger import Ledger
from cutmix_gen.dataset.manifest import Manifest
from cutmix_gen.dataset.plan import Plan
from cutmix_gen.errors import SetError, UsageError
from cutmix_gen.generation.placement import check_empty, check_places
from cutmix_gen.generation.resolve import look_at, resolve
from cutmix_gen.generation.space import scratch_beside
from cutmix_gen.sources.listing import Rows, sorted_by_class
from cutmix_gen.sources.scan import Scan, fingerprint
from cutmix_gen.sources.shard_sources import scan_source, state_of_source
from cutmix_gen.storage import is_local

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class New:
    """A run that is to be begun."""

    config: ResolvedConfig
    scanned: Scan
    headers: list[Header]
    """Of some of the images."""
    number: int = 1
    """Above 1 for a run that is appended to a set."""
    first_shard: int = 0
    replaces: bool = False
    """Whether the set that is there is to be deleted first."""
    reclaimed: int = 0
    """Bytes of that set."""

    @property
    def plan(self) -> Plan:
        """What the run will hold."""
        return Plan(self.config, len(self.scanned), self.number, self.first_shard)


@dataclass(frozen=True, slots=True)
class Continue:
    """A run of the set that is there already, finished or not."""

    config: ResolvedConfig
    run: RunInfo

    @property
    def plan(self) -> Plan:
        """What the run holds, or will hold."""
        return Plan(self.config, self.run.num_images, self.run.number, self.run.first_shard)


def decide(config: GenerateConfig) -> New | Continue:
    """Return the run that a configuration stands for.

    Parameters
    ----------
    config : GenerateConfig
        As asked for, `auto` settings and all.

    Raises
    ------
    UsageError, SourceError
        If the configuration fits neither the sources nor the set that is there.
    SetError
        If the output folder holds something else than a set, or one that is damaged.
    """
    check_places(config)
    manifest = Manifest(config.output)
    manifest.check_folders()
    if not manifest.exists():
        check_empty(config.output)
        return _first(config)
    runs = _runs_of(manifest, config)
    if not runs or (config.overwrite and not _is_half_of(config, manifest, runs)):
        reclaimed = sum(head.bytes for head in Ledger(manifest).heads()) if config.overwrite else 0
        return replace(_first(config), replaces=config.overwrite, reclaimed=reclaimed)
    info = manifest.read_set()
    found = _choose(config, info, runs)
    if isinstance(found, RunInfo):
        return Continue(config.resolved_like(found.config_in(config.output)), found)
    headers, last = look_at(config, found), runs[-1]
    fitting = _appendable(config, info, found, headers)
    return New(fitting, found, headers, last.number + 1, last.first_shard + last.shards)


def first_run(config: GenerateConfig, scanned: Scan) -> New:
    """Return the first run of a set whose sources are scanned already."""
    headers = look_at(config, scanned)
    return New(resolve(config, scanned, headers), scanned, headers)


def _first(config: GenerateConfig) -> New:
    return first_run(config, scan_for(config))


def scan_for(config: GenerateConfig) -> Scan:
    """Scan the sources of a configuration; what that needs of disk lies beside its output."""
    return scan_source(config.source, scratch=scratch_beside(config.output))


def _choose(config: GenerateConfig, info: SetInfo, runs: list[RunInfo]) -> RunInfo | Scan:
    """Return the run of a set that a configuration describes, or the sources of one that is to be appended."""
    same = [run for run in runs if _describes(config, run)]
    for run in same:
        if _is_unchanged(config, run):
            return run
    scanned = _with_classes_of(info, scan_for(config), config)
    for run in same:
        if run.fingerprint == fingerprint(scanned):
            return run
    for run in same:
        if run.source == str(config.source.absolute()) and not config.append:
            _log.warning(
                "SRC has changed since it was scanned for this run (%d images then, %d now); the run goes on with what "
                "it had. Give --append for a run over the new state, or --overwrite to start again.",
                run.num_images,
                len(scanned),
            )
            return run
    if not config.append:
        raise UsageError(_refusal(config, runs[-1]))
    return scanned


def _is_unchanged(config: GenerateConfig, run: RunInfo) -> bool:
    """Tell whether the sources of a run are, at a quick look, what they were; in a store `--append` looks closer."""
    if run.source != str(config.source.absolute()) or (config.append and not is_local(config.source)):
        return False
    return run.source_state == state_of_source(config.source)


def _describes(config: GenerateConfig, run: RunInfo) -> bool:
    return config.resolved_like(run.config_in(config.output)).digest() == run.digest


def _refusal(config: GenerateConfig, last: RunInfo) -> str:
    theirs = last.config_in(config.output)
    differences = config.resolved_like(theirs).differences(theirs)
    what = "; ".join(differences) if differences else f"SRC {last.source} there, {config.source.absolute()} now"
    return (
        f"{config.output} holds a set that was made otherwise ({what}). "
        "Give --append to add to it, --overwrite to replace it, or another folder."
    )


def _with_classes_of(info: SetInfo, scanned: Scan, config: GenerateConfig) -> Scan:
    """Return a scan with its classes numbered as the set has them."""
    numbers = {name: number for number, name in enumerate(info.classes)}
    unknown = [name for name in scanned.classes if name not in numbers]
    if unknown:
        raise UsageError(
            f"The set in {config.output} has no class {', '.join(unknown[:5])}{'...' if len(unknown) > 5 else ''}: "
            "its labels are fixed by the first run. Use another folder for the new classes."
        )
    if scanned.classes == info.classes:
        return scanned
    new = np.array([numbers[name] for name in scanned.classes], np.int32)
    rows = sorted_by_class(Rows(scanned.paths, scanned.labels, scanned.sizes), new, scratch_beside(config.output))
    return Scan(info.classes, *rows, scanned.passed_over)


def _appendable(config: GenerateConfig, info: SetInfo, scanned: Scan, headers: list[Header]) -> ResolvedConfig:
    """Return a configuration resolved to fit a set, or say what does not fit."""
    dense = "always" if info.dense_labels else "never"
    fitting = replace(
        config,
        mode=info.mode if config.mode == "auto" else config.mode,
        image_format=info.image_format if config.image_format == "auto" else config.image_format,
        dense_labels=dense if config.dense_labels == "auto" else config.dense_labels,
    )
    for option, have, want in (
        ("--format", info.shard_format, fitting.format),
        ("--mode", info.mode, fitting.mode),
        ("--image-format", info.image_format, fitting.image_format),
        ("--dense-labels", dense, fitting.dense_labels),
    ):
        if have != want:
            raise UsageError(
                f"Every sample of a set has one schema: the set in {config.output} has {option} {have}, not {want}."
            )
    if fitting.num_sources > info.sources:
        raise UsageError(
            f"A label row of the set in {config.output} holds {info.sources} sources, but the strategy mixes "
            f"{fitting.num_sources}. Use another folder, or a strategy of fewer sources."
        )
    return resolve(fitting, scanned, headers)


def _runs_of(manifest: Manifest, config: GenerateConfig) -> list[RunInfo]:
    """Return the runs of a set; none where they are damaged and the set is to be replaced, which is the remedy."""
    try:
        manifest.read_set()
        return manifest.runs()
    except SetError:
        if not config.overwrite:
            raise
        return []


def _is_half_of(config: GenerateConfig, manifest: Manifest, runs: list[RunInfo]) -> bool:
    """Tell whether a set is what `--overwrite` was making when it was stopped: then it goes on.

    Not if the sources are others by now, or if some could not be read: they may have been mended.
    """
    if len(runs) != 1 or not _describes(config, runs[0]):
        return False
    if runs[0].source != str(config.source.absolute()) or runs[0].source_state != state_of_source(config.source):
        return False
    made, mended = 0, False
    for record in Ledger(manifest).valid():
        made += record.shard in runs[0].planned_shards
        mended |= any(skip.unreadable for skip in record.skipped)
    return made < runs[0].shards and not mended
