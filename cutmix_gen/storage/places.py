"""Places: a local path, or a URI of a store."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, Union
from urllib.parse import unquote, urlsplit

from cutmix_gen.errors import UsageError

if TYPE_CHECKING:
    from cutmix_gen.storage.objects import ObjectPath

Place: TypeAlias = Union[Path, "ObjectPath"]
"""Where files lie; both have the part of `pathlib.Path` that this program uses."""

_IS_URI = re.compile(r"[a-z][a-z0-9+.-]+://", re.ASCII)
_WAS_URI = re.compile(r"(s3|gs|gcs|hdfs|viewfs|abfss?|fsspec\+[a-z0-9+.-]+):/[^/]", re.ASCII)
"""What `pathlib` makes of a URI: it takes one of the two slashes away."""


def parse_place(text: str | Place) -> Place:
    """Return the place that a text names: a URI of a store, or else a local path.

    >>> parse_place("photos/train")
    PosixPath('photos/train')
    >>> parse_place("s3://user:password@bucket/photos")
    ObjectPath('s3://bucket/photos')

    Raises
    ------
    UsageError
        If it was a URI before it was made a `Path`.
    """
    if isinstance(text, Path):
        if _WAS_URI.match(str(text)):
            raise UsageError(f"{text} was made a Path, which spoils a URI. Give it as text.")
        return text
    if not isinstance(text, str):
        return text
    if text.startswith("file://"):
        return Path(unquote(urlsplit(text).path))
    if not _IS_URI.match(text):
        return Path(text)
    from cutmix_gen.storage.objects import ObjectPath  # noqa: PLC0415  local runs need none of it

    return ObjectPath(text)


def is_local(where: Place) -> bool:
    """Tell whether a place is on a file system of this machine."""
    return isinstance(where, Path)


def place_beside(text: str, output: Place) -> Place | None:
    """Return the place that a file of a set names, to be read; None where that is another store than the set's own.

    A set may come from anybody, and opening a store means to show it one's credentials: only what the user names is
    opened, and of the store where the set lies whatever the set says, in the way in which the set was opened.

    Parameters
    ----------
    text : str
    output : Place
        The folder of the set.
    """
    place = parse_place(text)
    if isinstance(place, Path):
        return place
    return None if isinstance(output, Path) else output.in_same_store(place)
