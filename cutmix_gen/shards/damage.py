"""What a damaged shard looks like to whoever reads it."""

from __future__ import annotations

import pyarrow as pa

DAMAGES = (
    pa.ArrowException,
    OSError,
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    OverflowError,
    RecursionError,
    MemoryError,
)
"""What readers raise on bytes that are no shard."""
