"""Pillow as this program wants it, whatever else the process has set: strict, silent, with one limit of pixels."""

from __future__ import annotations

import os
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from PIL import Image, ImageFile

from cutmix_gen.errors import ImageError

_NUMBER = re.compile(r"\d+")
_TIFF = (b"II", b"MM")
_STDERR = 2


@contextmanager
def guarded(data: bytes, max_pixels: int) -> Iterator[None]:
    """Open and decode a file strictly: nothing beyond the limit, nothing truncated, no word about it.

    Pillow's warnings are left out, which someone may have turned into errors, and what libtiff writes to standard
    error by itself.

    Raises
    ------
    ImageError
        If Pillow is asked for more pixels than the limit, before it takes memory for them.
    """
    try:
        with _strict.held(partial(_strictness, max_pixels)):
            if not data.startswith(_TIFF):
                yield
                return
            with _silent.held(_silence):
                yield
    except Image.DecompressionBombError as error:
        found = _NUMBER.search(str(error))
        raise too_large(int(found[0]) if found else max_pixels + 1, max_pixels) from error


def too_large(pixels: int, max_pixels: int) -> ImageError:
    """Return the error of an image beyond the limit."""
    return ImageError(f"its header claims {pixels:,} pixels, more than --max-pixels allows ({max_pixels:,})")


class _Held:
    """A state of the whole process that holds while at least one thread wants it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._undo = ExitStack()
        os.register_at_fork(after_in_child=self._forget)

    @contextmanager
    def held(self, enter: Callable[[ExitStack], None]) -> Iterator[None]:
        with self._lock:
            self._users += 1
            if self._users == 1:
                enter(self._undo)
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    self._undo.close()

    def _forget(self) -> None:
        """In the child of a fork: the threads that wanted it are not here."""
        self._lock = threading.Lock()
        self._users = 0
        self._undo.close()


def _strictness(max_pixels: int, undo: ExitStack) -> None:
    undo.callback(_set_pillow, Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
    _set_pillow(-(-max_pixels // 2), False)  # Pillow refuses from twice this number on
    undo.enter_context(warnings.catch_warnings())
    warnings.simplefilter("ignore")


def _set_pillow(max_pixels: int | None, load_truncated: bool) -> None:
    Image.MAX_IMAGE_PIXELS = max_pixels
    ImageFile.LOAD_TRUNCATED_IMAGES = load_truncated


def _silence(undo: ExitStack) -> None:
    try:
        kept = os.dup(_STDERR)
    except OSError:
        return  # standard error is closed: there is nothing to be heard
    undo.callback(os.close, kept)
    undo.callback(os.dup2, kept, _STDERR)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDERR)
    os.close(nowhere)


_strict = _Held()
_silent = _Held()
