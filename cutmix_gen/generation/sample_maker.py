"""The samples of a part of a block: drawn, mixed, encoded, labelled and described, in columns.

Each step is done for all samples before the next one: its code and its data stay in the processor's caches. Samples
of one box each, nearly all there are with CutMix, are drawn and labelled by array arithmetic; any others one by one.
"""

from __future__ import annotations

from itertools import chain
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from cutmix_gen.dataset.layout import keys
from cutmix_gen.dataset.records import ShardSpec, Skip, Task
from cutmix_gen.dataset.run import Run
from cutmix_gen.generation.draws import BoxDraws, CopyDraws, Draw, DrawKey, draw_originals
from cutmix_gen.generation.loaded_part import Part
from cutmix_gen.mixing.labels import Classes, Weights, class_weight, dominant_class, soft_labels
from cutmix_gen.mixing.recipe import RecipeWriter
from cutmix_gen.mixing.saliency import focus
from cutmix_gen.shapes import NO_BOX, Size, View
from cutmix_gen.shards.rows import Rows
from cutmix_gen.sources.images import Images, LoadedImage

T = TypeVar("T")


class Made(NamedTuple):
    """What was made of a part: rows, skips and counts."""

    rows: Rows
    skipped: list[Skip]
    class_weight: Weights
    """(C,) sum of the shares of each class."""
    converted: int
    """Bases that had another pixel mode than the set; a base that comes again counts where it comes first."""
    animated: int
    """Bases whose file holds several pictures, counted like that."""


class _Samples(NamedTuple):
    """Samples in columns, n of them, in the order of their bases."""

    places: list[int]
    """Of the bases, in the part."""
    images: list[bytes]
    sources: list[list[int]]
    """Places in the part of all that a sample is made of, base first."""
    weight: Weights
    """(n, S) share of each source, 0 where there are fewer."""
    boxes: npt.NDArray[np.int32]
    """(n, S - 1, 4) box of each donor, `NO_BOX` where there are fewer."""
    strategy: list[str]
    lam_drawn: list[float]
    recipe: list[str]


