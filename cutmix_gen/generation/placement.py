"""Where SRC, OUT and what is made of a set may lie, so that nothing takes files for others than they are."""

from __future__ import annotations

import re

from cutmix_gen.config import GenerateConfig
from cutmix_gen.dataset.layout import DATA, HOME
from cutmix_gen.dataset.manifest import Manifest
from cutmix_gen.errors import SetError, UsageError
from cutmix_gen.sources.listing import NAMELESS
from cutmix_gen.storage import Place, is_local, parse_place, real_place

_LEFT_OPEN = re.compile(rf"{re.escape(NAMELESS)}|\.nfs[0-9a-f]|\.fuse_hidden[0-9a-f]")
"""How the names of files begin that a scan works with, and those that network file systems give to removed ones."""


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


def check_empty(output: Place) -> None:
    """Raise `SetError` unless a set may be made in a folder: it is new, empty, or holds what is left of a set."""
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
