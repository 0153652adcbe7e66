"""How a worker process deals with its memory."""

from __future__ import annotations

import ctypes
import gc

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
"""Names of settings in glibc's malloc.h."""
_NEVER = (1 << 31) - 1


def keep_memory() -> None:
    """Keep freed memory, and look for garbage more seldom, in a process that does nothing but tasks.

    An image of 224 px is just large enough that glibc asks the kernel for fresh pages, and gives them back, for each
    array of one: a twentieth of all time. Kept, the same few arrays are used again. A task makes many small objects
    and hardly any cycles among them.
    """
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library than glibc
        return
    for setting, size in ((_M_MMAP_THRESHOLD, 1 << 30), (_M_TRIM_THRESHOLD, _NEVER), (_M_TOP_PAD, 16 << 20)):
        mallopt(setting, size)
