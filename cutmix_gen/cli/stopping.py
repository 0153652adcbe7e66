"""How a command is stopped from outside: once, so that it tidies up; twice, at once."""

from __future__ import annotations

import atexit
import os
import signal
from types import FrameType

from cutmix_gen.errors import InterruptedRunError

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def can_be_stopped() -> None:
    """From now on a signal raises `KeyboardInterrupt`, unless it is ignored as nohup and the shell's & have it."""
    for number in _STOPPING:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)
    atexit.register(_ignore_all)  # the first to be registered is the last to be called


def has_ended() -> None:
    """From now on a first signal comes too late: what the command has to say and its exit code are settled."""
    for number in _STOPPING:
        if signal.getsignal(number) == _interrupt:
            signal.signal(number, _come_too_late)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    _stop_at_next()
    raise KeyboardInterrupt


def _come_too_late(_signal: int, _frame: FrameType | None) -> None:
    _stop_at_next()


def _stop_at_next() -> None:
    for number in _STOPPING:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _stop)


def _ignore_all() -> None:
    """When Python has put its own handlers away, a signal would end the process with another exit code."""
    for number in _STOPPING:
        signal.signal(number, signal.SIG_IGN)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    """End at once when asked a second time; workers end by themselves, and the next run tidies up."""
    os.write(2, b"Interrupted again: stopped at once.\n")
    os._exit(InterruptedRunError.exit_code)
