"""Numbers as people read them."""

from __future__ import annotations


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
