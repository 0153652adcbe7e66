"""Checking a finished set: files against records, samples against the label law."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from cutmix_gen.codecs import make_codec
from cutmix_gen.errors import CutMixGenError, SetError
from cutmix_gen.execute import run_tasks, usable_cores
from cutmix_gen.labels import dominant_class, soft_labels
from cutmix_gen.manifest import Manifest, RunInfo, SetInfo
from cutmix_gen.plan import plan_of
from cutmix_gen.recipe import LARGEST, parse_recipe
from cutmix_gen.records import NO_BOX, Problem, Rows, ShardRecord, Size
from cutmix_gen.shards import shard_format
from cutmix_gen.storage import Place, local_copy, sha256

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


def verify(output: Place, *, deep: bool = False, jobs: int | None = None) -> Verification:
    """Check every shard of a set.

    Each shard is there, has the bytes and the samples that its record says, follows the schema, and the label of
    each sample is the one that its recipe gives.

    Parameters
    ----------
    output : Place
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
    info = manifest.read_set()
    samples, problems, shards = 0, [], []
    for run in manifest.runs():
        made = [shard for shard in run.planned_shards if _was_made(manifest, run, shard, info)]
        if len(made) < run.shards:
            where = f".cutmix_gen/runs/{run.number:04d}.json"
            text = f"{len(made):,} of {run.shards:,} shards of run {run.number} are made; the generate command goes on"
            problems.append(Problem(where, "", text))
        shards += made
    for checked in run_tasks(partial(_check_shard, output, deep), shards, "loky", jobs or usable_cores()):
        samples += checked.samples
        problems += checked.problems
    problems += [Problem(f"data/{path.name}", "", "this is no shard of the set") for path in manifest.stray_files()]
    return Verification(len(shards), samples, sorted(problems, key=lambda problem: (problem.shard, problem.key)))


def _was_made(manifest: Manifest, run: RunInfo, shard: int, info: SetInfo) -> bool:
    """Tell whether there is anything of a shard; a shard of which there is nothing waits to be made."""
    file = manifest.root / run.shard_file(shard, info.shard_extension)
    return manifest.record_path(shard).is_file() or file.is_file()


def _check_shard(output: Place, deep: bool, shard: int) -> _Checked:
    manifest = Manifest(output)
    try:
        record = manifest.read_record(shard)
    except FileNotFoundError:
        where = f".cutmix_gen/shards/{shard:06d}.json"
        return _Checked(0, [Problem(where, "", "the commit record of this shard is gone")])
    except SetError as error:
        return _Checked(0, [Problem(f".cutmix_gen/shards/{shard:06d}.json", "", str(error))])
    file = output / record.file
    problem = _size_problem(file, record)
    if problem:
        return _Checked(0, [Problem(record.file, "", problem)])
    with local_copy(file) as path:
        return _check_file(output, path, record, deep)


def _size_problem(file: Place, record: ShardRecord) -> str:
    try:
        size = file.stat().st_size
    except FileNotFoundError:
        return "the file is missing"
    return "" if size == record.bytes else f"the file has {size:,} bytes, its record says {record.bytes:,}"


def _check_file(output: Place, path: Path, record: ShardRecord, deep: bool) -> _Checked:
    if sha256(path) != record.sha256:
        problem = "the file's SHA-256 is not the one on record: its content was changed or damaged"
        return _Checked(0, [Problem(record.file, "", problem)])
    try:
        checker = _Checker(output, path, record, deep)
        problems = list(checker.problems())
    except CutMixGenError as error:
        return _Checked(0, [Problem(record.file, "", str(error))])
    return _Checked(checker.samples, problems)


