"""Checking one shard: its file against its record, its samples against the label law and the plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cutmix_gen.checking.problem import Problem
from cutmix_gen.checking.repair import RECORD_GONE
from cutmix_gen.codecs import make_codec
from cutmix_gen.codecs.pillow import check_room_for
from cutmix_gen.dataset.layout import DATA, RECORDS, Position
from cutmix_gen.dataset.manifest import Manifest
from cutmix_gen.dataset.records import LAM_BINS, ShardRecord
from cutmix_gen.dataset.run import Run
from cutmix_gen.dataset.sidecars import dali_index
from cutmix_gen.errors import CutMixGenError, IrregularFileError, MachineError, SetError
from cutmix_gen.mixing.labels import Weights, class_weight, dominant_class, soft_labels
from cutmix_gen.mixing.recipe import Recipe, parse_recipe
from cutmix_gen.shapes import NO_BOX, Size
from cutmix_gen.shards.rows import Rows
from cutmix_gen.storage import Place, file_size, local_copy, read_bytes, sha256

_TOLERANCE = 1e-6
"""How far a float32 share may be from the exact one: the spacing of float32 near 1 is 1.2e-7."""
_SUM_TOLERANCE = 1e-5
"""How far a sum of shares may be from the one on record, which has six decimals."""
_SHOWN = 20
"""Problems of one shard that are told one by one: where the plan is another, every sample would have one."""


@dataclass(frozen=True, slots=True)
class ShardCheck:
    """What is to be checked of each shard; this is what travels to the workers."""

    output: Place
    deep: bool
    """Whether to decode every image, and to look every donor up."""
    max_pixels: int
    """No larger image is decoded, whatever the set allows itself."""
    unindexed: frozenset[int]
    """Runs whose source index cannot be relied on."""
    call: str
    """What tells this call of `verify` from any other: a process keeps what it has open for one of them."""


@dataclass(frozen=True, slots=True)
class CheckedShard:
    """What was found."""

    samples: int
    problems: list[Problem]


def check_shard(check: ShardCheck, shard: int) -> CheckedShard:
    """Check a shard of which there is anything."""
    manifest = Manifest(check.output)
    where = RECORDS.path(shard)
    try:
        record = manifest.read_record(shard)
        _check_record(check, record, shard)
    except FileNotFoundError:
        return CheckedShard(0, [Problem(where, "", RECORD_GONE)])
    except MachineError:
        raise
    except CutMixGenError as error:
        return CheckedShard(0, [Problem(where, "", str(error))])
    file = check.output / record.file
    problem = _size_problem(file, record)
    if problem:
        return CheckedShard(0, [Problem(record.file, "", problem)])
    with local_copy(file) as path:
        if sha256(path) != record.sha256:
            problem = "the file's SHA-256 is not the one on record: its content was changed or damaged"
            return CheckedShard(0, [Problem(record.file, "", problem)])
        checker = _Checker(check, path, record)
        problems = list(_first(checker, record))
        if not problems:
            problems += _sidecar_problems(manifest, record, path)
    return CheckedShard(checker.samples, problems)


def _check_record(check: ShardCheck, record: ShardRecord, shard: int) -> None:
    """Raise `SetError` unless a record is one of the shard that it is called by."""
    try:
        run = _open_run(check.output, record.run, check.call)
    except SetError:  # of the run; what is wrong with that is said once
        run = None
    if run is None or record.shard != shard or shard not in run.info.planned_shards:
        raise SetError(f"it is the record of shard {record.shard} of run {record.run}, which has no such shard")
    if record.file != run.shard_file(shard):
        raise SetError(f"it names the file {record.file}, it must be {run.shard_file(shard)}")


def _first(checker: _Checker, record: ShardRecord) -> Iterator[Problem]:
    """Give the first problems of a shard, and how many more there are."""
    try:
        problems = checker.problems()
        yield from islice(problems, _SHOWN)
        more = sum(1 for _ in problems)
        if more:
            yield Problem(record.file, "", f"{more:,} more problems like these")
    except SetError as error:
        yield Problem(record.file, "", str(error))


def _sidecar_problems(manifest: Manifest, record: ShardRecord, path: Path) -> Iterator[Problem]:
    """Check the index file beside a tar shard, where there is one."""
    if not record.file.endswith(".tar"):
        return
    index = manifest.sidecar_path(record)
    if index.is_file():
        expected = dali_index(path).encode()
        if read_bytes(index, len(expected)) != expected:
            yield Problem(f"{DATA}/{index.name}", "", "it is not the index of its tar file", "card")


@lru_cache(maxsize=4)
def _open_run(output: Place, number: int, _call: str) -> Run:
    """Return a run, opened once in each process for each call of `verify`."""
    return Run(output, number)


def _size_problem(file: Place, record: ShardRecord) -> str:
    try:
        size = file_size(file)
    except FileNotFoundError:
        return "the file is missing"
    except IrregularFileError as error:
        return str(error)
    return "" if size == record.bytes else f"the file has {size:,} bytes, its record says {record.bytes:,}"


class _Checker:
    """Reads one shard and checks each sample of it."""

    def __init__(self, check: ShardCheck, path: Path, record: ShardRecord) -> None:
        self.samples = 0
        self._path = path
        self._record = record
        self._deep = check.deep
        self._run = _open_run(check.output, record.run, check.call)
        self._set = self._run.set
        self._max_pixels = min(self._run.config.max_sample_pixels, check.max_pixels)
        self._codec = make_codec("pillow", self._max_pixels)
        self._task, self._spec = self._run.plan.locate(record.shard)
        indexed = record.run not in check.unindexed
        self._bases = self._run.sources(self._run.rows(self._task)[0]) if indexed else None
        self._labels = {base.path: base.label for base in self._bases or ()}
        self._there = np.zeros(self._spec.count, bool)
        self._class_weight = np.zeros(len(self._set.classes))
        self._lam_histogram = np.zeros(LAM_BINS, np.int64)
        self._strategies: Counter[str] = Counter()

    def problems(self) -> Iterator[Problem]:
        """Check all samples, then what the record says of them; `samples` counts them."""
        found = False
        for problem in self._sample_problems():
            found = True
            yield problem
        if self.samples != self._record.samples:
            found = True
            yield self._of_shard(f"the file holds {self.samples:,} samples, its record says {self._record.samples:,}")
        if not found:  # what is wrong with a sample makes the sums wrong too
            yield from self._record_problems()

    def _sample_problems(self) -> Iterator[Problem]:
        last = -1
        for rows in self._run.shard_format.read(self._path, self._set.schema):
            self.samples += len(rows)
            exact: list[tuple[int, list[float]]] = []
            for row, key in enumerate(rows.key):
                position = self._position(key)
                if position <= last:
                    yield Problem(self._record.file, key, f"the key does not follow on {last} in this shard")
                    continue
                last = position
                self._there[position - self._task.start] = True
                try:
                    exact.append((row, self._weights(rows, row, position)))
                except MachineError:
                    raise
                except CutMixGenError as error:
                    yield Problem(self._record.file, key, str(error))
            yield from self._label_problems(rows, exact)

    def _record_problems(self) -> Iterator[Problem]:
        """Compare what a record says of its samples with what they are."""
        record, is_mixed = self._record, self._spec.copy > 0
        for name, there, expected in (
            ("kind", record.kind, "cutmix" if is_mixed else "original"),
            ("copy", record.copy, self._spec.copy),
            ("lam_histogram", record.lam_histogram, self._lam_histogram.tolist() if is_mixed else [0] * LAM_BINS),
            ("strategies", record.strategies, dict(self._strategies)),
        ):
            if there != expected:
                yield self._of_record(f"{name} is {there}, by the shard it is {expected}")
        weight = np.array(record.class_weight)
        if weight.shape != self._class_weight.shape or not np.allclose(
            weight, self._class_weight, rtol=0.0, atol=_SUM_TOLERANCE
        ):
            yield self._of_record("class_weight is not the sum of the label shares of the shard")
        for name, count in (("converted", record.converted), ("animated", record.animated)):
            if not 0 <= count <= record.samples + len(record.skipped):
                yield self._of_record(f"{name} is {count} of {record.samples:,} samples")
        missing = np.flatnonzero(~self._there).tolist()
        if len(record.skipped) != len(missing):
            yield self._of_record(
                f"the plan has {self._spec.count:,} samples, the record {record.samples:,} and "
                f"{len(record.skipped):,} skipped"
            )
        elif self._bases and [skip.path for skip in record.skipped] != [self._bases[place].path for place in missing]:
            yield self._of_record("the skipped images are not those whose samples are missing")

    def _of_shard(self, problem: str) -> Problem:
        return Problem(self._record.file, "", problem)

    def _of_record(self, problem: str) -> Problem:
        return Problem(RECORDS.path(self._record.shard), "", problem)

    def _position(self, key: str) -> int:
        """Return the place in the run's order that a key names, -1 if it cannot be a key of this shard."""
        found = Position.parse(key)
        if found is None or (found.run, found.copy) != (self._record.run, self._spec.copy):
            return -1
        return found.position if 0 <= found.position - self._task.start < self._spec.count else -1

    def _weights(self, rows: Rows, row: int, position: int) -> list[float]:
        """Compare one sample with what its recipe gives; return the exact share of each source.

        Raises
        ------
        RecipeError, SetError
            If the recipe cannot be followed, or the sample is another one.
        """
        recipe = parse_recipe(rows.recipe[row], self._max_pixels)
        owned = recipe.ownership()
        padding = self._set.sources - len(recipe.labels)
        boxes = [box.as_list() for box in [*owned.boxes, *[NO_BOX] * padding]]
        labels = [*recipe.labels, *recipe.labels[:1] * padding]
        weights = [*owned.weights, *[0.0] * padding]
        found = rows.label_weight[row].tolist()
        for name, there, expected in (
            ("run of the recipe", recipe.run, self._record.run),
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
        if not all(abs(there - expected) <= _TOLERANCE for there, expected in zip(found, weights, strict=True)):
            raise SetError(f"label_weight is {found}, by the recipe's mask it is {weights}")
        self._check_sources(recipe, rows.sources[row], position)
        if self._deep:
            self._check_image(rows.image[row], recipe.size)
        return weights

    def _check_sources(self, recipe: Recipe, paths: list[str], position: int) -> None:
        """Raise `SetError` unless the base is the plan's, and each source of the class that the recipe says."""
        if self._bases is None:
            return
        base = self._bases[position - self._task.start]
        if paths[0] != base.path:
            raise SetError(f"the base is {paths[0]}, by the plan it is {base.path}")
        for path, label in zip(paths, recipe.labels, strict=True):
            if path in self._labels:
                known = self._labels[path] == label
            else:  # a donor from another block
                known = not self._deep or self._run.find_source(path, label) is not None
            if not known:
                raise SetError(f"{path} is no source of class {label} in run {recipe.run}")

    def _check_image(self, image: bytes, size: Size) -> None:
        try:
            decoded = self._codec.decode(image, self._set.mode, lambda _: 1)
        except Exception as error:
            check_room_for(image, self._codec.max_pixels)
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
        self._add(rows, places, class_weight(index, weight, classes))
        wrong = {
            "lam is not the base's label_weight": rows.lam[places] != rows.label_weight[places, 0],
            "label is not the class of the largest share": rows.label[places] != dominant_class(index, weight),
        }
        if rows.soft_label is not None:
            soft = soft_labels(index, weight, classes, self._run.config.label_smoothing)
            is_near = (np.abs(rows.soft_label[places] - soft) <= _TOLERANCE).all(
                axis=1
            )  # what is no number is not near
            wrong["soft_label is not the classes weighted by label_weight"] = ~is_near
        for problem, where in wrong.items():
            for place in places[where].tolist():
                yield Problem(self._record.file, rows.key[place], problem)

    def _add(self, rows: Rows, places: npt.NDArray[np.int64], mass: Weights) -> None:
        """Add what a record says of rows."""
        self._class_weight += mass
        self._lam_histogram += np.histogram(rows.lam[places], LAM_BINS, (0.0, 1.0))[0]
        self._strategies.update(rows.strategy[place] for place in places.tolist())
