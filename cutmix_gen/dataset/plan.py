"""The plan of a run: which shards there are and what goes into each, any task of it computable alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

from cutmix_gen.config import ResolvedConfig
from cutmix_gen.dataset.info import RunInfo
from cutmix_gen.dataset.records import ShardSpec, Task
from cutmix_gen.errors import SetError
from cutmix_gen.mixing import streams
from cutmix_gen.mixing.permutation import Permutation
from cutmix_gen.storage import Place

_FINE_BLOCKS = 16
"""Blocks that a small set is cut into, so that every core of a usual machine has work."""
_FINE_BLOCK_IMAGES = 64
"""But no block is cut smaller than this for it: partners should stay many."""


class Plan:
    """Which shards a run has.

    The images, in a seeded order, are cut into blocks of nearly equal size, one for each task. Shards are numbered
    from the run's first: the originals of all blocks, then the first copy of all blocks, and so on. The last copy
    may be a part of one: it takes the images of the first blocks.

    Where `--pairs` asks for exact numbers, which image is mixed with which does not follow from blocks of images: the
    originals have their blocks as always, and the mixed samples blocks of their own, as one copy, after them.

    Parameters
    ----------
    config : GenerateConfig
    num_images : int
    run : int
        Number of the run; part of the key of every draw.
    first_shard : int
    """

    def __init__(self, config: ResolvedConfig, num_images: int, run: int, first_shard: int) -> None:
        self.config = config
        self.num_images = num_images
        self.first_shard = first_shard
        self.num_blocks = self._blocks(num_images)
        self.permutation = Permutation(num_images, streams.sequence(config.seed, streams.sources_key(run)))
        wanted = config.mixed_samples(num_images)
        self.given_samples = wanted if config.pairs else 0
        self._given_blocks = self._blocks(wanted) if self.given_samples else 0
        self._mixed = wanted - self.given_samples

    @property
    def num_tasks(self) -> int:
        """Tasks of the run."""
        return self.num_blocks + self._given_blocks

    @property
    def num_copies(self) -> int:
        """CutMix copies, a last incomplete one included."""
        return 1 if self.given_samples else -(-self._mixed // self.num_images)

    @property
    def num_shards(self) -> int:
        """Shards of all tasks together."""
        full, rest = divmod(self._mixed, self.num_images)
        partial = self._block_of(rest - 1) + 1 if rest else 0
        return (full + self.config.originals) * self.num_blocks + partial + self._given_blocks

    @property
    def num_mixed(self) -> int:
        """CutMix samples of all tasks together, if nothing has to be skipped."""
        return self._mixed + self.given_samples

    @property
    def num_samples(self) -> int:
        """Samples of all tasks together, if nothing has to be skipped."""
        return self.num_mixed + self.num_images * self.config.originals

    def task(self, number: int) -> Task:
        """Return a task."""
        if number >= self.num_blocks:
            return self._given_task(number)
        full, rest = divmod(self._mixed, self.num_images)
        start = self._bound(number)
        copies = range(not self.config.originals, 1 + full + (start < rest))
        return Task(number, start, self._bound(number + 1), _Shards(self, number, copies))

    def shard(self, number: int, copy: int) -> ShardSpec:
        """Return the shard of a copy that a task makes from its block."""
        images = self.num_images if copy == 0 else self._mixed - (copy - 1) * self.num_images
        count = min(images, self._bound(number + 1)) - self._bound(number)
        first = self.first_shard + (copy - (not self.config.originals)) * self.num_blocks
        return ShardSpec(first + number, copy, count)

    def locate(self, shard: int) -> tuple[Task, ShardSpec]:
        """Return the task that makes a shard, and the shard's part in it.

        Raises
        ------
        SetError
            If the plan has no such shard.
        """
        offset = shard - self.first_shard
        if not 0 <= offset < self.num_shards:
            raise SetError(f"Shard {shard} is none of the {self.num_shards:,} shards of its run.")
        given = offset - (self.num_shards - self._given_blocks)
        if given >= 0:
            task = self.task(self.num_blocks + given)
            return task, task.shards[-1]
        task = self.task(offset % self.num_blocks)
        return task, task.shards[offset // self.num_blocks]

    def find(self, copy: int, position: int) -> tuple[Task, ShardSpec | None]:
        """Return the task and the shard for the sample of a copy whose base has a position in the order of the run.

        The shard is None where the plan has no such sample.
        """
        given = copy > 0 and self.given_samples > 0
        if not 0 <= position < (self.given_samples if given else self.num_images):
            return self.task(0), None
        if given:
            task = self.task(self.num_blocks + self._given_block_of(position))
            return task, task.shards[0] if copy == 1 else None
        task = self.task(self._block_of(position))
        place = copy - (not self.config.originals)
        spec = task.shards[place] if 0 <= place < len(task.shards) else None
        return task, spec if spec and position < task.start + spec.count else None

    def is_given(self, task: Task) -> bool:
        """Tell whether a task makes the samples that `--pairs` asks for."""
        return task.number >= self.num_blocks

    def _given_task(self, number: int) -> Task:
        block = number - self.num_blocks
        start, stop = (each * self.given_samples // self._given_blocks for each in (block, block + 1))
        shard = self.first_shard + self.num_shards - self._given_blocks + block
        return Task(number, start, stop, (ShardSpec(shard, 1, stop - start),))

    def _given_block_of(self, position: int) -> int:
        return ((position + 1) * self._given_blocks - 1) // self.given_samples

    def _blocks(self, samples: int) -> int:
        return max(-(-samples // self.config.shard_size), min(_FINE_BLOCKS, samples // _FINE_BLOCK_IMAGES), 1)

    def _bound(self, block: int) -> int:
        return block * self.num_images // self.num_blocks

    def _block_of(self, position: int) -> int:
        block = position * self.num_blocks // self.num_images
        while self._bound(block + 1) <= position:
            block += 1
        return block


class _Shards(Sequence[ShardSpec]):
    """The shards that a task makes from its block, each worked out when it is asked for: there may be many copies."""

    def __init__(self, plan: Plan, task: int, copies: range) -> None:
        self._plan = plan
        self._task = task
        self._copies = copies

    def __len__(self) -> int:
        return len(self._copies)

    @overload
    def __getitem__(self, place: int) -> ShardSpec: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[ShardSpec]: ...
    def __getitem__(self, place: int | slice) -> ShardSpec | Sequence[ShardSpec]:
        if isinstance(place, slice):
            return _Shards(self._plan, self._task, self._copies[place])
        return self._plan.shard(self._task, self._copies[place])


def plan_of(info: RunInfo, output: Place, source: Place | None = None) -> Plan:
    """Return the plan of a run that was begun.

    Raises
    ------
    SetError
        If it is not the plan that the run's file speaks of.
    """
    plan = Plan(info.config_in(output, source), info.num_images, info.number, info.first_shard)
    if (plan.num_shards, plan.num_samples) != (info.shards, info.samples):
        raise SetError(
            f"Run {info.number} of {output} has {info.shards:,} shards of {info.samples:,} samples by its file, "
            f"but its settings give {plan.num_shards:,} of {plan.num_samples:,}: the file was changed or damaged."
        )
    return plan
