"""What a reader of the fuzz is, and what it returns."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cutmix_gen.errors import CutMixGenError, StorageError
from tests.fuzz import mending
from tests.fuzz.mending import Mend

CORPUS = Path(__file__).parent / "corpus"
"""Where the seeds lie."""

OWN = (CutMixGenError, StorageError)
"""What this program raises on purpose."""

FINE, SKIP, FOUND = "fine", "skip", "own error"
"""What a reader returns: it took the input, left it out and said so, or named what is wrong with it."""

Reader = Callable[[bytes], str]
"""Hands an input to the program."""

Make = Callable[[Path], Reader]
"""Makes a reader, told a folder of its own."""


@dataclass(frozen=True)
class Target:
    """One reader."""

    seeds: tuple[str, ...]
    """Patterns of files in the corpus."""
    make: Make
    """Makes the reader, told a folder of its own."""
    mend: Mend = mending.nothing
    words: tuple[bytes, ...] = (b"",)

    def files(self) -> list[bytes]:
        """Return the seeds, in one order everywhere."""
        paths = sorted(path for pattern in self.seeds for path in CORPUS.glob(pattern))
        return [path.read_bytes() for path in paths]


def choice(data: bytes, number: int) -> int:
    """Return one of some numbers, the same for the same input."""
    return zlib.crc32(data) % number
