"""What a contestant is asked to make, how it is told, and how it answers."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

PROCESSES = 2
"""Of every contestant, unless the row says otherwise."""
QUALITY = 95
"""Of JPEG, with full colour (4:4:4)."""
PNG_LEVEL = 1
"""zlib level, of every contestant: higher ones take several times as long to save a tenth."""
SHARD = 1000
"""Samples of a shard."""


@dataclass(frozen=True, slots=True)
class Job:
    """One work for one contestant."""

    source: str
    """A folder whose sub-folders are the classes."""
    output: str
    """A new folder for the shards."""
    copies: int
    """CutMix samples of each image."""
    originals: bool
    """Whether each image is written once unmixed, too."""
    size: int
    """Width and height of a sample."""
    image_format: str
    """`jpeg` in colour, or `png` in grayscale."""

    @property
    def extension(self) -> str:
        """Ending of an image's name, without the dot."""
        return "jpg" if self.image_format == "jpeg" else "png"

    def command(self, module: str) -> list[str]:
        """Return the command that has a module of this package do the work."""
        return [sys.executable, "-m", f"tests.benchmarks.{module}", json.dumps(asdict(self))]

    def files(self) -> tuple[list[str], list[int], int]:
        """Return the paths of all images, the class of each, and the number of classes."""
        folders = sorted(path for path in Path(self.source).iterdir() if path.is_dir())
        found = [(str(path), label) for label, folder in enumerate(folders) for path in sorted(folder.iterdir())]
        return [path for path, _ in found], [label for _, label in found], len(folders)

    def parts(self, images: int) -> list[tuple[int, list[tuple[int, bool]]]]:
        """Return what the shards of a pool hold: number, and for each sample its base and whether it is mixed."""
        bases = [(base, copy > 0) for copy in range(not self.originals, self.copies + 1) for base in range(images)]
        size = min(SHARD, -(-len(bases) // (4 * PROCESSES)))
        return list(enumerate(bases[start : start + size] for start in range(0, len(bases), size)))


def answer(work: Callable[[Job], int]) -> None:
    """Do the work that the command line names, and print the samples made and the seconds taken, by wall and processor.

    The clock starts when the script's libraries are imported: a peer is not charged for its start-up, this
    program is (it is timed from outside, by the wall).
    """
    job = Job(**json.loads(sys.argv[1]))
    Path(job.output).mkdir(parents=True)
    started, used = time.perf_counter(), processor_seconds()
    samples = work(job)
    took = {"seconds": time.perf_counter() - started, "processor": processor_seconds() - used}
    sys.stdout.write(json.dumps({"samples": samples} | took) + "\n")


def processor_seconds() -> float:
    """Return the processor time of this process and of all below it that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)
