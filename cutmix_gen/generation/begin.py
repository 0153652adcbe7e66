"""Beginning a run, or taking up one that was begun."""

from __future__ import annotations

import logging

from cutmix_gen.codecs import make_codec
from cutmix_gen.config import GenerateConfig
from cutmix_gen.dataset.card import write_card
from cutmix_gen.dataset.deletion import delete_set
from cutmix_gen.dataset.info import FORMAT_VERSION, RunInfo, SetInfo
from cutmix_gen.dataset.manifest import Manifest
from cutmix_gen.dataset.records import Source
from cutmix_gen.dataset.run import Run
from cutmix_gen.dataset.source_index import write_index
from cutmix_gen.errors import SetError
from cutmix_gen.generation.decide import Continue, New, decide, first_run
from cutmix_gen.generation.resolve import part_images
from cutmix_gen.generation.space import TRIED, Wanted, check_space
from cutmix_gen.mixing import streams
from cutmix_gen.sources.scan import Scan, fingerprint
from cutmix_gen.sources.shard_sources import state_of_source
from cutmix_gen.storage import path_text
from cutmix_gen.version import changed_versions, library_versions

_log = logging.getLogger(__name__)


def begin(config: GenerateConfig) -> Run:
    """Return the run that a configuration stands for, begun where the set has none such: see `decide`.

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
    manifest = Manifest(config.output)
    if not manifest.exists():
        return _begun(decide(config))  # nothing is made, not even a lock, before the sources are known
    with manifest.beginning():
        return _replaced_or_continued(decide(config))


def begin_in(config: GenerateConfig, scanned: Scan) -> Run:
    """Begin the first run of a set, whose sources are scanned already."""
    return _begun(first_run(config, scanned))


def _begun(decision: New | Continue) -> Run:
    if isinstance(decision, New):
        _check_space(decision)
    with Manifest(decision.config.output).beginning():
        return _take_up(decision) if isinstance(decision, Continue) else _write(decision)


def _replaced_or_continued(decision: New | Continue) -> Run:
    if isinstance(decision, Continue):
        return _take_up(decision)
    _check_space(decision)
    if decision.replaces:
        delete_set(Manifest(decision.config.output))
    return _write(decision)


def _check_space(new: New) -> None:
    """Raise an error if the disk cannot hold what a new run asks for."""
    config, scanned = new.config, new.scanned
    wanted = Wanted(len(scanned) * config.originals, config.mixed_samples(len(scanned)), new.reclaimed)
    rng = streams.generator(config.seed, streams.SPACE)
    chosen = rng.integers(0, len(scanned), TRIED).tolist()
    sources = [
        Source(path_text(scanned.paths[row]), int(scanned.labels[row]), int(scanned.sizes[row])) for row in chosen
    ]
    check_space(config, sources, new.headers, wanted)


def _take_up(known: Continue) -> Run:
    manifest, run = Manifest(known.config.output), known.run
    manifest.remove_leftovers()
    make_codec(known.config.codec)
    changed = changed_versions(run.versions)
    if changed:
        _log.warning(
            "Libraries have changed since the run began; what is made now may differ in its bytes: %s.",
            ", ".join(changed),
        )
    return Run(manifest.root, run.number, known.config.source.absolute())


def _write(new: New) -> Run:
    """Write the files of a run, and of the set with its first one, unless another process has just done that."""
    config, manifest = new.config, Manifest(new.config.output)
    if new.number == 1:
        info = _set_info(new)
        if not manifest.write_set(info) and manifest.read_set() != info:
            raise SetError(_other_run(config))
    manifest.remove_leftovers()
    is_there = new.number in manifest.run_numbers()
    index_sha256 = "" if is_there else write_index(new.scanned, manifest.index_path(new.number))
    run = _run_info(new, index_sha256)
    if not manifest.add_run(run):
        there = manifest.read_run(new.number)
        if (there.digest, there.fingerprint) != (run.digest, run.fingerprint):
            raise SetError(_other_run(config))
    if manifest.has_card():
        write_card(manifest)  # the card of what was there counts less than a reader will find from now on
    return Run(manifest.root, new.number, config.source.absolute())


def _other_run(config: GenerateConfig) -> str:
    return (
        f"Another process has begun a different run in {config.output}. Give --append to add to it, --overwrite to "
        "replace it, or another folder."
    )


def _set_info(new: New) -> SetInfo:
    config = new.config
    return SetInfo(
        format_version=FORMAT_VERSION,
        shard_format=config.format,
        classes=new.scanned.classes,
        mode=config.mode,
        image_format=config.image_format,
        dense_labels=config.dense_labels == "always",
        sources=config.num_sources,
    )


def _run_info(new: New, index_sha256: str) -> RunInfo:
    config, scanned, plan = new.config, new.scanned, new.plan
    return RunInfo(
        number=new.number,
        config=config.identity(),
        digest=config.digest(),
        source=str(config.source.absolute()),
        fingerprint=fingerprint(scanned),
        source_state=state_of_source(config.source),
        num_images=len(scanned),
        class_counts=scanned.class_counts.tolist(),
        part_images=part_images(config, new.headers),
        first_shard=new.first_shard,
        shards=plan.num_shards,
        samples=plan.num_samples,
        passed_over=scanned.passed_over,
        versions=library_versions(),
        index_sha256=index_sha256,
    )
