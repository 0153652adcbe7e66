"""Source images in memory: reading, decoding, and how one shows in a sample of some size."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cutmix_gen.codecs import Decoded, make_codec
from cutmix_gen.config import GenerateConfig
from cutmix_gen.errors import ImageError
from cutmix_gen.geometry import FITS, reduction
from cutmix_gen.records import Box, Pixels, Size, Source, View
from cutmix_gen.storage import read_source

_PIXEL_BYTES = {"RGB": 3, "L": 1, "I;16": 2}


@dataclass(frozen=True, slots=True)
class LoadedImage:
    """A source after an attempt to read it."""

    source: Source
    decoded: Decoded | None
    """None where it could not be read."""
    crop: Box | None = None
    """The part that the pixels show, where they were fitted to the set's one size on loading."""
    file: bytes = b""
    """The file's bytes where they may stand as an original as they are."""
    reason: str = ""
    """Why it could not be read."""

    @property
    def converted(self) -> bool:
        """Whether it was turned into another pixel mode."""
        return self.decoded is not None and self.decoded.converted

    def readable(self) -> Decoded:
        """Return the image; raise `ImageError` with the reason if it could not be read."""
        if self.decoded is None:
            raise ImageError(f"{self.source.path} cannot be read: {self.reason}")
        return self.decoded


class Images:
    """Reads the sources of a run.

    Parameters
    ----------
    config : GenerateConfig
        Resolved.
    """

    def __init__(self, config: GenerateConfig) -> None:
        self._root = config.source
        self._mode = config.mode
        self._target = config.target
        self._encoding = config.encoding
        self._keep_files = config.originals
        self._fit = FITS[config.fit]
        self._codec = make_codec(config.codec)

    def load(self, source: Source) -> LoadedImage:
        """Read and decode a source; whatever is wrong with it becomes the reason why there is none."""
        try:
            file = read_source(self._root, source.path)
            if len(file) != source.num_bytes:
                raise ImageError(f"the file has {len(file)} bytes, it had {source.num_bytes} when it was scanned")
            decoded = self._codec.decode(file, self._mode, self._reduce)
            if self._target is None:
                stands = self._keep_files and decoded.untouched and decoded.format == self._encoding.format
                return LoadedImage(source, decoded, file=file if stands else b"")
            crop = self._fit(decoded.size, self._target)
            fitted = replace(decoded, pixels=self._codec.fit(decoded, crop, self._target))
            return LoadedImage(source, fitted, crop)
        except Exception as error:
            return LoadedImage(source, None, reason=f"{type(error).__name__}: {error}")

    def size_of(self, image: LoadedImage) -> Size | None:
        """Return the size of the samples that have an image as base; None where it could not be read."""
        if image.decoded is None:
            return None
        return self._target or image.decoded.size

    def view(self, image: LoadedImage, size: Size, flip: bool) -> tuple[Pixels, View]:
        """Return how an image shows in a sample.

        Parameters
        ----------
        image : LoadedImage
            One that could be read.
        size : Size
            Of the sample.
        flip : bool
            Whether it is mirrored.

        Returns
        -------
        pixels : (H, W[, C]) ndarray
        view : View
        """
        decoded = image.readable()
        crop, pixels = image.crop, decoded.pixels
        if crop is None:
            crop = self._fit(decoded.size, size)
            pixels = self._codec.fit(decoded, crop, size)
        return pixels[:, ::-1] if flip else pixels, View(crop, flip)

    def encode(self, pixels: Pixels) -> bytes:
        """Encode an image as the set has its images."""
        return self._codec.encode(pixels, self._encoding)

    def held_bytes(self, image: LoadedImage) -> int:
        """Return what an image takes in memory; where all have one size a broken one counts like the others."""
        if self._target is not None:
            return self._target.area * _PIXEL_BYTES[self._mode]
        return image.decoded.pixels.nbytes if image.decoded else 0

    def _reduce(self, size: Size) -> int:
        return 1 if self._target is None else reduction(self._fit(size, self._target), self._target)
