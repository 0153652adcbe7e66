"""What `verify` finds wrong."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that `verify` found wrong."""

    shard: str
    """File name of the shard, relative to the set."""
    key: str
    """The sample, or empty where the whole shard is meant."""
    problem: str
    kind: str = "shard"
    """What would mend it:

    - `shard`: making the shard again
    - `card`: writing the card and the other files beside the shards again
    - `unfinished`: going on with the run
    - `description`: nothing that is in the set; a file that says what the set is, is damaged
    - `stranger`: whoever put a file there that is none of the set's
    - `source`: having the source as it was; whether the sample is right is not known
    - `copy`: dropping the copy of the commit records
    - `versions`: nothing; the sample is right, but other releases of the libraries make other bytes
    """
