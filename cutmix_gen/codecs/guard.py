"""Pillow as this program wants it, whatever else the process has set: strict, silent, with one limit of pixels."""

from __future__ import annotations

import os
import re
import threading
import warnings
from collections.abc import Callable
from contextlib import ExitStack

from PIL import Image, ImageFile

from cutmix_gen.errors import ImageError

_NUMBER = re.compile(r"\d+")
_TIFF = (b"II", b"MM")
_STDERR = 2


class guarded:  # noqa: N801  used as a function; as a generator it would take twice the time
    """Open and decode a file strictly: nothing beyond the limit, nothing truncated, no word about it.

    Pillow's warnings are left out, which someone may have turned into errors, and what libtiff writes to standard
    error by itself.

    Parameters
    ----------
    data : bytes
        What the file begins with, or all of it.
    max_pixels : int

    Raises
    ------
    ImageError
        If Pillow is asked for more pixels than the limit, before it takes memory for them.
    """

    __slots__ = ("_is_tiff", "_max_pixels")

    def __init__(self, data: bytes, max_pixels: int) -> None:
        self._is_tiff = data.startswith(_TIFF)
        self._max_pixels = max_pixels

    def __enter__(self) -> None:
        _strict.enter(self._max_pixels)
        if self._is_tiff:
            _silent.enter(0)

    def __exit__(self, _kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if self._is_tiff:
            _silent.leave()
        _strict.leave()
        if isinstance(error, Image.DecompressionBombError):
            found = _NUMBER.search(str(error))
            raise too_large(int(found[0]) if found else self._max_pixels + 1, self._max_pixels) from error


def too_large(pixels: int, max_pixels: int) -> ImageError:
    """Return the error of an image beyond the limit."""
    return ImageError(f"its header claims {pixels:,} pixels, more than --max-pixels allows ({max_pixels:,})")


class _Held:
    """A state of the whole process that holds while at least one thread wants it; of several numbers the largest does.

    Parameters
    ----------
    begin : callable
        Brings the state about, told a number, and adds to the stack what undoes it.
    """

    def __init__(self, begin: Callable[[int, ExitStack], None]) -> None:
        self._begin = begin
        self._lock = threading.Lock()
        self._users = 0
        self._number = 0
        self._undo = ExitStack()
        os.register_at_fork(after_in_child=self._forget)

    def enter(self, number: int) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1 or number > self._number:
                self._number = number
                self._begin(number, self._undo)

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                self._undo.close()

    def _forget(self) -> None:
        """In the child of a fork: the threads that wanted it are not here."""
        self._lock = threading.Lock()
        self._users = 0
        self._undo.close()


def _be_strict(max_pixels: int, undo: ExitStack) -> None:
    undo.callback(_set_pillow, Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
    _set_pillow(-(-max_pixels // 2), False)  # Pillow refuses from twice this number on
    undo.enter_context(warnings.catch_warnings())
    warnings.simplefilter("ignore")


def _set_pillow(max_pixels: int | None, load_truncated: bool) -> None:
    Image.MAX_IMAGE_PIXELS = max_pixels
    ImageFile.LOAD_TRUNCATED_IMAGES = load_truncated


def _be_silent(_number: int, undo: ExitStack) -> None:
    try:
        kept = os.dup(_STDERR)
    except OSError:
        return  # standard error is closed: there is nothing to be heard
    undo.callback(os.close, kept)
    undo.callback(os.dup2, kept, _STDERR)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDERR)
    os.close(nowhere)


_strict = _Held(_be_strict)
_silent = _Held(_be_silent)
