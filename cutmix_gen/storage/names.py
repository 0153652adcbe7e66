"""Paths as text that any file format can carry."""

from __future__ import annotations


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
