"""Settings that follow from the sources: what `auto` stands for, and how many images fit into memory together."""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import suppress
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np

from cutmix_gen.codecs import best_codec, make_codec
from cutmix_gen.codecs.modes import DEEP, GRAY
from cutmix_gen.codecs.pillow import Header, peek
from cutmix_gen.config import DENSE_LABELS_UP_TO, GenerateConfig, ResolvedConfig
from cutmix_gen.dataset.info import MAX_SHARDS
from cutmix_gen.dataset.plan import Plan
from cutmix_gen.dataset.run import quota_plan
from cutmix_gen.errors import MachineError, StorageError, UsageError
from cutmix_gen.machine import check_room
from cutmix_gen.mixing import streams
from cutmix_gen.mixing.pairing import Census
from cutmix_gen.ranges import COPIES
from cutmix_gen.sources.images import PIXEL_BYTES, frame_of_all, max_file_bytes
from cutmix_gen.sources.read import read_source, source_path
from cutmix_gen.sources.scan import Scan
from cutmix_gen.storage import Place, open_source, path_text, read_ahead

_log = logging.getLogger(__name__)

PIXEL_BUDGET = 256 << 20
"""Bytes of decoded pixels that a worker holds at a time; a block beyond it is paired in parts."""

_STRAY = 0.05
"""Share of the images up to which those of another pixel mode are strays."""
_HEADERS = 256
"""Image headers that decide the automatic settings."""


def look_at(config: GenerateConfig, scanned: Scan) -> list[Header]:
    """Return the headers of some images drawn by seed; those that cannot be opened are left out."""
    rng = streams.generator(config.seed, streams.HEADERS)
    chosen = rng.choice(len(scanned), min(_HEADERS, len(scanned)), replace=False, shuffle=False)
    paths = [scanned.paths[number] for number in sorted(chosen.tolist())]
    found = read_ahead(partial(_header, config.source, config.max_pixels), paths, config.source)
    return [header for header in found if header is not None]


def _header(root: Place, max_pixels: int, path: bytes) -> Header | None:
    try:
        if isinstance(root, Path):
            with suppress(NotADirectoryError), open_source(source_path(root, path)) as file:
                return peek(file, max_pixels)
        return peek(BytesIO(read_source(root, path_text(path), max_file_bytes(max_pixels))), max_pixels)
    except (MachineError, StorageError):
        raise
    except Exception as error:
        check_room()
        _log.debug("no header of %r: %s", path, error)
        return None


def resolve(config: GenerateConfig, scanned: Scan, headers: list[Header]) -> ResolvedConfig:
    """Replace the `auto` settings of a configuration by what suits the sources and this machine.

    The mode is RGB as soon as one image in twenty is in colour, else 16 bit as soon as one in twenty is, else L: a
    stray image of another mode does not change what a set is. The image format is JPEG where most images are JPEG.
    """
    mode, image_format = config.mode, config.image_format
    if mode == "auto":
        mode = _mode_of(headers)
        if mode == "L" and image_format == "webp":
            mode = "RGB"  # WebP has no grayscale, and nothing is lost
    if image_format == "auto":
        jpegs = sum(header.format == "jpeg" for header in headers)
        image_format = "jpeg" if mode != "I;16" and jpegs > len(headers) / 2 else "png"
    codec = best_codec() if config.codec == "auto" else config.codec
    make_codec(codec)
    dense = config.dense_labels
    if dense == "auto":
        dense = "always" if len(scanned.classes) <= DENSE_LABELS_UP_TO else "never"
    resolved = config.resolved(mode=mode, image_format=image_format, codec=codec, dense_labels=dense)
    _check_pairing(resolved, scanned)
    _check_plan(Plan(resolved, len(scanned), 1, 0))
    return resolved


def _mode_of(headers: list[Header]) -> str:
    kinds = Counter("I;16" if header.mode in DEEP else "L" if header.mode in GRAY else "RGB" for header in headers)
    for mode in ("RGB", "I;16"):
        if kinds[mode] > _STRAY * len(headers) or kinds[mode] == len(headers):
            return mode
    return "L"


def part_images(config: ResolvedConfig, headers: list[Header]) -> int:
    """Return how many images of a block may be in memory together as bases."""
    frame = frame_of_all(config)
    areas = [frame.area] if frame else [header.size.area for header in headers]
    pixels = sum(areas) / len(areas) if areas else 1.0
    held = pixels * PIXEL_BYTES[config.mode] * config.make_pairing().room
    return max(2, int(PIXEL_BUDGET // held))


def _check_plan(plan: Plan) -> None:
    """Raise `UsageError` where there would be more of anything than makes sense: each takes memory and time."""
    if plan.num_copies not in COPIES or plan.num_shards > MAX_SHARDS:
        raise UsageError(
            f"{plan.num_mixed:,} mixed samples of {plan.num_images:,} images would be {plan.num_copies:,} copies of "
            f"them in {plan.num_shards:,} shards. There can be {COPIES.most:,} copies and {MAX_SHARDS:,} shards at "
            "most. Ask for fewer samples, or give more images or a larger --shard-size."
        )


def _check_pairing(config: ResolvedConfig, scanned: Scan) -> None:
    """Raise `UsageError` where the sources cannot be paired as asked for at all."""
    counts = scanned.class_counts
    if config.pairing == "cross-class" and np.count_nonzero(counts) < 2:
        raise UsageError(
            f"--pairing cross-class needs images of at least two classes, but {config.source} has images of one only. "
            "Give --pairing random, or add another class."
        )
    if config.pairing == "same-class" and counts.max() < 2:
        raise UsageError(
            f"--pairing same-class needs a class of at least two images, but no class of {config.source} has more "
            "than one. Give --pairing random or cross-class."
        )
    quota_plan(config, scanned.classes, Census(counts), 1)
