"""Names: paths as text that any file format can carry, and values that may become the name of a file."""

from __future__ import annotations

import re

from cutmix_gen.errors import SetError

_DIGEST = re.compile("[0-9a-f]{64}")
_LONGEST = 255
"""Bytes of a file's name at most, on nearly every file system."""


def path_text(path: bytes) -> str:
    r"""Return a path as text that any file format can carry, and that `path_bytes` turns back.

    Valid UTF-8 without a backslash stays as it is. In other names a byte that is no UTF-8 becomes `\xNN` and a
    backslash is doubled.

    >>> path_text(b"cats/tom.jpg")
    'cats/tom.jpg'
    >>> path_bytes(path_text(b"cats/\xff.jpg"))
    b'cats/\xff.jpg'
    """
    return path.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")


def path_bytes(text: str) -> bytes:
    """Return the path that `path_text` made a text of."""
    if "\\" not in text:
        return text.encode()
    parts = text.split("\\\\")
    return b"\\".join(_unescape(part) for part in parts)


def _unescape(text: str) -> bytes:
    first, *rest = text.split("\\x")
    return first.encode() + b"".join(bytes([int(part[:2], 16)]) + part[2:].encode() for part in rest)


def is_name(value: object, longest: int = _LONGEST) -> bool:
    """Tell whether a value may be the name of a file: one part of a path that is not hidden and can be shown.

    >>> is_name("train-000001.parquet"), is_name("../x"), is_name(".bashrc"), is_name("")
    (True, False, False, False)
    """
    if not isinstance(value, str) or not value.isprintable() or "/" in value or value.startswith("."):
        return False
    return 0 < len(value.encode()) <= longest


def checked_name(value: object) -> str:
    """Return a value that was read and is to be the name of a file: no such name is made in another way.

    Raises
    ------
    SetError
        If it is no name, but may lead elsewhere.
    """
    if not is_name(value):
        raise SetError(
            f"The name of a file must be one part of a path, not hidden and up to {_LONGEST} bytes long, but it is "
            f"{repr(value)[:100]}: what it was read from is damaged, or was made to do harm."
        )
    return str(value)


def is_digest(value: object) -> bool:
    """Tell whether a value is a SHA-256 as this program writes it: 64 hexadecimal digits."""
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def checked_digest(value: object) -> str:
    """Return a SHA-256 that was read: a name like any other, and what the content of a file is compared with.

    Raises
    ------
    SetError
        If it is something else.
    """
    if not is_digest(value):
        raise SetError(
            f"A SHA-256 must be 64 hexadecimal digits, but it is {repr(value)[:100]}: what it was read from is "
            "damaged, or was made to do harm."
        )
    return str(value)
