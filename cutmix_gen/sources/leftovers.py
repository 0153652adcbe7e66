"""What a sample of a shard has beside its image and its label: it is not carried over, so it is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from cutmix_gen.text import printable

_NAMED = 20
"""Fields that are counted by name; a file can have any number of them."""
_LONGEST = 40
"""Characters of such a name that are told."""
_WHAT = " beside an image"


def count_leftovers(passed_over: Counter[str], names: Iterable[str], count: int = 1) -> None:
    """Count fields of samples that are not carried over, by their names.

    >>> passed_over = Counter()
    >>> count_leftovers(passed_over, ["json", "txt"], 3)
    >>> dict(passed_over)
    {'json beside an image': 3, 'txt beside an image': 3}
    """
    for name in names:
        reason = printable(name[:_LONGEST]) + _WHAT
        if reason not in passed_over and sum(each.endswith(_WHAT) for each in passed_over) >= _NAMED:
            reason = "other fields" + _WHAT
        passed_over[reason] += count
