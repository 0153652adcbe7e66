"""Checking a finished set: files against records, samples against the label law."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from cutmix_gen.codecs import make_codec
from cutmix_gen.config import GenerateConfig
from cutmix_gen.errors import RecipeError, SetError
from cutmix_gen.execute import run_tasks, usable_cores
from cutmix_gen.labels import dominant_class, soft_labels
from cutmix_gen.manifest import Manifest
from cutmix_gen.plan import Plan
from cutmix_gen.recipe import parse_recipe
from cutmix_gen.records import NO_BOX, Problem, Rows, ShardRecord, Size
from cutmix_gen.shards import shard_format
from cutmix_gen.storage import sha256

_TOLERANCE = 1e-6
"""How far a float32 share may be from the exact one: the spacing of float32 near 1 is 1.2e-7."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found."""

    shards: int
    """Shards that were checked."""
    samples: int
    problems: list[Problem]

    @property
    def ok(self) -> bool:
        """Whether nothing was found wrong."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class _Checked:
    samples: int
    problems: list[Problem]


def verify(output: Path, *, deep: bool = False, jobs: int | None = None) -> Verification:
    """Check every shard of a set.

    Each shard is there, has the bytes and the samples that its record says, follows the schema, and the label of
    each sample is the one that its recipe gives.

    Parameters
    ----------
    output : Path
    deep : bool
        Decode every image too.
    jobs : int
        Processes to work with; by default the usable cores.

    Raises
    ------
    SetError
        If there is no set.
    """
    manifest = Manifest(output)
    manifest.read_set()
    shards = [shard for run in manifest.runs() for shard in range(run.first_shard, run.first_shard + run.shards)]
    samples, problems = 0, []
    for checked in run_tasks(partial(_check_shard, output, deep), shards, "loky", jobs or usable_cores()):
        samples += checked.samples
        problems += checked.problems
    problems += [Problem(f"data/{path.name}", "", "this is no shard of the set") for path in manifest.stray_files()]
    return Verification(len(shards), samples, sorted(problems, key=lambda problem: (problem.shard, problem.key)))


def _check_shard(output: Path, deep: bool, shard: int) -> _Checked:
    manifest = Manifest(output)
    try:
        record = manifest.read_record(shard)
    except FileNotFoundError:
        where = f".cutmix_gen/shards/{shard:06d}.json"
        return _Checked(0, [Problem(where, "", "the shard was not made yet, or its commit record is gone")])
    except SetError as error:
        return _Checked(0, [Problem(f".cutmix_gen/shards/{shard:06d}.json", "", str(error))])
    problem = _file_problem(output / record.file, record)
    if problem:
        return _Checked(0, [Problem(record.file, "", problem)])
    checker = _Checker(output, record, deep)
    try:
        problems = list(checker.problems())
    except SetError as error:
        problems = [Problem(record.file, "", str(error))]
    return _Checked(checker.samples, problems)


def _file_problem(path: Path, record: ShardRecord) -> str:
    if not path.is_file():
        return "the file is missing"
    if path.stat().st_size != record.bytes:
        return f"the file has {path.stat().st_size:,} bytes, its record says {record.bytes:,}"
    if sha256(path) != record.sha256:
        return "the file's SHA-256 is not the one on record: its content was changed or damaged"
    return ""


class _Checker:
    """Reads one shard and checks each sample of it."""

    def __init__(self, output: Path, record: ShardRecord, deep: bool) -> None:
        self.samples = 0
        self._path = output / record.file
        self._record = record
        self._deep = deep
        self._set, self._run = Manifest(output).read_set(), Manifest(output).read_run(record.run)
        self._config = GenerateConfig(source=Path(self._run.source), output=output, **self._run.config)
        plan = Plan(self._config, self._run.num_images, self._run.number, self._run.first_shard)
        self._codec = make_codec("pillow")
        self._task, self._spec = plan.locate(record.shard)

    def problems(self) -> Iterator[Problem]:
        """Check all samples; `samples` counts them."""
        last = -1
        for rows in shard_format(self._set.shard_format).read(self._path, self._set.schema):
            self.samples += len(rows)
            for row, key in enumerate(rows.keys):
                position = self._position(key)
                problem = (
                    f"the key does not follow on {last} in this shard" if position <= last else self._problem(rows, row)
                )
                if problem:
                    yield Problem(self._record.file, key, problem)
                last = max(last, position)
            yield from self._label_problems(rows)
        if self.samples != self._record.samples:
            yield self._of_shard(f"the file holds {self.samples:,} samples, its record says {self._record.samples:,}")
        if self._record.samples + len(self._record.skipped) != self._spec.count:
            yield self._of_shard(
                f"the plan has {self._spec.count:,} samples, the record {self._record.samples:,} "
                f"and {len(self._record.skipped):,} skipped"
            )

    def _of_shard(self, problem: str) -> Problem:
        return Problem(self._record.file, "", problem)

    def _position(self, key: str) -> int:
        """Return the place in the run's order that a key names, -1 if it cannot be a key of this shard."""
        prefix = f"{self._run.number:04d}-{self._spec.copy:03d}-"
        digits = key.removeprefix(prefix)
        if not key.startswith(prefix) or not digits.isdecimal() or len(digits) < 9:
            return -1
        position = int(digits)
        return position if self._task.start <= position < self._task.start + self._spec.count else -1

    def _problem(self, rows: Rows, row: int) -> str:
        """Compare one sample with what its recipe gives; return what is wrong, or nothing."""
        try:
            recipe = parse_recipe(rows.recipe[row])
            owned = recipe.ownership()
        except RecipeError as error:
            return str(error)
        padding = self._set.sources - len(recipe.labels)
        boxes = [box.as_list() for box in [*owned.boxes, *[NO_BOX] * padding]]
        labels = [*recipe.labels, *recipe.labels[:1] * padding]
        weights = [*owned.weights, *[0.0] * padding]
        if recipe.strategy != rows.strategy[row]:
            return f"the strategy is {rows.strategy[row]}, the recipe says {recipe.strategy}"
        if {bool(rows.synthetic[row]), recipe.strategy != "original"} != {self._spec.copy > 0}:
            return "an original among mixed samples, or a mixed sample among originals"
        if len(rows.sources[row]) != len(recipe.labels):
            return f"{len(rows.sources[row])} sources are named, the recipe mixes {len(recipe.labels)}"
        if rows.label_index[row].tolist() != labels:
            return f"label_index is {rows.label_index[row].tolist()}, the recipe says {labels}"
        if len(weights) != self._set.sources or np.abs(rows.label_weight[row] - weights).max() > _TOLERANCE:
            return f"label_weight is {rows.label_weight[row].tolist()}, by the recipe's mask it is {weights}"
        if rows.boxes[row].tolist() != boxes:
            return f"boxes are {rows.boxes[row].tolist()}, by the recipe's mask they are {boxes}"
        if abs(rows.lam_drawn[row] - recipe.lam_drawn) > _TOLERANCE:
            return f"lam_drawn is {rows.lam_drawn[row]}, the recipe says {recipe.lam_drawn}"
        return self._image_problem(rows.images[row], recipe.size) if self._deep else ""

    def _image_problem(self, image: bytes, size: Size) -> str:
        try:
            decoded = self._codec.decode(image, self._set.mode, lambda _: 1)
        except Exception as error:
            return f"the image cannot be decoded: {type(error).__name__}: {error}"
        if decoded.size != size or decoded.converted or decoded.format != self._set.image_format:
            wanted = f"{size} px {self._set.mode} {self._set.image_format}"
            return f"the image is {decoded.size} px {decoded.format}, not {wanted}"
        return ""

    def _label_problems(self, rows: Rows) -> Iterator[Problem]:
        """Check label, lam and soft label of all rows against the shares of the sources."""
        index, weight = rows.label_index, rows.label_weight.astype(np.float64)
        classes = len(self._set.classes)
        if index.min() < 0 or index.max() >= classes:
            yield self._of_shard(f"label_index has a class that is not one of 0 to {classes - 1}")
            return
        wrong = {
            "label_weight does not sum to 1": np.abs(weight.sum(axis=1) - 1) > _TOLERANCE,
            "lam is not the base's label_weight": rows.lam != rows.label_weight[:, 0],
            "label is not the class of the largest share": rows.label != dominant_class(index, weight),
        }
        if rows.soft_label is not None:
            soft = soft_labels(index, weight, classes, self._config.label_smoothing)
            wrong["soft_label is not the classes weighted by label_weight"] = (
                np.abs(rows.soft_label - soft).max(axis=1) > _TOLERANCE
            )
        for problem, where in wrong.items():
            for row in np.flatnonzero(where).tolist():
                yield Problem(self._record.file, rows.keys[row], problem)
