"""Samples of a set as a picture: which ones, read at random without reading the others, and how they are shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from PIL import Image

from cutmix_gen.codecs import MAX_PIXELS, make_codec
from cutmix_gen.codecs.pillow import check_room_for
from cutmix_gen.dataset.ledger import Ledger
from cutmix_gen.dataset.manifest import Manifest
from cutmix_gen.dataset.reader import Dataset, open_dataset
from cutmix_gen.dataset.records import ShardHead
from cutmix_gen.errors import RecipeError, SetError, UsageError, did_you_mean
from cutmix_gen.mixing import streams
from cutmix_gen.mixing.ownership import owner_map
from cutmix_gen.mixing.recipe import parse_recipe
from cutmix_gen.shapes import Pixels, Size
from cutmix_gen.shards import ShardLabels
from cutmix_gen.shards.rows import Row
from cutmix_gen.storage import Place, is_local
from cutmix_gen.visualize.drawing import CELL, Sources, Tile, cell_for, draw_sheet, in_rows, make_tile, shown_size

KINDS = ("original", "cutmix")

_SHARDS = 8
"""Shards over which chosen samples are spread, where as many have them: few are read, and not all alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which samples are wanted: those with these keys, or some by chance that are all that is asked for."""

    keys: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    """One of them has a share of the sample; empty for any."""
    strategies: tuple[str, ...] = ()
    only: str | None = None
    """`original` or `cutmix`."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.keys and (self.classes or self.strategies or self.only):
            raise UsageError("--key names the samples; it goes with none of --class, --strategy and --only.")
        if self.only is not None and self.only not in KINDS:
            raise UsageError(f"--only must be one of {', '.join(KINDS)}, but it is '{self.only}'.")

    def words(self) -> str:
        """Return the choice as on the command line."""
        flags = [f"--class {name}" for name in self.classes] + [f"--strategy {name}" for name in self.strategies]
        return " ".join([*flags, *([f"--only {self.only}"] if self.only else [])])


def draw_grid(
    output: str | Place, choice: Choice, rows: int = 4, columns: int = 6, max_pixels: int = MAX_PIXELS
) -> Image.Image:
    """Draw samples of a set, or of as much of it as is there, with outlines and captions.

    Parameters
    ----------
    output : path
        The folder of the set, or its URI.
    choice : Choice
    rows, columns : int
        The picture has fewer where there are fewer samples, and more rows where more keys are given.
    max_pixels : int, optional
        No larger image is decoded, whatever the set allows itself. [default: 250,000,000]

    Raises
    ------
    UsageError
        If a class or a strategy is asked for that the set does not have.
    SetError
        If there is no set, or nothing in it that is asked for.
    """
    dataset = open_dataset(output, max_pixels=max_pixels)
    numbers = choose(dataset, choice, rows * columns)
    columns = min(columns, len(numbers))
    cell = cell_for(columns)
    return draw_sheet(in_rows([tile_of(dataset, row, cell) for row in dataset.rows(numbers)], columns))


def tile_of(dataset: Dataset, row: Row, cell: int = CELL) -> Tile:
    """Return a sample of a set as it is shown.

    Parameters
    ----------
    dataset : Dataset
    row : Row
        From `dataset.row` or `dataset.rows`.
    cell : int
        See `make_tile`.

    Raises
    ------
    SetError
        If its image is damaged.
    RecipeError
        If its recipe cannot be followed.
    """
    pixels = shown_pixels(row, dataset.info.mode, dataset.max_pixels, lambda size: shown_size(size, cell))
    tile = make_tile(pixels, sources_of(row, dataset.max_pixels, len(dataset.classes)), dataset.classes, cell)
    return replace(tile, note=f"{row.key}  {row.strategy}")


def sources_of(row: Row, max_pixels: int, classes: int) -> Sources:
    """Return the sources of a sample, and which of its pixels are whose.

    Raises
    ------
    RecipeError
        If its recipe cannot be followed.
    """
    recipe = parse_recipe(row.recipe, max_pixels)
    if recipe.num_classes != classes or len(recipe.labels) > len(row.label_weight):
        raise RecipeError(
            f"The recipe of {row.key} has {len(recipe.labels)} sources of {recipe.num_classes:,} classes, its set has "
            f"up to {len(row.label_weight)} of {classes:,}."
        )
    mask = recipe.mask()
    owners = None if mask is None else owner_map(mask, [view.place for view in recipe.views])
    return Sources(recipe.labels, row.label_weight[: len(recipe.labels)].tolist(), owners)


def shown_pixels(row: Row, mode: str, max_pixels: int, shown: Callable[[Size], Size]) -> Pixels:
    """Decode the image of a sample, no larger than it takes to show it at some size.

    Parameters
    ----------
    row : Row
    mode : str
        Of the set.
    max_pixels : int
    shown : callable
        From the size of an image to that at which it is shown.

    Raises
    ------
    SetError
        If the image is damaged.
    """

    def reduce(size: Size) -> int:
        """Return how far decoding may shrink an image so that it is still twice as large as it is shown."""
        return next((factor for factor in (8, 4, 2) if min(size) >= 2 * factor * min(shown(size))), 1)

    try:
        return make_codec("pillow", max_pixels).decode(row.image, mode, reduce).pixels
    except Exception as error:
        check_room_for(row.image, max_pixels)
        raise SetError(
            f"The image of {row.key} cannot be decoded: {type(error).__name__}: {error}. "
            "`cutmix-gen verify OUT --deep` finds what is damaged."
        ) from error


