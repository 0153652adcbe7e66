"""Beginning a run, or taking up one that was begun: which configuration, which sources, which numbers."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, replace

import numpy as np

from cutmix_gen import streams
from cutmix_gen.archives import scan_source, state_of_source
from cutmix_gen.card import write_card
from cutmix_gen.codecs import make_codec
from cutmix_gen.codecs.pillow import Header
from cutmix_gen.config import GenerateConfig
from cutmix_gen.deletion import delete_set
from cutmix_gen.errors import SetError, UsageError
from cutmix_gen.index import write_index
from cutmix_gen.layout import DATA, HOME
from cutmix_gen.ledger import Ledger
from cutmix_gen.libraries import changed_versions, library_versions
from cutmix_gen.listing import NAMELESS, Rows, sorted_by_class
from cutmix_gen.manifest import FORMAT_VERSION, Manifest, RunInfo, SetInfo
from cutmix_gen.plan import Plan, Run
from cutmix_gen.records import Source
from cutmix_gen.resolution import look_at, part_images, resolve
from cutmix_gen.source import Scan, fingerprint
from cutmix_gen.space import TRIED, Wanted, check_space, scratch_beside
from cutmix_gen.storage import Place, is_local, parse_place, path_text, real_place

_log = logging.getLogger(__name__)

_LEFT_OPEN = re.compile(rf"{re.escape(NAMELESS)}|\.nfs[0-9a-f]|\.fuse_hidden[0-9a-f]")
"""How the names of files begin that a scan works with, and those that network file systems give to removed ones."""


def begin(config: GenerateConfig) -> Run:
    """Return the run that a configuration stands for: a new one, or one that the set has already.

    Parameters
    ----------
    config : GenerateConfig
        As asked for, `auto` settings and all.

    Raises
    ------
    UsageError, SourceError
        If the configuration fits neither the sources nor the set that is there.
    SetError
        If the output folder holds something else than a set.
    """
    check_places(config)
    manifest = Manifest(config.output)
    manifest.check_folders()
    if not manifest.exists():
        _check_empty(config.output)
        return begin_in(config, _scanned(config))
    with manifest.beginning():
        runs = _runs_of(manifest, config)
        if runs and (not config.overwrite or _is_half_of(config, manifest, runs)):
            return _in_set(config, manifest, runs)
        scanned = _scanned(config)
        first = _resolved(config, scanned)  # what is wrong with the new set shows before the old goes
        _check_space(first, reclaimed=_bytes_of(manifest) if config.overwrite else 0)
        if config.overwrite:
            delete_set(manifest)
        return _first_run(first)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a call of `generate` would work on."""

    config: GenerateConfig
    """Resolved."""
    scanned: Scan
    plan: Plan
    """Of the whole run."""
    begun: bool
    """Whether the set has this run already."""
    reclaimed: int
    """Bytes of a set that would be replaced."""


def look_ahead(config: GenerateConfig) -> Outlook:
    """Return what `begin` would begin or take up; nothing is written.

    Raises
    ------
    UsageError, SourceError, SetError
        As `begin` would, the disk's space aside.
    """
    check_places(config)
    manifest = Manifest(config.output)
    runs = _runs_of(manifest, config) if manifest.exists() else []
    if not manifest.exists():
        _check_empty(config.output)
    replaces = bool(runs) and config.overwrite and not _is_half_of(config, manifest, runs)
    found = _choose(config, manifest.read_set(), runs) if runs and not replaces else _scanned(config)
    if isinstance(found, RunInfo):
        config = config.resolved_like(found.config_in(config.output))
        plan = Plan(config, found.num_images, found.number, found.first_shard)
        return Outlook(config, _scanned(config), plan, begun=True, reclaimed=0)
    headers = look_at(config, found)
    if not runs or replaces:
        config, number, first = resolve(config, found, headers), 1, 0
    else:
        config, last = _appendable(config, manifest.read_set(), found, headers), runs[-1]
        number, first = last.number + 1, last.first_shard + last.shards
    plan = Plan(config, len(found), number, first)
    return Outlook(config, found, plan, begun=False, reclaimed=_bytes_of(manifest) if replaces else 0)


