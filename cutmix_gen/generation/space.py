"""Is there room for a set on the disk: what is free, and a quick estimate of what is needed."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cutmix_gen.codecs.pillow import Header
from cutmix_gen.config import GenerateConfig, ResolvedConfig
from cutmix_gen.dataset.records import Source
from cutmix_gen.errors import SetError
from cutmix_gen.generation.draws import DrawKey, draw_originals
from cutmix_gen.sources.images import PIXEL_BYTES, Images
from cutmix_gen.storage import Place
from cutmix_gen.text import size_text

TRIED = 64
"""Images that are encoded at most."""
_SECONDS = 1.0
"""Time after which no further one is."""
_ROW_BYTES = 2000
"""Of a sample beside its image and its dense label: more than any has."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Samples that are to be made."""

    original: int
    cutmix: int
    reclaimed: int
    """Bytes that become free before: of a set that is replaced."""


def free_bytes(output: Place) -> int | None:
    """Return what is free on the disk of a folder that need not exist yet; None where nobody can say: in a store."""
    if not isinstance(output, Path):
        return None
    return shutil.disk_usage(_nearest(output)).free


def scratch_beside(output: Place) -> Path | None:
    """Return a folder on the disk of a set to be, for files without a name; None where only that of the system will do.

    What a large set needs while it is planned fits where the set fits; the system's folder may be in memory itself.
    """
    folder = _nearest(output) if isinstance(output, Path) else None
    return folder if folder and os.access(folder, os.W_OK) else None


def _nearest(output: Path) -> Path:
    folder = output.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder


def check_room(config: GenerateConfig, needed: float, free: int | None) -> None:
    """Raise `SetError` if a set needs more bytes than are free; not where `--force` is given, or nobody can say."""
    if config.force or free is None or needed <= free:
        return
    raise SetError(
        f"The set needs about {size_text(needed)} more in {config.output}, but its disk has {size_text(free)} free. "
        "Free some, or give a folder on another disk, fewer --copies, a smaller --size or --quality; "
        "--force goes on all the same."
    )


def check_space(config: ResolvedConfig, sources: Sequence[Source], headers: list[Header], wanted: Wanted) -> None:
    """Raise an error if a disk cannot hold the samples that are wanted, so far as a quick look tells.

    Where they would fit without any compression, nothing is looked at. Else some images are encoded, and the
    lower end of what that makes likely counts: what is refused does not fit.

    Parameters
    ----------
    config : GenerateConfig
        Resolved.
    sources : sequence of Source
        Some of the images, drawn at random.
    headers : list of Header
        Of some of the images.
    wanted : Wanted

    Raises
    ------
    SetError
        If there is too little room.
    """
    free = None if config.force else free_bytes(config.output)
    if free is not None and free + wanted.reclaimed < _uncompressed(config, headers, wanted):
        check_room(config, _low_estimate(config, sources, wanted), free + wanted.reclaimed)


def _uncompressed(config: ResolvedConfig, headers: list[Header], wanted: Wanted) -> float:
    areas = [config.target.area] if config.target else [header.size.area for header in headers]
    pixels = sum(areas) / len(areas) if areas else float("inf")
    sample = pixels * PIXEL_BYTES[config.mode] * 1.1 + _ROW_BYTES
    return (wanted.original + wanted.cutmix) * sample


def _low_estimate(config: ResolvedConfig, sources: Sequence[Source], wanted: Wanted) -> float:
    """Return the bytes of the images: the mean of some, less twice its standard error; 0 where none can be read."""
    images, totals, until = Images(config), [], time.monotonic() + _SECONDS
    for source in sources:
        loaded = images.load(source)
        (view,) = draw_originals(config, DrawKey(0, 0, 0, 0), [loaded.size])
        if view is None or loaded.size is None:
            continue
        encoded = len(images.encode(images.show(loaded, view, config.target or loaded.size)))
        totals.append(wanted.original * (len(loaded.file) or encoded) + wanted.cutmix * encoded)
        if time.monotonic() > until:
            break
    if len(totals) < 2:
        return 0.0
    return float(np.mean(totals) - 2 * np.std(totals, ddof=1) / len(totals) ** 0.5)
