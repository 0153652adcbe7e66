"""What commands print with --json: the kinds of objects, whose fields say under them what they mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cutmix_gen.checking import Verification

ANSWERS = {
    "generate": ("cutmix_gen.generation.make.Report", "cutmix_gen.cli.answers.Output"),
    "generate --dry-run": ("cutmix_gen.generation.estimate.Estimate",),
    "info": ("cutmix_gen.dataset.describe.Description",),
    "verify": ("cutmix_gen.cli.answers.Verified", "cutmix_gen.cli.answers.Repaired"),
    "convert": ("cutmix_gen.cli.answers.Converted",),
    "export": ("cutmix_gen.cli.answers.Exported",),
    "--progress json": ("cutmix_gen.cli.progress.Standing",),
}
"""Where the fields of each object are described; a command whose object has those of several kinds prints all of them.

README.md has them too: `python -m tests.fields` writes them there.
"""


@dataclass(frozen=True, slots=True)
class Output:
    """Where a set is."""

    output: str
    """The set, as OUT was given."""


@dataclass(frozen=True, slots=True)
class Found:
    """Something that is wrong."""

    shard: str
    """The file, relative to OUT: a shard, or one that describes the set."""
    key: str
    """The sample; empty where the whole file is meant."""
    problem: str
    """What is wrong, in words."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What `verify` found."""

    ok: bool
    """Whether nothing was found wrong."""
    shards: int
    """Shards that were checked."""
    samples: int
    """Samples in them that were checked."""
    replayed: int
    """Samples that were made again and compared."""
    problems: list[Found]
    """What is wrong."""

    @classmethod
    def of(cls, result: Verification) -> Verified:
        """Return what is said of a result."""
        problems = [Found(each.shard, each.key, each.problem) for each in result.problems]
        return cls(result.ok, result.shards, result.samples, result.replayed, problems)


@dataclass(frozen=True, slots=True)
class Repaired:
    """What `verify --repair` did."""

    dropped: list[str]
    """With --repair only: the files that it dropped."""


@dataclass(frozen=True, slots=True)
class Converted:
    """What `convert` wrote."""

    output: str
    """The new set, as NEW was given."""
    format: str
    """Its shard format."""
    samples: int
    """Samples in it."""
    new_shards: int
    """Shards that were not there before."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What `export` wrote."""

    folder: str
    """The new folder, as it was given."""
    format: str
    """What it holds: imagefolder or tfrecord."""
    samples: int
    """Samples in it."""