def _scanned(config: GenerateConfig) -> Scan:
    return scan_source(config.source, scratch=scratch_beside(config.output))


def _bytes_of(manifest: Manifest) -> int:
    return sum(record.bytes for record in Ledger(manifest).heads())


def _check_space(new: _Resolved, reclaimed: int = 0) -> None:
    """Raise an error if the disk cannot hold what a new run asks for."""
    config, scanned = new.config, new.scanned
    wanted = Wanted(len(scanned) * config.originals, config.mixed_samples(len(scanned)), reclaimed)
    rng = streams.generator(config.seed, streams.SPACE)
    chosen = rng.integers(0, len(scanned), TRIED).tolist()
    sources = [
        Source(path_text(scanned.paths[row]), int(scanned.labels[row]), int(scanned.sizes[row])) for row in chosen
    ]
    check_space(config, sources, new.headers, wanted)


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


def check_places(config: GenerateConfig) -> None:
    """Raise `UsageError` if SRC and OUT lie inside each other."""
    source, output = real_place(config.source), real_place(config.output)
    if source == output or source in output.parents:
        raise UsageError(
            f"OUT ({config.output}) lies inside SRC ({config.source}): its files would be taken for sources. "
            "Give a folder outside."
        )
    if is_local(source) and source.name == DATA and Manifest(source.parent).exists():
        raise UsageError(
            f"SRC ({config.source}) holds the shards of a set, mixed samples among them. Give the set itself, "
            f"{config.source.parent}: its originals are taken."
        )
    if output in source.parents and Manifest(output).exists():
        raise UsageError(
            f"SRC ({config.source}) lies inside the set OUT ({config.output}). Give a folder of images that is outside."
        )


def check_apart(manifest: Manifest, place: Place, name: str) -> None:
    """Raise `UsageError` if what is made of a set would lie in a set, among the images, or around them.

    Parameters
    ----------
    manifest : Manifest
    place : Place
        Where it is to lie.
    name : str
        Of the argument, as the command line has it.
    """
    there = real_place(place)
    others = [("the set OUT", manifest.root)]
    others += [(f"the images of run {run.number}", parse_place(run.source)) for run in manifest.runs()]
    for what, other in others:
        at = real_place(other)
        if there == at or at in there.parents or there in at.parents:
            raise UsageError(
                f"{name} must lie apart from {what}, but {place} is {_how(there, at)} {other}. Give another folder."
            )
    for folder in there.parents if is_local(there) else ():  # of a store, the root has nothing above it
        if Manifest(folder).exists():
            raise UsageError(f"{name} must lie outside of any set, but {place} lies in that of {folder}.")


def _how(there: Place, at: Place) -> str:
    return "just" if there == at else "in" if at in there.parents else "a folder above"


def _check_empty(output: Place) -> None:
    if output.exists() and not output.is_dir():
        raise SetError(f"OUT must be a folder, but {output} is a file.")
    if output.is_dir() and any(not is_remnant(path) for path in output.iterdir()):
        raise SetError(
            f"OUT must be a new or empty folder or a set made by cutmix-gen, but {output} holds other files. "
            "Give another folder."
        )


def is_remnant(path: Place) -> bool:
    """Tell whether a file or folder may be left of a set whose making or deletion was cut short."""
    if path.name == DATA:
        return path.is_dir() and not any(path.iterdir())
    return path.name == HOME or _LEFT_OPEN.match(path.name) is not None


def begin_in(config: GenerateConfig, scanned: Scan) -> Run:
    """Begin the first run of a set, whose sources are scanned already."""
    first = _resolved(config, scanned)
    _check_space(first)
    with Manifest(config.output).beginning():
        return _first_run(first)


@dataclass(frozen=True, slots=True)
class _Resolved:
    """What a new run is made of."""

    config: GenerateConfig
    """Resolved."""
    scanned: Scan
    headers: list[Header]


