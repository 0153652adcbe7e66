"""Making a sample again from its recipe and its sources, and comparing it with the one that is stored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from shlex import quote

import numpy as np

from cutmix_gen.codecs import MAX_PIXELS, Codec, make_codec
from cutmix_gen.codecs.pillow import check_room_for
from cutmix_gen.dataset.info import RunInfo
from cutmix_gen.dataset.manifest import Manifest
from cutmix_gen.dataset.reader import Dataset, open_dataset
from cutmix_gen.dataset.run import Run
from cutmix_gen.errors import ImageError, MachineError, RecipeError, SetError, StorageError, UsageError
from cutmix_gen.machine import check_machine
from cutmix_gen.mixing.fitting import whole
from cutmix_gen.mixing.recipe import Recipe, parse_recipe
from cutmix_gen.mixing.strategies import Mask
from cutmix_gen.shapes import Pixels
from cutmix_gen.shards.rows import Row
from cutmix_gen.sources.images import Images, LoadedImage
from cutmix_gen.storage import Place, parse_place, place_beside
from cutmix_gen.version import changed_versions

_CLOSE = 2.0
"""Levels of 8 bit by which two images differ on average at most if only other releases of libraries made them."""


@dataclass(frozen=True, slots=True)
class Remade:
    """A sample that was made again, and of what."""

    recipe: Recipe
    sources: list[LoadedImage]
    """Base first."""
    mask: Mask | None
    """None for an original."""
    image: bytes
    """Encoded."""


@dataclass(frozen=True, slots=True)
class Replay:
    """How a sample compares with the same one made again."""

    key: str
    same: bool
    """Whether the images are the same byte for byte."""
    problem: str
    """What is different; empty where nothing is."""
    by_versions: bool = False
    """Whether the images differ as those do that other releases of the libraries make: hardly, and in the bytes."""


def replay(output: str | Place, key: str, source: str | Place | None = None, *, max_pixels: int = MAX_PIXELS) -> Replay:
    """Make one sample again from its recipe and its sources, and compare the images byte for byte.

    Parameters
    ----------
    output : path
        The folder of the set, or its URI.
    key : str
        Of the sample.
    source : path, optional
        Where the sources are now, if that is not where they were.
    max_pixels : int, optional
        No larger image is decoded, whatever the set allows itself. [default: 250,000,000]

    Raises
    ------
    SetError
        If there is no set, or no such sample in it.
    ImageError
        If a source is gone, or has another size than it had: then nothing can be said of the sample.
    UsageError
        If the set names another store for its sources than its own: then say where they are.
    """
    replayer = Replayer(parse_place(output), None if source is None else parse_place(source), max_pixels)
    return replayer.replay(replayer.dataset.find(key))


class Replayer:
    """Makes samples of a set again.

    Parameters
    ----------
    output : Place
        The folder of the set.
    source : Place, optional
        Where the sources are now, if that is not where they were.
    max_pixels : int, optional
        No larger image is decoded, whatever the set allows itself. [default: 250,000,000]
    """

    def __init__(self, output: Place, source: Place | None = None, max_pixels: int = MAX_PIXELS) -> None:
        self.dataset: Dataset = open_dataset(output, max_pixels=max_pixels)
        self._limit = max_pixels
        self._source = source
        self._run = cache(self._open_run)
        self._codec: Codec = make_codec("pillow", self.dataset.max_pixels)

    def replay(self, number: int) -> Replay:
        """Make the sample of a number in the set again, and compare.

        Raises
        ------
        SetError
            If its shard is damaged.
        ImageError
            If a source is gone, or has another size than it had.
        """
        row = self.dataset.row(number)
        try:
            self._check_sources(row, number)
            remade = self.remade(row)
        except RecipeError as error:
            return Replay(row.key, False, str(error))
        if remade.image == row.image:
            return Replay(row.key, True, "")
        return self._difference(row, remade)

    def remade(self, row: Row) -> Remade:
        """Make a sample again.

        Raises
        ------
        RecipeError
            If its recipe does not fit its sources.
        ImageError
            If a source is gone, or has another size than it had.
        """
        recipe = parse_recipe(row.recipe, self.dataset.max_pixels)
        run, images = self._run(recipe.run)
        sources = []
        for path, label in zip(row.sources, recipe.labels, strict=False):
            known = run.find_source(path, label)
            if known is None:
                raise RecipeError(f"{path} is no source of class {label} in run {recipe.run}")
            sources.append(images.load(known))
        for image in sources:
            if image.decoded is None:
                raise ImageError(
                    f"{row.key} cannot be made again: its source {image.source.path} in {run.config.source} is not "
                    f"what it was: {image.reason}. Put it back, or say where the sources are now: --source SRC."
                )
        try:
            mask = recipe.mask()
            return Remade(recipe, sources, mask, _encoded(images, recipe, sources, mask))
        except (ImageError, MachineError, StorageError):
            raise
        except Exception as error:
            check_machine(error)
            raise RecipeError(f"its recipe does not fit its sources: {error}") from error

    def pixels(self, remade: Remade) -> Pixels:
        """Return the pixels of a sample that was made again."""
        return self._codec.decode(remade.image, self.dataset.info.mode, lambda _: 1).pixels

    def _open_run(self, number: int) -> tuple[Run, Images]:
        output = self.dataset.root
        try:
            run = Run(output, number, source_of(Manifest(output).read_run(number), output, self._source))
        except SetError as error:
            raise RecipeError(f"its recipe names run {number}, but: {error}") from error
        return run, Images(replace(run.config, max_pixels=min(run.config.max_pixels, self._limit)), fitted=False)

    def _check_sources(self, row: Row, number: int) -> None:
        """Raise `RecipeError` unless the sample has the run, the base and as many sources as its key and recipe say."""
        recipe, position = parse_recipe(row.recipe, self.dataset.max_pixels), self.dataset.position(number)
        if recipe.run != position.run:
            raise RecipeError(f"its recipe is one of run {recipe.run}, its key of run {position.run}")
        base = self._run(position.run)[0].base(position.copy, position.position)
        if base is None or row.sources[0] != base.path:
            raise RecipeError(f"its base is {row.sources[0]}, by the plan it is {base.path if base else 'nothing'}")
        if not len(row.sources) == len(recipe.labels) == len(recipe.views):
            raise RecipeError(f"it has {len(row.sources)} sources, its recipe {len(recipe.labels)}")

    def _difference(self, row: Row, remade: Remade) -> Replay:
        """Tell a wrong sample from one that other releases of the libraries would make with other bytes."""
        run, _ = self._run(remade.recipe.run)
        changed = ", ".join(changed_versions(run.info.versions))
        if not changed:
            return Replay(row.key, False, "made again from its sources, the image has other bytes")
        if self._distance(row.image, remade.image, run.set.mode) <= _CLOSE:
            problem = f"made again, the image is the same but for its encoding: libraries have changed ({changed})"
            return Replay(row.key, False, problem, by_versions=True)
        return Replay(row.key, False, f"made again from its sources, it is another image; libraries changed: {changed}")

    def _distance(self, stored: bytes, remade: bytes, mode: str) -> float:
        """Return by how many levels of 8 bit two images differ on average."""
        try:
            one, two = (self._codec.decode(image, mode, lambda _: 1).pixels for image in (stored, remade))
        except Exception:  # decoders raise nearly anything
            check_room_for(stored, self._codec.max_pixels)
            check_room_for(remade, self._codec.max_pixels)
            return float("inf")
        return mean_distance(one, two)


def source_of(run: RunInfo, output: Place, given: Place | None) -> Place:
    """Return where the sources of a run are read: where the user says, else where the run says, within its store.

    Raises
    ------
    UsageError
        If the run names another store than the one where the set lies, and the user none.
    """
    place = given or place_beside(run.source, output)
    if place is None:
        source = parse_place(run.source)
        raise UsageError(
            f"Run {run.number} of {output} says that its sources are in {source}, another store than the set's own. A "
            "set may come from anybody: nothing connects there with your credentials until you say so: "
            f"--source {quote(str(source))}"
        )
    return place


def mean_distance(one: Pixels, two: Pixels) -> float:
    """Return by how many levels of 8 bit two images differ on average; infinity if their shapes do.

    >>> mean_distance(np.zeros((2, 2), np.uint8), np.full((2, 2), 3, np.uint8))
    3.0
    """
    if one.shape != two.shape or one.dtype != two.dtype:
        return float("inf")
    return float(np.abs(one.astype(np.float64) - two).mean() * 255 / np.iinfo(one.dtype).max)


def _encoded(images: Images, recipe: Recipe, sources: list[LoadedImage], mask: Mask | None) -> bytes:
    for image, view in zip(sources, recipe.views, strict=True):
        size, crop = image.size, view.crop
        if size is None or crop.x2 > size.width or crop.y2 > size.height:
            raise RecipeError(f"{image.source.path} of {size} px has no part {crop.as_list()}")
    if mask is None:
        base, view = sources[0], recipe.views[0]
        stands = view.place == whole(recipe.size) and not view.flip
        return (stands and base.file) or images.encode(images.show(base, view, recipe.size))
    return images.encode(images.mix(sources, recipe.views, mask))
