"""Places: a local path, or a URI of a store."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, Union
from urllib.parse import unquote_to_bytes

from cutmix_gen.errors import UsageError
from cutmix_gen.text import brief

if TYPE_CHECKING:
    from cutmix_gen.storage.objects import ObjectPath

Place: TypeAlias = Union[Path, "ObjectPath"]
"""Where files lie; both have the part of `pathlib.Path` that this program uses."""

_LONGEST = 4096
"""Bytes of a path, with the zero at its end (PATH_MAX of Linux)."""
_DEEPEST = 256
"""Folders in each other: `pathlib` makes them by calling itself, and Python stops at a thousand calls."""
_IS_URI = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]+)://", re.ASCII | re.IGNORECASE)
_SCHEME = r"(?:s3[an]?|gs|gcs|hdfs|viewfs|abfss?|wasbs?|https?|file|fsspec\+[a-z0-9+.-]+)"
_LIKE_URI = re.compile(rf"\s*(?P<scheme>{_SCHEME})(:|//)|[^/]*:/+[^@]*:[^@]*@", re.ASCII | re.IGNORECASE)
"""What somebody means for a URI that is none: a slash or the colon is missing, as `pathlib` leaves it too; or there is
a password after the slashes, whatever stands before them."""
_SECRETS = re.compile(rf"(:/+|\b{_SCHEME}(?::|//)/*).*@|(?<=\?)[^\s'\"]+", re.ASCII | re.IGNORECASE)
_PASSWORDS = re.compile(
    r"(?<=://)[^/\s@\[]*:(?!\d*(?:[/?\s]|$))\S*@"  # a colon before no port
    rf"|(?P<misspelt>\b{_SCHEME}(?::/?(?![/\s])|//))(?=\S*[@?])[^\s'\"]*",
    re.ASCII | re.IGNORECASE,
)


def parse_place(text: str | Place) -> Place:
    """Return the place that a text names: a URI of a store, or else a local path.

    >>> parse_place("photos/train")
    PosixPath('photos/train')
    >>> parse_place("S3://user:password@bucket/photos")
    ObjectPath('s3://bucket/photos')

    Raises
    ------
    UsageError
        If it is nearly a URI: misspelt, or made a `Path` before; or nothing that can be a path.
    """
    if not isinstance(text, str | Path):
        return _checked_object(text)
    if not text or not _can_be_path(str(text)):
        raise UsageError(
            f"A folder or file must have a path or a URI, of {_LONGEST - 1:,} bytes at most, but it is "
            f"'{brief(hide_secrets(str(text)))}'."
        )
    uri = _IS_URI.match(text) if isinstance(text, str) else None
    if uri is None:
        _check_no_uri(text)
        return Path(text)
    scheme, rest = uri["scheme"].lower(), str(text)[uri.end() :]
    if scheme == "file":
        return _local(rest)
    from cutmix_gen.storage.objects import ObjectPath  # noqa: PLC0415  local runs need none of it

    return ObjectPath(f"{scheme}://{rest}")


def _checked_object(place: ObjectPath) -> ObjectPath:
    """Return a place in a store, unless it is nothing of the kind."""
    from cutmix_gen.storage.objects import ObjectPath  # noqa: PLC0415  local runs need none of it

    if not isinstance(place, ObjectPath):
        raise UsageError(f"A folder or file must be given as text or as a Path, but it is {brief(place)}.")
    return place


def _can_be_path(text: str) -> bool:
    """Tell whether a file system takes a text for a path: one of any bytes but zero (PEP 383), and not too many."""
    try:
        path = os.fsencode(text)
        return b"\0" not in path and len(path) < _LONGEST and path.count(b"/") < _DEEPEST
    except UnicodeEncodeError:
        return False


def _local(rest: str) -> Path:
    """Return the path of a file:// URI, by what follows its slashes."""
    host, _, path = rest.partition("/")
    if host.lower() not in ("", "localhost"):
        raise UsageError(
            "A file:// URI must have three slashes and a path from the root on, as file:///data/images has, but a "
            "name of a machine follows on the first two."
        )
    local = os.fsdecode(unquote_to_bytes(path))
    if not _can_be_path(local):
        raise UsageError(f"A file:// URI must have a path, but it is '{brief(local)}'.")
    return Path("/" + local)


def _check_no_uri(text: str | Path) -> None:
    """Raise `UsageError` for a URI that has gone wrong: it would become a folder with a password as its name."""
    like = _LIKE_URI.match(str(text))
    if like is None:
        return
    if isinstance(text, Path):
        raise UsageError(f"{hide_secrets(str(text))} was made a Path, which spoils a URI. Give it as text.")
    raise UsageError(
        f"A URI must be SCHEME://BUCKET/PATH, but it is '{hide_secrets(text)}'. Write "
        f"{(like['scheme'] or 's3').lower()}://..., or ./... for a folder of this machine."
    )


def hide_secrets(text: str) -> str:
    """Return a text from outside without what may be the user, the password or the query of a URI in it.

    It hides too much rather than too little: it is for texts that are in no form, as a wrong option is.

    >>> hide_secrets("there is no s3:/user:pass/word@bucket/x?key=1 here")
    'there is no s3:/...@bucket/x?... here'
    """
    return "\n".join(
        _SECRETS.sub(lambda match: f"{match[1]}...@" if match[1] else "...", line) for line in text.split("\n")
    )


def hide_passwords(text: str) -> str:
    """Return a text of this program or of a library without the passwords of URIs that may be quoted in it.

    Places are there as they were written: they have none.

    >>> hide_passwords("tcp://user:word@host:80 does not answer")
    'tcp://...@host:80 does not answer'
    """
    return _PASSWORDS.sub(lambda match: f"{match['misspelt']}..." if match["misspelt"] else "...@", text)


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
