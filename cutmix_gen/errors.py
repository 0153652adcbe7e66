"""The errors of this program: one base class, and a subclass for each exit code that a command can end with."""

from __future__ import annotations

from collections.abc import Iterable


class CutMixGenError(Exception):
    """Base of all errors that this program raises on purpose.

    Its text is one message for a person: what was expected, what was found, where, and what to do.
    """

    exit_code = 1


class UsageError(CutMixGenError):
    """The command or the configuration asks for something that does not exist or does not fit together."""

    exit_code = 2


class SourceError(CutMixGenError):
    """The folder of source images is not laid out as it has to be."""

    exit_code = 2


class ImageError(CutMixGenError):
    """One image cannot be read; the run goes on without it and counts it."""


class RecipeError(CutMixGenError):
    """A sample's recipe cannot be followed."""


class SetError(CutMixGenError):
    """The output folder holds something else than what the command expects, or is damaged."""


class SelectionError(SetError, IndexError):
    """A run or a copy is asked for that the set does not have; also an `IndexError`, as for a sample beyond the end."""


class OutputError(CutMixGenError):
    """A file of the set cannot be written: a full disk, a folder that is read-only or gone."""


class TooManyFailuresError(CutMixGenError):
    """More sources turned out unreadable than `--max-failures` allows."""


class WorkerError(CutMixGenError):
    """Worker processes keep dying."""


class MachineError(CutMixGenError):
    """Memory or open files are lacking on this machine: it stops the run, and is never a fault of a file."""


class StorageError(OSError):
    """A store cannot be reached, or refuses; however often it was tried.

    No `CutMixGenError`: another machine may have more luck, and it is never the fault of one image.
    """


class IrregularFileError(OSError):
    """Where a file should be is a pipe, a device, a socket, a folder, or a link that leads nowhere."""


class InterruptedRunError(CutMixGenError):
    """The run was stopped from outside; what is committed stays, and the same command goes on from there."""

    exit_code = 130


def did_you_mean(name: str, names: Iterable[str], most: int = 1) -> str:
    """Return a sentence that suggests the nearest of some names, to go on a message with; empty if none is near.

    Capitals or not, it is the same.

    >>> did_you_mean("cutmixx", ["cutmix", "mixup"])
    " Did you mean 'cutmix'?"
    >>> did_you_mean("CAT", ["cat", "dog"])
    " Did you mean 'cat'?"
    """
    import difflib  # noqa: PLC0415  only for messages

    by_lower = {each.lower(): each for each in names}
    near = [f"'{by_lower[each]}'" for each in difflib.get_close_matches(name.lower(), by_lower, most)]
    return f" Did you mean {' or '.join(near)}?" if near else ""