class SampleMaker:
    """Makes the samples of one shard.

    Parameters
    ----------
    run : Run
    task : Task
    shard : ShardSpec
        Of the task.
    images : Images
    """

    def __init__(self, run: Run, task: Task, shard: ShardSpec, images: Images) -> None:
        self._run = run
        self._task = task
        self._shard = shard
        self._images = images
        self._schema = run.set.schema
        self._firsts = run.first_uses(task)
        self._target = run.config.target
        self._recipes = RecipeWriter(run.info.number, len(run.set.classes), run.config.label_smoothing)

    def make(self, part: Part) -> Made:
        """Make the samples whose base is in a part."""
        samples, skipped = self._mixed(part) if self._shard.copy else self._originals(part)
        rows = self._rows(part, samples)
        bases = [part.images[place] for place in self._first_uses(part, samples)]
        return Made(
            rows,
            skipped,
            class_weight(rows.label_index, samples.weight, len(self._schema.classes)),
            converted=sum(base.converted for base in bases),
            animated=sum(base.animated for base in bases),
        )

    def _first_uses(self, part: Part, samples: _Samples) -> list[int]:
        """Return the places of the bases that count here."""
        if self._firsts is None:
            return samples.places
        return np.flatnonzero(self._firsts[part.start :][: part.bases]).tolist()

    def _rows(self, part: Part, made: _Samples) -> Rows:
        """Return samples of a part as they are written."""
        schema, n = self._schema, len(made.places)
        index = classes_of(part, made)
        smoothing = self._run.config.label_smoothing
        first = self._task.start + part.start
        return Rows(
            key=keys(self._run.info.number, self._shard.copy, [first + place for place in made.places]),
            image=made.images,
            label=dominant_class(index, made.weight),
            soft_label=soft_labels(index, made.weight, len(schema.classes), smoothing) if schema.dense else None,
            label_index=index,
            label_weight=made.weight.astype(np.float32),
            synthetic=np.full(n, self._shard.copy > 0),
            strategy=made.strategy,
            lam=made.weight[:, 0].astype(np.float32),
            lam_drawn=np.array(made.lam_drawn, np.float32),
            sources=[[part.paths[place] for place in places] for places in made.sources],
            boxes=made.boxes,
            recipe=made.recipe,
        )

    def _originals(self, part: Part) -> tuple[_Samples, list[Skip]]:
        key = DrawKey(self._run.info.number, 0, self._task.number, part.number)
        views = draw_originals(self._run.config, key, part.sizes[: part.bases])
        shown = [(place, view) for place, view in enumerate(views) if view]
        skipped = [Skip(part.paths[place], part.images[place].reason) for place, view in enumerate(views) if not view]
        n, width = len(shown), self._schema.sources
        weight = np.zeros((n, width))
        weight[:, 0] = 1.0
        samples = _Samples(
            places=[place for place, _ in shown],
            images=[self._encoded_original(part.images[place], view) for place, view in shown],
            sources=[[place] for place, _ in shown],
            weight=weight,
            boxes=np.zeros((n, width - 1, 4), np.int32),
            strategy=["original"] * n,
            lam_drawn=[1.0] * n,
            recipe=[self._original_recipe(part.images[place], view) for place, view in shown],
        )
        return samples, skipped

    def _encoded_original(self, image: LoadedImage, view: View) -> bytes:
        return image.file or self._images.encode(self._images.show(image, view, self._frame(image)))

    def _original_recipe(self, image: LoadedImage, view: View) -> str:
        return self._recipes.original(view, self._frame(image), image.source.label)

    def _frame(self, image: LoadedImage) -> Size:
        return self._target or image.known_size

    def _mixed(self, part: Part) -> tuple[_Samples, list[Skip]]:
        draws = self._draws(part)
        boxed = draws.boxes()
        others = sorted(set(range(draws.wanted)).difference(*(each.places for each in boxed)))
        drawn, skipped = [], []
        for place in others:
            draw = draws.draw(place)
            if isinstance(draw, Draw):
                drawn.append((place, draw))
            else:
                base = part.images[place]
                skipped.append(Skip(base.source.path, base.reason or draw, unreadable=bool(base.reason)))
        return _joined([*(self._boxed(part, each) for each in boxed), self._others(part, drawn)]), skipped

    def _draws(self, part: Part) -> CopyDraws:
        key = DrawKey(self._run.info.number, self._shard.copy, self._task.number, part.number)
        members = part.members(self._run.census, max(self._shard.count - part.start, 0))

        def focus_of(place: int, view: View, frame: Size) -> tuple[float, float]:
            return focus(self._images.show(part.images[place], view, frame))

        return CopyDraws(self._run.config, key, part.sizes, members, focus_of)

    def _boxed(self, part: Part, drawn: BoxDraws) -> _Samples:
        """Make the samples that are one box each."""
        n, width, images = len(drawn.places), self._schema.sources, part.images
        weight, boxes = np.zeros((n, width)), np.zeros((n, width - 1, 4), np.int32)
        weight[:, :2], boxes[:, 0] = drawn.weights, drawn.boxes
        sources = np.stack([drawn.places, drawn.donors], axis=1)
        labels, places = part.labels[sources].tolist(), sources.tolist()
        encode, paste, frame = self._images.encode, self._images.paste, drawn.frame
        encoded = [
            encode(paste(images[base], images[donor], views, frame, box))
            for (base, donor), views, box in zip(places, drawn.views, drawn.boxes.tolist(), strict=True)
        ]
        return _Samples(
            places=drawn.places.tolist(),
            images=encoded,
            sources=places,
            weight=weight,
            boxes=boxes,
            strategy=[drawn.strategy.name] * n,
            lam_drawn=[params.lam for params in drawn.params],
            recipe=self._recipes.mixed(drawn.strategy, drawn.params, frame, drawn.views, labels),
        )

    def _others(self, part: Part, drawn: list[tuple[int, Draw]]) -> _Samples:
        """Make samples of any kind."""
        width, draws = self._schema.sources, [draw for _, draw in drawn]
        places = [[place, *draw.donors] for place, draw in drawn]
        sources = [[part.images[each] for each in one] for one in places]
        weights = [_padded(draw.owned.weights, width, 0.0) for draw in draws]
        boxes = [_padded(draw.owned.boxes, width - 1, NO_BOX) for draw in draws]
        return _Samples(
            places=[place for place, _ in drawn],
            images=[self._mix(images, draw) for images, draw in zip(sources, draws, strict=True)],
            sources=places,
            weight=np.array(weights, np.float64).reshape(-1, width),
            boxes=np.array(boxes, np.int32).reshape(-1, width - 1, 4),
            strategy=[draw.strategy.name for draw in draws],
            lam_drawn=[draw.params.lam for draw in draws],
            recipe=[self._recipe(images, draw) for images, draw in zip(sources, draws, strict=True)],
        )

    def _mix(self, sources: list[LoadedImage], draw: Draw) -> bytes:
        return self._images.encode(self._images.mix(sources, draw.views, draw.mask))

    def _recipe(self, sources: list[LoadedImage], draw: Draw) -> str:
        labels = [image.source.label for image in sources]
        return self._recipes.mixed(draw.strategy, [draw.params], draw.mask.size, [draw.views], [labels])[0]


def classes_of(part: Part, made: _Samples) -> Classes:
    """Return the class of each source of samples, that of the base where there are fewer: (n, S)."""
    places = [_padded(each, made.weight.shape[1], each[0]) for each in made.sources]
    return part.labels[np.array(places, np.int64).reshape(made.weight.shape)]


def _joined(parts: list[_Samples]) -> _Samples:
    """Return samples in the order of their bases."""
    parts = [each for each in parts if each.places] or parts[:1]
    if len(parts) == 1:
        return parts[0]
    order = np.argsort(np.concatenate([each.places for each in parts])).tolist()
    columns: list[Any] = []
    for column in zip(*parts, strict=True):
        if isinstance(column[0], np.ndarray):
            columns.append(np.concatenate(column)[order])
        else:
            values = list(chain.from_iterable(column))
            columns.append([values[place] for place in order])
    return _Samples(*columns)


def _padded(values: list[T], length: int, filler: T) -> list[T]:
    return values + [filler] * (length - len(values))
