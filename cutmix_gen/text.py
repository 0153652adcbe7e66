"""Texts for people: names and reasons from outside made fit for a line, sizes and times in words."""

from __future__ import annotations

import re
from reprlib import Repr


def printable(text: str, keep: str = "") -> str:
    r"""Return a text with everything escaped that a terminal would act on or not show.

    Control characters, line breaks, marks that turn the direction of writing, and bytes that were no text.

    Parameters
    ----------
    text : str
    keep : str
        Characters that stay as they are.

    Examples
    --------
    >>> print(printable("cat\n\x1b[2J.jpg"))
    cat\n\x1b[2J.jpg
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in keep else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode()


def printable_lines(text: str) -> str:
    """Return a text like `printable`, its line breaks kept."""
    return printable(text, keep="\n")


def brief(value: object) -> str:
    """Return a value as a message quotes it, however long it is, on one line.

    >>> brief("9" * 5000)
    '99999999999999999999...99999999999999999999 (5,000 characters)'
    """
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        return f"a whole number of {value.bit_length():,} bits"
    text = value if isinstance(value, str) else _REPR.repr(value)
    if len(text) <= _MOST_SHOWN:
        return printable(text)
    return f"{printable(text[:_END])}...{printable(text[-_END:])} ({len(text):,} characters)"


def brief_words(text: str) -> str:
    """Return a message in which no word is longer than anybody reads; none of a long one that may hold a password.

    >>> brief_words("There is no folder " + "x" * 5000)
    'There is no folder xxxxxxxxxxxxxxxxxxxx...xxxxxxxxxxxxxxxxxxxx (5,000 characters)'
    """
    return _LONG_WORD.sub(lambda match: "..." if set(match[0]) & _OF_SECRETS else brief(match[0]), text)


_LONG_WORD = re.compile(r"\S{1000,}")
_OF_SECRETS = frozenset(":@?")
"""Where there is one of these, there may be the URI of a store."""
_MOST_SHOWN = 80
_END = 20
_MOST_BITS = 256
"""Python refuses to write numbers of many digits."""


class _Repr(Repr):
    """Looks neither deep nor long."""

    def repr_int(self, x: int, level: int) -> str:  # noqa: ARG002  as `Repr` calls it
        """Return a number, or how long it is."""
        return brief(x) if x.bit_length() > _MOST_BITS else repr(x)


_REPR = _Repr()


def size_text(size: float) -> str:
    """Return a number of bytes for people: 1.2 MB.

    >>> size_text(1_234_567)
    '1.2 MB'
    """
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def time_text(seconds: float, *, whole: bool = False) -> str:
    """Return a time span for people: 2 h 05 min; short ones in whole seconds where it changes all the time.

    >>> time_text(7500)
    '2 h 05 min'
    """
    if seconds < 59.5:
        return f"{seconds:.0f} s" if whole else f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
