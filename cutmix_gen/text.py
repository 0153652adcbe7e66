"""Names and reasons from outside, made fit for a line of text."""

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