class _Checker:
    """Reads one shard and checks each sample of it."""

    def __init__(self, output: Place, path: Path, record: ShardRecord, deep: bool) -> None:
        self.samples = 0
        self._path = path
        self._record = record
        self._deep = deep
        self._set, self._run = Manifest(output).read_set(), Manifest(output).read_run(record.run)
        plan = plan_of(self._run, output)
        self._config = plan.config
        self._codec = make_codec("pillow", self._config.max_pixels)
        self._task, self._spec = plan.locate(record.shard)

    def problems(self) -> Iterator[Problem]:
        """Check all samples; `samples` counts them."""
        last = -1
        for rows in shard_format(self._set.shard_format).read(self._path, self._set.schema):
            self.samples += len(rows)
            exact: list[tuple[int, list[float]]] = []
            for row, key in enumerate(rows.keys):
                position = self._position(key)
                if position <= last:
                    yield Problem(self._record.file, key, f"the key does not follow on {last} in this shard")
                    continue
                last = position
                try:
                    exact.append((row, self._weights(rows, row)))
                except CutMixGenError as error:
                    yield Problem(self._record.file, key, str(error))
            yield from self._label_problems(rows, exact)
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

    def _weights(self, rows: Rows, row: int) -> list[float]:
        """Compare one sample with what its recipe gives; return the exact share of each source.

        Raises
        ------
        RecipeError, SetError
            If the recipe cannot be followed, or the sample is another one.
        """
        recipe = parse_recipe(rows.recipe[row], max(self._config.max_pixels, LARGEST))
        owned = recipe.ownership()
        padding = self._set.sources - len(recipe.labels)
        boxes = [box.as_list() for box in [*owned.boxes, *[NO_BOX] * padding]]
        labels = [*recipe.labels, *recipe.labels[:1] * padding]
        weights = [*owned.weights, *[0.0] * padding]
        found = rows.label_weight[row].tolist()
        for name, there, expected in (
            ("strategy", rows.strategy[row], recipe.strategy),
            ("synthetic", bool(rows.synthetic[row]), self._spec.copy > 0),
            ("strategy", recipe.strategy != "original", self._spec.copy > 0),
            ("number of sources", len(rows.sources[row]), len(recipe.labels)),
            ("label_index", rows.label_index[row].tolist(), labels),
            ("boxes", rows.boxes[row].tolist(), boxes),
            ("lam_drawn", float(rows.lam_drawn[row]), float(np.float32(recipe.lam_drawn))),
            ("number of label_weights", len(found), len(weights)),
        ):
            if there != expected:
                raise SetError(f"{name} is {there}, by the recipe and the plan it is {expected}")
        if max(abs(there - expected) for there, expected in zip(found, weights, strict=True)) > _TOLERANCE:
            raise SetError(f"label_weight is {found}, by the recipe's mask it is {weights}")
        if self._deep:
            self._check_image(rows.images[row], recipe.size)
        return weights

    def _check_image(self, image: bytes, size: Size) -> None:
        try:
            decoded = self._codec.decode(image, self._set.mode, lambda _: 1)
        except Exception as error:
            raise SetError(f"the image cannot be decoded: {type(error).__name__}: {error}") from error
        if decoded.size != size or decoded.converted or decoded.format != self._set.image_format:
            wanted = f"{size} px {self._set.mode} {self._set.image_format}"
            raise SetError(f"the image is {decoded.size} px {decoded.format}, not {wanted}")

    def _label_problems(self, rows: Rows, exact: list[tuple[int, list[float]]]) -> Iterator[Problem]:
        """Check label, lam and soft label of the rows whose exact shares are known."""
        if not exact:
            return
        places = np.array([row for row, _ in exact])
        weight = np.array([weights for _, weights in exact])
        index, classes = rows.label_index[places], len(self._set.classes)
        if index.min() < 0 or index.max() >= classes:
            yield self._of_shard(f"label_index has a class that is not one of 0 to {classes - 1}")
            return
        wrong = {
            "lam is not the base's label_weight": rows.lam[places] != rows.label_weight[places, 0],
            "label is not the class of the largest share": rows.label[places] != dominant_class(index, weight),
        }
        if rows.soft_label is not None:
            soft = soft_labels(index, weight, classes, self._config.label_smoothing)
            wrong["soft_label is not the classes weighted by label_weight"] = (
                np.abs(rows.soft_label[places] - soft).max(axis=1) > _TOLERANCE
            )
        for problem, where in wrong.items():
            for place in places[where].tolist():
                yield Problem(self._record.file, rows.keys[place], problem)
