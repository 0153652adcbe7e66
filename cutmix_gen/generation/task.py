"""One task: read and decode each image of a block once, and make every shard of the block from the decoded pixels.

The hot path, top to bottom: `produce` -> `parts_of` (read, decode) -> `SampleMaker` (draw, mix, encode, label) ->
`_Output` (write, commit).
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress

import numpy as np

from cutmix_gen.dataset.manifest import Manifest
from cutmix_gen.dataset.records import LAM_BINS, ShardRecord, ShardSpec, Skip, Task
from cutmix_gen.dataset.run import Run, open_run
from cutmix_gen.generation.loaded_part import Part, part_bounds, parts_of
from cutmix_gen.generation.sample_maker import Made, SampleMaker
from cutmix_gen.shards.rows import Rows
from cutmix_gen.sources.images import Images
from cutmix_gen.storage import Place, atomic_file, sha256, writing

_COMMITS = 4
"""Shards that are committed at a time: disks take several flushes in one go."""
_AT_A_TIME = 1000
"""Shards that are made of images decoded once, at most: each holds counts for all classes."""
_OPEN = 100
"""Shards that are open at a time at most: a process may have 1,024 files open on most systems."""


def produce(run: Run, number: int) -> list[ShardRecord]:
    """Make the shards of one task that are not committed yet, and commit them.

    Parameters
    ----------
    run : Run
    number : int
        Of the task.

    Returns
    -------
    list of ShardRecord
        Of all shards of the task, in no order.
    """
    task = run.plan.task(number)
    found = [(shard, run.manifest.record(shard.number)) for shard in task.shards]
    records = [record for _, record in found if record is not None]
    missing = [shard for shard, record in found if record is None]
    if not missing:
        return records
    images = Images(run.config)
    is_one_part = len(part_bounds(task.stop - task.start, run.info.part_images)) == 2
    # In several parts all shards of the task are open until the last one: a great many copies are made in turns.
    turn = _AT_A_TIME if is_one_part else _OPEN
    for start in range(0, len(missing), turn):
        records += _made(run, task, images, missing[start : start + turn])
    return records


def _made(run: Run, task: Task, images: Images, shards: list[ShardSpec]) -> list[ShardRecord]:
    """Make and commit some of the shards of a task; nothing of those that are not committed stays."""
    outputs = [_Output(run, task, shard, images) for shard in shards]
    commits: list[Future[ShardRecord]] = []
    # Hashing and flushing to disk let go of the interpreter: they go on beside the next shard's work.
    with ExitStack() as stack, ThreadPoolExecutor(_COMMITS) as pool:
        for output in outputs:
            stack.callback(output.discard)
        for part in parts_of(run, task, images):
            for output in outputs:
                output.add(part)
                if part.is_last:
                    output.close()  # here, so that what it holds in memory is let go before the next shard
                    commits.append(pool.submit(output.commit))
                    if len(commits) > _COMMITS:
                        commits[-1 - _COMMITS].result()  # files that wait for their commit are open
        return [commit.result() for commit in commits]


def produce_in(output: Place, run: int, source: Place, identity: str, task: int) -> list[ShardRecord]:
    """Make the shards of a task, told where: this is what travels to the workers, and all that they import.

    Raises
    ------
    SetError
        If the set was replaced by another one.
    """
    with Manifest(output).held() as state:
        return produce(open_run(output, run, source, identity, state), task)


class _ShardFile:
    """The file of a shard while it is written."""

    def __init__(self, run: Run, name: str) -> None:
        self._file = atomic_file(run.manifest.root / name)
        with writing(self._file.path):
            self._writer = run.shard_format.open_writer(self._file.temporary, run.set.schema)
        self._is_open = True

    def write(self, rows: Rows) -> None:
        """Write some samples."""
        with writing(self._file.path):
            self._writer.write(rows)

    def close(self) -> None:
        """Write what is left."""
        with writing(self._file.path):
            self._close()

    def commit(self) -> tuple[int, str]:
        """Give the closed file its final name; return its size and its SHA-256."""
        size, digest = self._file.temporary.stat().st_size, sha256(self._file.temporary)
        self._file.commit()
        return size, digest

    def index(self) -> bytes:
        """Return the index of the finished file."""
        return self._writer.index()

    def discard(self) -> None:
        """Remove the file unless it is committed."""
        with suppress(OSError):  # a full disk fails the flush as well, of a file that goes anyway
            self._close()
        self._file.discard()

    def _close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._writer.close()


class _Output:
    """One shard while it is made."""

    def __init__(self, run: Run, task: Task, shard: ShardSpec, images: Images) -> None:
        self._run = run
        self._shard = shard
        self._maker = SampleMaker(run, task, shard, images)
        self._name = run.shard_file(shard.number)
        self._file: _ShardFile | None = None
        self._samples = 0
        self._class_weight = np.zeros(len(run.set.classes))
        self._lam_histogram = np.zeros(LAM_BINS, np.int64)
        self._strategies: Counter[str] = Counter()
        self._converted = 0
        self._animated = 0
        self._skipped: list[Skip] = []

    def add(self, part: Part) -> None:
        """Make and write the samples whose base is in a part."""
        if self._file is None:
            self._file = _ShardFile(self._run, self._name)
        made = self._maker.make(part)
        if len(made.rows):
            self._file.write(made.rows)
        self._count(made)

    def close(self) -> None:
        """Finish the file."""
        if self._file is not None:
            self._file.close()

    def commit(self) -> ShardRecord:
        """Give the finished file its name and write its record."""
        if self._file is None:
            raise ValueError(f"shard {self._shard.number} is committed before anything was added to it")
        size, digest = self._file.commit()
        record = ShardRecord(
            shard=self._shard.number,
            file=self._name,
            run=self._run.info.number,
            kind="cutmix" if self._shard.copy else "original",
            copy=self._shard.copy,
            samples=self._samples,
            bytes=size,
            sha256=digest,
            class_weight=[round(weight, 6) for weight in self._class_weight.tolist()],
            lam_histogram=self._lam_histogram.tolist(),
            strategies=dict(sorted(self._strategies.items())),
            converted=self._converted,
            skipped=self._skipped,
            animated=self._animated,
        )
        self._run.manifest.commit(record, self._file.index())
        return record

    def discard(self) -> None:
        """Throw away what was written; what is committed stays."""
        if self._file is not None:
            self._file.discard()

    def _count(self, made: Made) -> None:
        """Note what the commit record says."""
        self._samples += len(made.rows)
        self._strategies.update(made.rows.strategy)
        self._class_weight += made.class_weight
        if self._shard.copy:
            self._lam_histogram += np.histogram(made.rows.lam, LAM_BINS, (0.0, 1.0))[0]
        self._converted += made.converted
        self._animated += made.animated
        self._skipped += made.skipped
