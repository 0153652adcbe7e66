"""Names and reasons from outside, made fit for a line of text."""

from __future__ import annotations


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
