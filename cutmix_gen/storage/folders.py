"""Folders of this machine that are filled under another name, and get their own when they are whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cutmix_gen.errors import OutputError
from cutmix_gen.storage.local import TEMPORARY, sole, unique, writing


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a folder to fill; in the end it gets its name, or all of it goes if there was an error.

    A folder that is there and empty stays the folder that it is: somebody may be in it, or a disk be mounted there.
    It is filled in the end.

    Parameters
    ----------
    path : Path
        Links are followed.

    Raises
    ------
    OutputError
        If another process is filling it, or it cannot be written.
    """
    place = Path(os.path.realpath(path))
    is_there = place.is_dir()
    beside = place if is_there else place.parent
    with writing(path):
        beside.mkdir(parents=True, exist_ok=True)
    with sole(beside / f".{place.name}.one{TEMPORARY}") as locked:
        if locked is False:
            raise OutputError(
                f"{path} is being filled by another process. Wait until that one ends, or give another folder."
            )
        if locked:  # where there are no locks, nobody knows whose a folder is that lies there
            _remove_leftovers(beside, place.name)
        made = beside / f".{place.name}.{unique()}{TEMPORARY}"  # workers of a process that was killed know another one
        with writing(path):
            made.mkdir()
        try:
            yield made
            with writing(path):
                _move(made, place) if is_there else made.rename(place)
        finally:
            shutil.rmtree(made, ignore_errors=True)


def is_empty(path: Path) -> bool:
    """Tell whether there is nothing at a path, or a folder without anything but what is on its way there."""
    if not path.is_dir():
        return not os.path.lexists(os.path.realpath(path))
    return all(each.name.startswith(".") and each.name.endswith(TEMPORARY) for each in path.iterdir())


def _remove_leftovers(beside: Path, name: str) -> None:
    """Remove what killed processes have made of a folder of a name; nobody else is at it."""
    for path in beside.iterdir():
        if path.name.startswith(f".{name}.") and path.name.endswith(TEMPORARY):
            number = path.name.removeprefix(f".{name}.").removesuffix(TEMPORARY)
            if number.replace("-", "").isdecimal() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)


def _move(made: Path, place: Path) -> None:
    for path in sorted(made.iterdir()):
        path.rename(place / path.name)
