"""What an error says to a person: one message with a cause and a remedy, whatever raised it."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

import click

from cutmix_gen.cli.streams import not_printed
from cutmix_gen.errors import CutMixGenError, StorageError
from cutmix_gen.machine import lack_of
from cutmix_gen.storage import remedy_for

_LOCKED = "Make it, and the folder that it lies in, readable and writable for you"


def explained(error: Exception) -> Exception:
    """Return what is behind an error that is none of this program's own; or the error itself."""
    if isinstance(error, CutMixGenError):
        return error
    if isinstance(error, OSError) and _was_printing(error):
        return not_printed(error)
    return lack_of(error) or error


def text_of(error: Exception) -> str:
    """Return what to tell of an error."""
    if isinstance(error, OSError) and not isinstance(error, StorageError) and error.errno:
        return _of_system(error, error.errno)
    if isinstance(error, CutMixGenError | OSError):
        return str(error)
    return f"{type(error).__name__}: {error} (a bug of cutmix-gen; --debug shows where)"


def _of_system(error: OSError, number: int) -> str:
    if isinstance(error, FileNotFoundError) and error.filename is None and _is_nowhere():
        return "The folder that the command was given in is gone. Change into one that exists: cd ..."
    reason = (error.strerror or os.strerror(number)).rstrip(".")
    if "temporary directory" in reason:  # as `tempfile` says it
        return f"{reason}. Give a folder that can be written to: TMPDIR=..."
    if error.filename is None:
        return f"The system refused what the work takes: {reason}. Give the same command again; --debug shows where."
    what = error.filename if isinstance(error.filename, int) else os.fsdecode(error.filename)
    remedy = _LOCKED if isinstance(error, PermissionError) else remedy_for(number)
    return f"{what} must be in reach, but that failed: {reason.lower()}. {remedy}, and give the same command again."


def _was_printing(error: OSError) -> bool:
    last = traceback.extract_tb(error.__traceback__)[-1:]
    return bool(last) and last[0].filename == click.utils.__file__


def _is_nowhere() -> bool:
    try:
        Path.cwd()
    except FileNotFoundError:
        return True
    return False
