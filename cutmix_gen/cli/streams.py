"""Standard input, output and error, whatever whoever starts the program has made of them."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from signal import SIGPIPE

from cutmix_gen.errors import OutputError
from cutmix_gen.storage import writing

_STDOUT, _STDERR = 1, 2
_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))
_NOBODY_READS = 128 + SIGPIPE
"""Exit code as a shell has it of a program that ends because nobody reads any more what it prints."""


def open_streams() -> None:
    """Open what is closed, so that it leads nowhere, and let every name be said.

    Else the next file that is opened would be standard output or error, and get what is meant for people.
    """
    for number, (name, mode) in enumerate(_STREAMS):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free: this one
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # any name can be said on any terminal


@contextmanager
def leaving_quietly() -> Iterator[None]:
    """End without a word where nobody reads any more, as after `| head -1`."""
    try:
        yield
    except BrokenPipeError:
        if not drop_what_is_unread():  # it is the pipe to a worker or to a server that is broken
            raise
        sys.exit(_NOBODY_READS)


def drop_what_is_unread() -> bool:
    """Send what nobody reads nowhere, what waits to be written too; return whether there is such a stream."""
    unread = [stream for stream in (_STDOUT, _STDERR) if not _is_read(stream)]
    for stream in unread:
        _send_nowhere(stream)
    return bool(unread)


def _send_nowhere(stream: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream)
    os.close(nowhere)


def check_output() -> None:
    """Raise `OutputError` if what was printed did not get where it should, as on a full disk."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise not_printed(error) from error


def not_printed(error: OSError) -> OutputError:
    """Return why standard output cannot be written to, and send what waits nowhere."""
    _send_nowhere(_STDOUT)
    try:
        with writing("Standard output"):
            raise error
    except OutputError as explained:
        return explained


def _is_read(stream: int) -> bool:
    poll = select.poll()
    poll.register(stream, 0)
    return not any(state & (select.POLLERR | select.POLLHUP) for _, state in poll.poll(0))
