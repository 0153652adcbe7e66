"""Mixed samples straight from the sources, to be looked at: made as `generate` does, and written nowhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from PIL.Image import Image

from cutmix_gen.codecs import make_codec
from cutmix_gen.config import GenerateConfig, ResolvedConfig
from cutmix_gen.dataset.records import Skip, Source
from cutmix_gen.execute.engines import usable_cores
from cutmix_gen.generation.draws import Draw, DrawKey, draw_copy
from cutmix_gen.mixing import streams
from cutmix_gen.mixing.ownership import Owners, owner_map
from cutmix_gen.mixing.pairing import Members
from cutmix_gen.mixing.recipe import RecipeWriter, parse_recipe
from cutmix_gen.mixing.saliency import focus
from cutmix_gen.shapes import Pixels, Size, View
from cutmix_gen.sources.images import Images, LoadedImage
from cutmix_gen.sources.scan import Part, Scan
from cutmix_gen.sources.shard_sources import scan_source
from cutmix_gen.storage import is_local
from cutmix_gen.visualize.drawing import Sources, Tile, make_tile
from cutmix_gen.visualize.explain import draw_explanation

_CLASSES, _CLASSES_IN_STORE = 64, 8
"""Class folders that are looked into at most; a store names all images of one, however many there are."""
_IMAGES = 500
"""Images of a class that are listed at most."""


def look_into(config: GenerateConfig) -> Scan:
    """List some of the sources: a look at all of them may take minutes."""
    rng = streams.generator(config.seed, streams.PREVIEW)
    named = tuple(sorted({name for quota in config.quotas for name in (quota.base, quota.donor)}))
    classes = _CLASSES if is_local(config.source) else _CLASSES_IN_STORE
    images = max(2, _IMAGES * classes // max(classes, len(named)))
    return scan_source(config.source, Part(rng, classes, images, named))


@dataclass(frozen=True, slots=True)
class Sketch:
    """A mixed sample, and what it was mixed of."""

    images: list[LoadedImage]
    """Base first."""
    draw: Draw
    pixels: Pixels
    """As they are after they were encoded."""

    @property
    def labels(self) -> list[int]:
        """Class of each source."""
        return [image.source.label for image in self.images]

    @property
    def owners(self) -> Owners | None:
        """Who shows where, for an outline."""
        return owner_map(self.draw.mask, [view.place for view in self.draw.views])


class Sketcher:
    """Loads sources and mixes them, by the configuration of a run.

    Parameters
    ----------
    config : ResolvedConfig
    classes : sequence of str
    fitted : bool
        As `Images` takes it: `explained` shows the whole of each source.
    """

    def __init__(self, config: ResolvedConfig, classes: Sequence[str], *, fitted: bool = True) -> None:
        self._config = config
        self._classes = classes
        self._images = Images(config, fitted=fitted)
        self._codec = make_codec(config.codec, config.max_sample_pixels)

    def load(self, sources: Sequence[Source]) -> list[LoadedImage]:
        """Read and decode sources, several at a time."""
        with ThreadPoolExecutor(usable_cores()) as pool:
            return list(pool.map(self._images.load, sources))

    def mix(self, images: Sequence[LoadedImage], members: Members, copy: int = 1) -> Iterator[Sketch | Skip]:
        """Mix a sample of each base, or say why there can be none.

        Parameters
        ----------
        images : sequence of LoadedImage
            The bases first.
        members : Members
            The same images, as pairing sees them.
        copy : int
            Another one gives other samples.
        """

        def focus_of(place: int, view: View, frame: Size) -> tuple[float, float]:
            return focus(self._images.show(images[place], view, frame))

        draws = draw_copy(self._config, DrawKey(1, copy, 0, 0), [image.size for image in images], members, focus_of)
        for base, draw in zip(images, draws, strict=False):
            if isinstance(draw, str):
                yield Skip(base.source.path, base.reason or draw, unreadable=bool(base.reason))
            else:
                mixed = [base, *(images[donor] for donor in draw.donors)]
                yield Sketch(mixed, draw, self._encoded(self._images.mix(mixed, draw.views, draw.mask)))

    def _encoded(self, pixels: Pixels) -> Pixels:
        """Return pixels as a reader of the set would see them."""
        if self._config.image_format == "png":
            return pixels
        return self._codec.decode(self._images.encode(pixels), self._config.mode, lambda _: 1).pixels

    def tile(self, sketch: Sketch, cell: int) -> Tile:
        """Return a sample as it is shown."""
        sources = Sources(sketch.labels, sketch.draw.owned.weights, sketch.owners)
        return make_tile(sketch.pixels, sources, self._classes, cell)

    def explained(self, sketch: Sketch) -> Image:
        """Return a picture of how a sample was made: its sources, which were not fitted, the mask, the result."""
        draw, size = sketch.draw, sketch.draw.mask.size
        writer = RecipeWriter(1, len(self._classes), self._config.label_smoothing)
        recipe = writer.mixed(draw.strategy, [draw.params], size, [draw.views], [sketch.labels])[0]
        return draw_explanation(
            parse_recipe(recipe, self._config.max_sample_pixels), sketch.images, sketch.pixels, self._classes
        )
