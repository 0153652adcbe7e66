"""What is left to make of a run: its shards are counted one by one and not held, for there may be millions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Set
from dataclasses import dataclass, field

from cutmix_gen.dataset.plan import Plan


@dataclass(slots=True)
class Remaining:
    """What is left to make of a run, in one slice of it."""

    tasks: list[int] = field(default_factory=list)
    """Those that have a shard to make."""
    bases: int = 0
    """Images that are bases in these tasks."""
    shards: Counter[str] = field(default_factory=Counter)
    """By kind."""
    samples: Counter[str] = field(default_factory=Counter)
    """By kind, if nothing has to be skipped."""


def remaining(plan: Plan, done: Set[int], part: tuple[int, int]) -> Remaining:
    """Return what is left of a slice of a plan (see `GenerateConfig.slice_of_tasks`), where some shards are there."""
    left, (first, count) = Remaining(), part
    for number in range(first, plan.num_tasks, count):
        task, before = plan.task(number), left.shards.total()
        for shard in task.shards:
            if shard.number not in done:
                kind = "cutmix" if shard.copy else "original"
                left.shards[kind] += 1
                left.samples[kind] += shard.count
        if left.shards.total() > before:
            left.tasks.append(number)
            left.bases += task.stop - task.start
    return left