def choose(dataset: Dataset, choice: Choice, count: int) -> list[int]:
    """Return the numbers of so many samples, or of all there are if they are fewer: in their order, by keys in theirs.

    The same choice in the same set gives the same samples.

    Raises
    ------
    UsageError, SetError
        As `draw_grid` says.
    """
    if choice.keys:
        return [dataset.find(key) for key in choice.keys]
    _check(dataset, choice)
    rng = streams.generator(choice.seed, streams.GRID)
    heads = [head for head in dataset.shards if choice.only in (None, head.kind)]
    if heads and not (is_local(dataset.root) or choice.classes or choice.strategies):
        heads = _some(heads, rng)
    found = _by_labels(dataset, choice, heads, count, rng) if choice.classes or choice.strategies else None
    if found is None:
        found = _anywhere(dataset, heads, count, rng)
    if not found:
        asked = f"nothing for {choice.words()}" if choice.words() else "no sample"
        raise SetError(
            f"There must be samples to show, but there is {asked} in {dataset.root}.{_hint(dataset, choice)}"
        )
    return sorted(found)


def _some(heads: Sequence[ShardHead], rng: np.random.Generator) -> list[ShardHead]:
    """Return a few shards, large ones rather: what lies in a store is fetched a whole shard at a time."""
    samples = np.array([head.samples for head in heads], np.float64)
    chosen = rng.choice(len(heads), min(_SHARDS, len(heads)), replace=False, p=samples / samples.sum())
    return [heads[place] for place in sorted(chosen.tolist())]


def _anywhere(dataset: Dataset, heads: Sequence[ShardHead], count: int, rng: np.random.Generator) -> list[int]:
    """Choose among all samples of some shards, each equally likely."""
    ends = np.cumsum([head.samples for head in heads])
    total = int(ends[-1]) if heads else 0
    places = rng.choice(total, min(count, total), replace=False, shuffle=False)
    shards = np.searchsorted(ends, places, "right").tolist()
    return [
        dataset.first_number(heads[shard]) + place - int(ends[shard]) + heads[shard].samples
        for shard, place in zip(shards, places.tolist(), strict=True)
    ]


def _by_labels(
    dataset: Dataset, choice: Choice, heads: Sequence[ShardHead], count: int, rng: np.random.Generator
) -> list[int]:
    """Choose among the samples that are asked for, of shards in random order until there are enough.

    The commit record of a shard tells whether a look into it is worth while.
    """
    manifest = Manifest(dataset.root)
    labels = np.array([dataset.classes.index(name) for name in choice.classes], np.int32)
    each = -(-count // _SHARDS)
    found: list[int] = []
    spare: list[int] = []
    for place in rng.permutation(len(heads)).tolist():
        head = heads[place]
        record = manifest.read_record(head.shard)
        has_class = not choice.classes or any(record.class_weight[label] > 0 for label in labels.tolist())
        if not has_class or (choice.strategies and not record.strategies.keys() & set(choice.strategies)):
            continue
        matching = rng.permutation(_matching(dataset.labels_of(head), labels, choice.strategies))
        numbers = (matching + dataset.first_number(head)).tolist()
        found += numbers[:each]
        spare += numbers[each:]
        if len(found) >= count:
            break
    return (found + spare)[:count]


def _matching(facts: ShardLabels, labels: npt.NDArray[np.int32], strategies: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the rows of a shard that have a class and a strategy."""
    matches = np.ones(len(facts.strategy), np.bool_)
    if labels.size:
        matches &= (np.isin(facts.label_index, labels) & (facts.label_weight > 0)).any(axis=1)
    if strategies:
        matches &= np.isin(np.array(facts.strategy), strategies)
    return np.flatnonzero(matches)


def _check(dataset: Dataset, choice: Choice) -> None:
    """Raise `UsageError` where a class is asked for that the set does not have."""
    for name in choice.classes:
        if name not in dataset.classes:
            raise UsageError(f"--class must be a class of the set, but it has no '{name}'.{_nearest(name, dataset)}")


def _nearest(name: str, dataset: Dataset) -> str:
    shown = ", ".join(dataset.classes[:8])
    all_of_them = f" It has {len(dataset.classes):,}: {shown}{', ...' if len(dataset.classes) > 8 else ''}."
    return did_you_mean(name, dataset.classes, 3) or all_of_them


def _hint(dataset: Dataset, choice: Choice) -> str:
    """Say which strategies the set has, where one was asked for."""
    if not choice.strategies:
        return ""
    found = {name for record in Ledger(Manifest(dataset.root)).records() for name in record.strategies}
    return f" Its samples were made with {', '.join(sorted(found))}."