def _resolved(config: GenerateConfig, scanned: Scan) -> _Resolved:
    headers = look_at(config, scanned)
    return _Resolved(resolve(config, scanned, headers), scanned, headers)


def _first_run(first: _Resolved) -> Run:
    """Write the files of a set and its first run, unless another process has just done that."""
    resolved, scanned = first.config, first.scanned
    info = SetInfo(
        format_version=FORMAT_VERSION,
        shard_format=resolved.format,
        classes=scanned.classes,
        mode=resolved.mode,
        image_format=resolved.image_format,
        dense_labels=resolved.dense_labels == "always",
        sources=resolved.num_sources,
    )
    manifest = Manifest(resolved.output)
    if not manifest.write_set(info) and manifest.read_set() != info:
        raise SetError(_other_run(resolved))
    return _add_run(first, 1, 0)


def _other_run(config: GenerateConfig) -> str:
    return (
        f"Another process has begun a different run in {config.output}. Give --append to add to it, --overwrite to "
        "replace it, or another folder."
    )


def _in_set(config: GenerateConfig, manifest: Manifest, runs: list[RunInfo]) -> Run:
    """Return the run of a set that a configuration describes, or append it."""
    found = _choose(config, manifest.read_set(), runs)
    if isinstance(found, RunInfo):
        return _take_up(manifest, found, config.source)
    headers, last = look_at(config, found), runs[-1]
    new = _Resolved(_appendable(config, manifest.read_set(), found, headers), found, headers)
    _check_space(new)
    return _add_run(new, last.number + 1, last.first_shard + last.shards)


def _choose(config: GenerateConfig, info: SetInfo, runs: list[RunInfo]) -> RunInfo | Scan:
    """Return the run of a set that a configuration describes, or the sources of one that is to be appended."""
    same = [run for run in runs if _describes(config, run)]
    for run in same:
        if _is_unchanged(config, run):
            return run
    scanned = _with_classes_of(info, _scanned(config), config)
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


def _take_up(manifest: Manifest, run: RunInfo, source: Place) -> Run:
    manifest.remove_leftovers()
    make_codec(run.config["codec"])
    changed = changed_versions(run.versions)
    if changed:
        _log.warning(
            "Libraries have changed since the run began; what is made now may differ in its bytes: %s.",
            ", ".join(changed),
        )
    return Run(manifest.root, run.number, source.absolute())


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


def _appendable(config: GenerateConfig, info: SetInfo, scanned: Scan, headers: list[Header]) -> GenerateConfig:
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


def _add_run(new: _Resolved, number: int, first_shard: int) -> Run:
    """Write a run's files, unless another process has just done that; its scan has the classes of the set."""
    manifest = Manifest(new.config.output)
    manifest.remove_leftovers()
    is_there = number in manifest.run_numbers()
    index_sha256 = "" if is_there else write_index(new.scanned, manifest.index_path(number))
    run = _run_info(new, number, first_shard, index_sha256)
    if not manifest.add_run(run):
        there = manifest.read_run(number)
        if (there.digest, there.fingerprint) != (run.digest, run.fingerprint):
            raise SetError(_other_run(new.config))
    if manifest.has_card():
        write_card(manifest)  # the card of what was there counts less than a reader will find from now on
    return Run(manifest.root, number, new.config.source.absolute())


def _run_info(new: _Resolved, number: int, first_shard: int, index_sha256: str) -> RunInfo:
    config, scanned = new.config, new.scanned
    plan = Plan(config, len(scanned), number, first_shard)
    return RunInfo(
        number=number,
        config=config.identity(),
        digest=config.digest(),
        source=str(config.source.absolute()),
        fingerprint=fingerprint(scanned),
        source_state=state_of_source(config.source),
        num_images=len(scanned),
        class_counts=scanned.class_counts.tolist(),
        part_images=part_images(config, new.headers),
        first_shard=first_shard,
        shards=plan.num_shards,
        samples=plan.num_samples,
        passed_over=scanned.passed_over,
        versions=library_versions(),
        index_sha256=index_sha256,
    )
