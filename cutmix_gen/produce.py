"""One task: read and decode each image of a block once, and make every shard of the block from the decoded pixels.

The hot path, top to bottom: `produce` -> `_parts` (read, decode) -> `_originals`, `_mixed` (draw, mix, encode) ->
`_Output` (label, write, commit).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from cutmix_gen.draws import GUESTS, Draw, DrawKey, draw_copy, draw_originals
from cutmix_gen.images import Images, LoadedImage
from cutmix_gen.labels import class_weight, dominant_class, soft_labels
from cutmix_gen.manifest import Manifest
from cutmix_gen.masks.base import cut
from cutmix_gen.ownership import Ownership
from cutmix_gen.pairing import Bases, Members
from cutmix_gen.plan import Run, open_run
from cutmix_gen.recipe import RecipeWriter
from cutmix_gen.records import LAM_BINS, NO_BOX, Rows, ShardRecord, ShardSpec, Size, Skip, Task, View
from cutmix_gen.saliency import focus
from cutmix_gen.storage import Place, atomic_file, sha256, writing

T = TypeVar("T")

_COMMITS = 4
"""Shards that are committed at a time: disks take several flushes in one go."""
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
    outputs = [_Output(run, task, shard, images) for shard in missing]
    is_one_part = len(part_bounds(task.stop - task.start, run.info.part_images)) == 2
    # In several parts all shards of the task are open until the last one: a great many copies are made in turns.
    turn = len(outputs) if is_one_part else _OPEN
    for start in range(0, len(outputs), turn):
        records += _made(run, task, images, outputs[start : start + turn])
    return records


def _made(run: Run, task: Task, images: Images, outputs: list[_Output]) -> list[ShardRecord]:
    """Make and commit some of the shards of a task; nothing of those that are not committed stays."""
    commits: list[Future[ShardRecord]] = []
    # Hashing and flushing to disk let go of the interpreter: they go on beside the next shard's work.
    with ExitStack() as stack, ThreadPoolExecutor(_COMMITS) as pool:
        for output in outputs:
            stack.callback(output.discard)
        for part in _parts(run, task, images):
            for output in outputs:
                output.add(part)
                if part.is_last:
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


@dataclass(slots=True)
class _Part:
    """The images of a block that are in memory together and paired with each other."""

    number: int
    start: int
    """Place of the first one in the block."""
    rows: list[int] = field(default_factory=list)
    """Of the images in the source index."""
    images: list[LoadedImage] = field(default_factory=list)
    """The bases, then guests: donors from elsewhere."""
    bases: int = 0
    is_last: bool = False


def _parts(run: Run, task: Task, images: Images) -> Iterator[_Part]:
    """Read the images of a task in their order, and give them in parts of limited memory.

    Where a part ends follows from the run's plan alone: an image that cannot be read moves no other.
    """
    bases, given = run.rows(task)
    sources = run.sources(bases)
    bounds = part_bounds(len(sources), run.info.part_images)
    for number, (start, stop) in enumerate(pairwise(bounds)):
        part = _Part(number, start, bases=stop - start, is_last=stop == len(sources))
        part.rows = bases[start:stop].tolist()
        part.images = images.load_all(sources[start:stop])
        _add_guests(run, task, images, part, given)
        yield part


def part_bounds(count: int, limit: int) -> list[int]:
    """Return the edges that cut a block of images into parts of nearly equal size.

    No part has much more images than the limit, and none a single one, which could not be paired.

    >>> part_bounds(1000, 400)
    [0, 333, 666, 1000]
    """
    return cut(count, max(1, min(-(-count // limit), count // 2)))


def _add_guests(run: Run, task: Task, images: Images, part: _Part, given: npt.NDArray[np.int64] | None) -> None:
    """Read the images that are wanted as donors beside the bases of the part; none is read twice."""
    if given is None:
        key = DrawKey(run.info.number, 0, task.number, part.number)
        labels = np.array([image.source.label for image in part.images], np.int32)
        bases = Bases(np.array(part.rows), labels, run.census, run.plan.num_copies)
        guests = run.config.make_pairing().guests(key.generator(run.config.seed, GUESTS), bases)
    else:
        guests = given[part.start : part.start + part.bases]
    there = dict(zip(part.rows, part.images, strict=True))
    wanted = dict(zip(guests.tolist(), run.sources(guests), strict=True))
    new = [row for row in wanted if row not in there]
    there |= zip(new, images.load_all([wanted[row] for row in new]), strict=True)
    for row in guests.tolist():
        part.rows.append(row)
        part.images.append(there[row])


class _Made(NamedTuple):
    """One sample, before it becomes a row."""

    place: int
    """Of the base in the block."""
    image: bytes
    sources: list[LoadedImage]
    """Base first."""
    owned: Ownership
    strategy: str
    lam_drawn: float
    recipe: str


_UNMIXED = Ownership([1.0], [], is_wasted=True)
"""Of an original."""


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

    def commit(self) -> tuple[int, str]:
        """Give the file its final name; return its size and its SHA-256."""
        with writing(self._file.path):
            self._close()
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
        self._task = task
        self._shard = shard
        self._images = images
        self._name = run.shard_file(shard.number)
        self._file: _ShardFile | None = None
        self._recipes = RecipeWriter(run.info.number, len(run.set.classes), run.config.label_smoothing)
        self._samples = 0
        self._class_weight = np.zeros(len(run.set.classes))
        self._lam_histogram = np.zeros(LAM_BINS, np.int64)
        self._strategies: Counter[str] = Counter()
        self._converted = 0
        self._animated = 0
        self._skipped: list[Skip] = []

    def add(self, part: _Part) -> None:
        """Make and write the samples whose base is in a part."""
        if self._file is None:
            self._file = _ShardFile(self._run, self._name)
        samples = self._mixed(part) if self._shard.copy else self._originals(part)
        if samples:
            rows = self._rows(samples)
            self._file.write(rows)
            self._count(rows)

    def commit(self) -> ShardRecord:
        """Finish the file, give it its name and write its record."""
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

    def _originals(self, part: _Part) -> list[_Made]:
        key = DrawKey(self._run.info.number, 0, self._task.number, part.number)
        bases = part.images[: part.bases]
        made = []
        for place, view in enumerate(draw_originals(self._run.config, key, [image.size for image in bases])):
            image = bases[place]
            if view is None or image.size is None:
                self._skipped.append(Skip(image.source.path, image.reason))
                continue
            size = self._run.config.target or image.size
            encoded = image.file or self._images.encode(self._images.show(image, view, size))
            recipe = self._recipes.original(view, size, image.source.label)
            made.append(_Made(part.start + place, encoded, [image], _UNMIXED, "original", 1.0, recipe))
        return made

    def _mixed(self, part: _Part) -> list[_Made]:
        """Draw all samples, encode all, describe all: each step's code and data stay in the processor's caches."""
        drawn: list[tuple[int, list[LoadedImage], Draw]] = []
        for place, (base, draw) in enumerate(zip(part.images, self._draws(part), strict=False), part.start):
            if isinstance(draw, str):
                self._skipped.append(Skip(base.source.path, base.reason or draw, unreadable=bool(base.reason)))
            else:
                drawn.append((place, [base, *[part.images[donor] for donor in draw.donors]], draw))
        mix, encode = self._images.mix, self._images.encode
        encoded = [encode(mix(images, draw.views, draw.mask)) for _, images, draw in drawn]
        return [self._described(*sample, image) for sample, image in zip(drawn, encoded, strict=True)]

    def _described(self, place: int, images: list[LoadedImage], draw: Draw, encoded: bytes) -> _Made:
        _, strategy, params, mask, views, owned = draw
        labels = [image.source.label for image in images]
        recipe = self._recipes.mixed(strategy, params, mask.size, views, labels)
        return _Made(place, encoded, images, owned, strategy.name, params.lam, recipe)

    def _draws(self, part: _Part) -> list[Draw | str]:
        key = DrawKey(self._run.info.number, self._shard.copy, self._task.number, part.number)
        members = Members(
            labels=np.array([image.source.label for image in part.images], np.int32),
            usable=np.array([image.decoded is not None for image in part.images]),
            bases=part.bases,
            census=self._run.census,
            rows=np.array(part.rows),
            wanted=max(self._shard.count - part.start, 0),
        )

        def focus_of(place: int, view: View, frame: Size) -> tuple[float, float]:
            return focus(self._images.show(part.images[place], view, frame))

        return draw_copy(self._run.config, key, [image.size for image in part.images], members, focus_of)

    def _rows(self, made: list[_Made]) -> Rows:
        """Turn samples into columns, and label them."""
        schema = self._run.set.schema
        n, sources = len(made), schema.sources
        index = np.array([_padded([s.source.label for s in one.sources], sources) for one in made], np.int32)
        weight = np.array([_padded(one.owned.weights, sources, 0.0) for one in made])
        boxes = [_padded(one.owned.boxes, sources - 1, NO_BOX) for one in made]
        dense = (
            soft_labels(index, weight, len(schema.classes), self._run.config.label_smoothing) if schema.dense else None
        )
        prefix = f"{self._run.info.number:04d}-{self._shard.copy:03d}"
        self._converted += sum(one.sources[0].converted for one in made)
        self._animated += sum(one.sources[0].animated for one in made)
        self._class_weight += class_weight(index, weight, len(schema.classes))
        return Rows(
            keys=[f"{prefix}-{self._task.start + one.place:09d}" for one in made],
            images=[one.image for one in made],
            label=dominant_class(index, weight),
            soft_label=dense,
            label_index=index,
            label_weight=weight.astype(np.float32),
            synthetic=np.full(n, self._shard.copy > 0),
            strategy=[one.strategy for one in made],
            lam=weight[:, 0].astype(np.float32),
            lam_drawn=np.array([one.lam_drawn for one in made], np.float32),
            sources=[[image.source.path for image in one.sources] for one in made],
            boxes=np.array(boxes, np.int32).reshape(n, sources - 1, 4),
            recipe=[one.recipe for one in made],
        )

    def _count(self, rows: Rows) -> None:
        """Note what the commit record says of rows."""
        self._samples += len(rows)
        self._strategies.update(rows.strategy)
        if self._shard.copy:
            self._lam_histogram += np.histogram(rows.lam, LAM_BINS, (0.0, 1.0))[0]


def _padded(values: list[T], length: int, filler: T | None = None) -> list[T]:
    """Fill a list up to a length, with its first value where no other is given."""
    return values + [values[0] if filler is None else filler] * (length - len(values))
