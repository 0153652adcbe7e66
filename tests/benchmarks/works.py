"""The works that are timed, who does them, and the ratios that are the goals."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.data import FASHION, MIXED, PHOTOS, TINY, DataSet
from tests.benchmarks.job import PROCESSES, Job
from tests.benchmarks.measure import Outcome

PROGRAM = "cutmix-gen"
"""This program, with the libraries of the extra `fast`, two processes and Parquet, unless its name says otherwise."""
FLOOR = "floor"
PILLOW, TORCHVISION, OPENCV = "Pillow pool", "torchvision", "OpenCV pool"
PEERS = {PILLOW: "peers.pillow_plain", TORCHVISION: "peers.torchvision_plain", OPENCV: "peers.opencv_plain"}
"""The plain scripts, against which the goals are."""
TUNED = {f"{name}, tuned": module.replace("plain", "tuned") for name, module in PEERS.items()}
"""The same, as fast as they get with these libraries: for the record."""
SCRIPTS = PEERS | TUNED
NEEDS = {
    **dict.fromkeys((TORCHVISION, f"{TORCHVISION}, tuned"), ("torch", "torchvision", "webdataset")),
    **dict.fromkeys((OPENCV, f"{OPENCV}, tuned"), ("cv2",)),
    FLOOR: ("simplejpeg", "cykooz_resizer"),
}
"""Modules that a contestant needs beyond the core of this package."""
INSTALL = {
    **dict.fromkeys((TORCHVISION, f"{TORCHVISION}, tuned"), "pip install torch torchvision webdataset"),
    **dict.fromkeys((OPENCV, f"{OPENCV}, tuned"), "pip install opencv-python-headless"),
    FLOOR: 'pip install -e ".[fast]"',
    "data": "pip install scikit-image scikit-learn",
}


@dataclass(frozen=True, slots=True)
class Contestant:
    """Somebody who does a work."""

    name: str
    is_fast: bool
    """Whether it is given the work's larger folder, so that its start does not decide."""
    options: tuple[str, ...] = ()
    """Of this program's command line."""

    def command(self, job: Job) -> list[str]:
        """Return the command line that does a job."""
        if self.name == FLOOR:
            return job.command("floor")
        if self.name in SCRIPTS:
            return job.command(SCRIPTS[self.name])
        originals = "--originals" if job.originals else "--no-originals"
        return [
            *(sys.executable, "-m", "cutmix_gen", "generate", job.source, job.output, "--json", originals),
            *("--copies", str(job.copies), "--size", str(job.size), "--jobs", str(PROCESSES), *self.options),
        ]

    def took(self, outcome: Outcome) -> tuple[int, float, float]:
        """Return samples, seconds and processor seconds of a command; this program is charged for its start too."""
        facts = json.loads(outcome.output.splitlines()[-1])
        if self.name in SCRIPTS or self.name == FLOOR:
            return facts["samples"], facts["seconds"], facts["processor"]
        return facts["new_samples"], outcome.seconds, outcome.processor


@dataclass(frozen=True, slots=True)
class Goal:
    """A ratio that is to be reached."""

    ours: str
    """Name of the contestant that is above the fraction bar."""
    theirs: str
    """Name of the one below, or `best peer`."""
    at_least: float


BEST_PEER = "best peer"

_PEERS = tuple(Contestant(name, is_fast=False) for name in SCRIPTS)
_FLOOR = Contestant(FLOOR, is_fast=True)
_PROGRAM = Contestant(PROGRAM, is_fast=True)
_TARS = Contestant(f"{PROGRAM} tar", True, ("--format", "webdataset"))
_CORE = Contestant(f"{PROGRAM} --codec pillow", True, ("--codec", "pillow"))
_SINGLE = Contestant(f"{PROGRAM} -j 1", True, ("--jobs", "1"))


@dataclass(frozen=True, slots=True)
class Work:
    """A row of the table: what is made of which images, and how many of them each contestant gets.

    A peer makes at least 10,000 samples. The floor and this program are so much faster that they get several times
    the images (hard links to the same files): else the start of the processes would be most of what is measured.
    """

    name: str
    data: DataSet
    images: int
    """For the peers."""
    more_images: int
    """For the floor and this program."""
    copies: int
    originals: bool
    size: int
    contestants: tuple[Contestant, ...]
    goals: tuple[Goal, ...]

    def job(self, contestant: Contestant, data: Path, output: Path, quick: bool) -> Job:
        """Return a contestant's job; a quick look takes a twentieth of the images."""
        images = (self.more_images if contestant.is_fast else self.images) // (20 if quick else 1)
        folder = self.data.folder(data, images)
        image_format = "png" if self.data.extension == "png" else "jpeg"
        return Job(str(folder), str(output), self.copies, self.originals, self.size, image_format)


_ONE_COPY_GOALS = (
    Goal(PROGRAM, TORCHVISION, 3.0),
    Goal(PROGRAM, PILLOW, 3.0),
    Goal(PROGRAM, OPENCV, 2.2),
    Goal(PROGRAM, FLOOR, 0.90),
)
_MORE_COPIES_GOALS = (Goal(PROGRAM, TORCHVISION, 10.0), Goal(PROGRAM, FLOOR, 0.90))

WORKS = (
    Work(
        *("photos-1", PHOTOS, 10_000, 40_000, 1, False, 224),
        (*_PEERS, _FLOOR, _PROGRAM, _CORE, _SINGLE),
        (*_ONE_COPY_GOALS, Goal(_CORE.name, PILLOW, 1.8), Goal(PROGRAM, _SINGLE.name, 1.9)),
    ),
    Work("photos-5", PHOTOS, 2_000, 20_000, 4, True, 224, (*_PEERS, _FLOOR, _PROGRAM), _MORE_COPIES_GOALS),
    Work("mixed-1", MIXED, 10_000, 40_000, 1, False, 224, (*_PEERS, _FLOOR, _PROGRAM), _ONE_COPY_GOALS),
    Work("mixed-5", MIXED, 2_000, 20_000, 4, True, 224, (*_PEERS, _FLOOR, _PROGRAM), _MORE_COPIES_GOALS),
    Work(
        *("tiny-5", TINY, 4_000, 160_000, 4, True, 32),
        (*_PEERS, _FLOOR, _PROGRAM, _TARS),
        tuple(Goal(name, theirs, x) for name in (PROGRAM, _TARS.name) for theirs, x in ((BEST_PEER, 8), (FLOOR, 0.3))),
    ),
    Work(
        *("fashion-5", FASHION, 4_000, 80_000, 4, True, 28),
        (*_PEERS, _FLOOR, _PROGRAM, _TARS),
        (Goal(PROGRAM, BEST_PEER, 5.0), Goal(_TARS.name, BEST_PEER, 5.0)),
    ),
)
"""`NAME-1`: one CutMix copy, no originals. `NAME-5`: the originals and four copies."""
