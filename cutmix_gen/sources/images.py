"""Source images in memory: reading, decoding, and how one shows in a sample of some size."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cutmix_gen.codecs import Decoded, make_codec
from cutmix_gen.codecs.guard import guarded
from cutmix_gen.codecs.pillow import check_room_for
from cutmix_gen.config import ResolvedConfig
from cutmix_gen.dataset.records import Source
from cutmix_gen.errors import ImageError, StorageError
from cutmix_gen.machine import check_machine
from cutmix_gen.mixing.fitting import reduction, whole
from cutmix_gen.mixing.strategies import Mask
from cutmix_gen.shapes import Pixels, Size, View
from cutmix_gen.sources.read import read_source
from cutmix_gen.storage import read_ahead
from cutmix_gen.text import printable

_HELD_BYTES = 384 << 20
"""Bytes of pixels that are held of one lot of images: half as much again as parts of blocks are planned to have.

The plan goes by the sizes of some; whatever the others are, memory is bounded.
"""

_FILE_BYTES_A_PIXEL = 8
"""Four channels of 16 bit, uncompressed."""
_FILE_BYTES_BESIDE = 64 << 20
"""For all that is in a file beside its pixels."""

_REASON = 200
"""Characters of a reason at most; decoders may quote what they found."""
_ADDRESS = re.compile(r" (object )?at 0x[0-9a-fA-F]+")

PIXEL_BYTES = {"RGB": 3, "L": 1, "I;16": 2}
"""Bytes that a pixel of each mode takes in memory."""


_OUT_OF_REACH = frozenset({errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT})
"""What the system says when it cannot open any file of a mounted folder, whichever it is."""


@dataclass(eq=False, slots=True)  # not frozen, which makes one three times as slow
class LoadedImage:
    """A source after an attempt to read it."""

    source: Source
    decoded: Decoded | None
    """None where it could not be read."""
    fitted: View | None = None
    """How its pixels show already, where all samples show it in the same way."""
    file: bytes = b""
    """The file's bytes where they may stand as an original as they are."""
    let_go: bytes = b""
    """The file's bytes where its pixels are not held, but decoded again each time."""
    reason: str = ""
    """Why it could not be read."""

    @property
    def size(self) -> Size | None:
        """Of the upright image as it is in its file; None where it could not be read."""
        return self.decoded.size if self.decoded else None

    @property
    def known_size(self) -> Size:
        """The same of an image that could be read."""
        if self.decoded is None:
            raise ValueError(f"{self.source.path} could not be read")
        return self.decoded.size

    @property
    def converted(self) -> bool:
        """Whether it was turned into another pixel mode."""
        return self.decoded is not None and self.decoded.converted

    @property
    def animated(self) -> bool:
        """Whether its file holds several pictures, of which the first counts."""
        return self.decoded is not None and self.decoded.animated


def frame_of_all(config: ResolvedConfig) -> Size | None:
    """Return the size at which every sample shows an image in the same way; None where there is no such size.

    Where there is one, images are fitted to it once, when they are read, and held like that.
    """
    shrinks = any(strategy.shrinks_donors for strategy, _ in config.strategies)
    return None if config.fit_method.is_random or shrinks else config.target


def reason_of(error: Exception) -> str:
    """Return what is wrong with an image: one short line, the same each time and on every machine."""
    if isinstance(error, FileNotFoundError):
        return "the file is gone since it was scanned"
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    if not isinstance(error, ImageError):
        said = f"{type(error).__name__}: {said}" if said else type(error).__name__
    text = printable(_ADDRESS.sub("", said))
    return text if len(text) <= _REASON else f"{text[:_REASON]}..."


def _has_anything(folder: Path) -> bool:
    try:
        return any(folder.iterdir())
    except OSError:  # it is gone, or closed to us by now
        return False


def max_file_bytes(max_pixels: int) -> int:
    """Return how large the file of an image of so many pixels may be."""
    return max_pixels * _FILE_BYTES_A_PIXEL + _FILE_BYTES_BESIDE


