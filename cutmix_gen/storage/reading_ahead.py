"""Reading ahead: objects on their way while others are worked on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

READERS = 32
"""Objects that are read at a time: one takes 10 to 100 ms to come, whatever its size."""
AHEAD = 2 * READERS
"""Objects that wait, read or being read, at most: megabytes, not gigabytes."""


def in_threads(read: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Call a function for each item in threads, some items ahead, and give what it returns in their order."""
    pool = ThreadPoolExecutor(min(READERS, max(len(items), 1)), thread_name_prefix="read-ahead")
    pending: deque[Future[Result]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(read, item))
            if len(pending) == AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