def _let_go(image: LoadedImage, file: bytes) -> LoadedImage:
    """Return an image without its pixels."""
    if image.decoded is None or image.fitted:
        return image
    return replace(image, decoded=image.decoded.shown_as(np.empty((0, 0), np.uint8)), let_go=file)


class Images:
    """Reads the sources of a run.

    Parameters
    ----------
    config : GenerateConfig
        Resolved.
    fitted : bool
        Whether images are fitted when they are read, where all samples show them in the same way: then views are not
        looked at again but for `flip`.
    """

    def __init__(self, config: ResolvedConfig, *, fitted: bool = True) -> None:
        self._config = config
        self._root = config.source
        self._codec = make_codec(config.codec, config.max_pixels)
        self._max_bytes = max_file_bytes(config.max_pixels)
        self._fit = config.fit_method
        self._target = config.target
        self._encoding = config.encoding
        self._frame = frame_of_all(config) if fitted else None
        self._plans: dict[Size, tuple[View, int]] = {}

    def load(self, source: Source) -> LoadedImage:
        """Read and decode a source; whatever is wrong with it becomes the reason why there is none.

        Raises
        ------
        StorageError
            If the store of the sources fails: that is no fault of an image.
        MachineError
            If this machine lacks the memory or the open files for it: that is none either.
        """
        return self._loaded(source, self._read(source))

    def load_all(self, sources: Sequence[Source]) -> list[LoadedImage]:
        """Read and decode sources; from a store the next ones are read while one is decoded."""
        files = read_ahead(self._read, sources, self._root)
        images, held = [], 0
        with guarded(b"", self._config.max_pixels):  # once for all: each image does it too, which costs next to nothing
            for source, file in zip(sources, files, strict=True):
                image = self._loaded(source, file)
                size = image.decoded.pixels.nbytes if image.decoded else 0
                if held + size > _HELD_BYTES and isinstance(file, bytes):
                    image = _let_go(image, file)
                else:
                    held += size
                images.append(image)
        return images

    def _read(self, source: Source) -> bytes | Exception:
        if source.num_bytes > self._max_bytes:
            return ImageError(
                f"the file has {source.num_bytes:,} bytes, more than an image of --max-pixels takes "
                f"({self._max_bytes:,})"
            )
        try:
            return read_source(self._root, source.path, source.num_bytes)
        except StorageError:
            raise
        except OSError as error:
            check_machine(error)
            self._check_readable(error)
            return error
        except ValueError as error:
            return error

    def _check_readable(self, error: OSError) -> None:
        """Raise `StorageError` if all sources are out of reach: then none is skipped, and the run can go on later."""
        is_gone = isinstance(self._root, Path) and not _has_anything(self._root)
        if is_gone or error.errno in _OUT_OF_REACH:
            raise StorageError(
                f"SRC must stay in reach while the run is at work, but {self._root} cannot be read any more: "
                f"{os.strerror(error.errno or 0).lower()}. Bring it back, and give the same command again; what is "
                "committed stays."
            ) from error

    def _loaded(self, source: Source, file: bytes | Exception) -> LoadedImage:
        if isinstance(file, Exception):
            return LoadedImage(source, None, reason=reason_of(file))
        try:
            return self._decoded(source, file)
        except Exception as error:
            self._check_room(file)
            if isinstance(error, ImageError):
                return LoadedImage(source, None, reason=reason_of(error))
        try:  # there is room, but was there before?
            return self._decoded(source, file)
        except Exception as error:
            return LoadedImage(source, None, reason=reason_of(error))

    def _check_room(self, file: bytes) -> None:
        frame = self._target or Size(0, 0)
        check_room_for(file, self._config.max_pixels, frame.width * frame.height)

    def _decoded(self, source: Source, file: bytes) -> LoadedImage:
        if len(file) != source.num_bytes:
            more = "more bytes than the" if len(file) > source.num_bytes else f"{len(file)} bytes,"
            raise ImageError(f"the file has {more} {source.num_bytes} that it had when it was scanned")
        decoded = self._codec.decode(file, self._config.mode, self._reduce)
        if self._target is None and max(decoded.size) > self._encoding.max_side:
            raise ImageError(f"{decoded.size} px are more than {self._encoding.format} can hold")
        if self._frame is None:
            kept = decoded.shown_as(decoded.pixels)
            return LoadedImage(source, kept, file=file if self._stands(decoded) else b"")
        view, _ = self._plan(decoded.size, self._frame)
        pixels = self._show(decoded, view, self._frame)
        return LoadedImage(source, decoded.shown_as(pixels), view)

    def show(self, image: LoadedImage, view: View, size: Size) -> Pixels:
        """Return how an image shows in a frame of some size: (H, W[, C]), not to be written to.

        Raises
        ------
        ImageError
            If it could not be read.
        """
        if image.decoded is None:
            raise ImageError(f"{image.source.path} cannot be read: {image.reason}")
        pixels = image.decoded.pixels if image.fitted else self._show(self._whole(image, image.decoded), view, size)
        return pixels[:, ::-1] if view.flip else pixels

    def mix(self, images: list[LoadedImage], views: tuple[View, ...], mask: Mask) -> Pixels:
        """Return the mixed image of some sources, base first."""
        base = self.show(images[0], views[0], mask.size)
        donors = [self.show(image, view, mask.donor_size) for image, view in zip(images[1:], views[1:], strict=True)]
        return mask.mix(base, donors)

    def paste(
        self, base: LoadedImage, donor: LoadedImage, views: Sequence[View], frame: Size, box: Sequence[int]
    ) -> Pixels:
        """Return the base with a box of the donor on it, as `mix` gives it too, where both fill the frame.

        Parameters
        ----------
        base, donor : LoadedImage
        views : sequence of View
            How each of them shows, base first.
        frame : Size
        box : sequence of int
            x1, y1, x2, y2 in the frame.
        """
        x1, y1, x2, y2 = box
        mixed = self.show(base, views[0], frame).copy()
        mixed[y1:y2, x1:x2] = self.show(donor, views[1], frame)[y1:y2, x1:x2]
        return mixed

    def encode(self, pixels: Pixels) -> bytes:
        """Encode an image as the set has its images."""
        return self._codec.encode(pixels, self._encoding)

    def _whole(self, image: LoadedImage, decoded: Decoded) -> Decoded:
        """Return an image with its pixels."""
        return self._codec.decode(image.let_go, self._config.mode, self._reduce) if image.let_go else decoded

    def _show(self, decoded: Decoded, view: View, size: Size) -> Pixels:
        place = view.place
        pixels = self._codec.fit(decoded, view.crop, Size(place.width, place.height), self._config.interpolation)
        if place == whole(size):
            return pixels
        frame = np.zeros((size.height, size.width, *pixels.shape[2:]), pixels.dtype)
        # A mirrored image is mirrored with its bars, so the place is that in the mirrored frame.
        x1, x2 = (size.width - place.x2, size.width - place.x1) if view.flip else (place.x1, place.x2)
        frame[place.y1 : place.y2, x1:x2] = pixels
        return frame

    def _stands(self, decoded: Decoded) -> bool:
        keeps = self._target is None and self._config.originals
        return keeps and decoded.untouched and decoded.format == self._encoding.format

    def _reduce(self, size: Size) -> int:
        if self._target is None or self._fit.is_random or self._config.interpolation == "nearest":
            return 1  # a decoder that shrinks averages
        return self._plan(size, self._target)[1]

    def _plan(self, size: Size, frame: Size) -> tuple[View, int]:
        """Return how an image of some size shows in a frame unless by chance, and how far it may be shrunk for it."""
        if size not in self._plans:
            fitting = self._fit.fit(size, frame, ())
            self._plans[size] = View(fitting.crop, fitting.place, flip=False), reduction(fitting)
        return self._plans[size]
