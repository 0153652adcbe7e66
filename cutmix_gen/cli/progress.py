"""How far a command is: a bar on a terminal, elsewhere a line a minute, or JSON; all of it on standard error."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import pairwise
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Any, Self, TypeVar

import click

from cutmix_gen.text import printable, printable_lines, time_text

Command = TypeVar("Command", bound=Callable[..., Any])

_WINDOW = 60.0
"""Seconds that a rate looks back."""
_FINE = 0.1
"""Seconds between two marks of a rate at least: a look at it takes them all."""
_LINE_EVERY = 60.0
"""Seconds from line to line where there is no terminal."""
_TICK = 1.0
"""Seconds after which a bar is drawn anew though nothing has happened: its times go on."""
_JSON_EVERY = 1.0
"""Seconds from line to line of JSON."""

_PACKAGE = logging.getLogger("cutmix_gen")


def talk_options(command: Command) -> Command:
    """Add --progress and --quiet, which the command gets under these names, and --verbose.

    Of --verbose it need not know.
    """
    verbose = click.option(
        "-v",
        "--verbose",
        is_flag=True,
        expose_value=False,
        callback=_set_level,
        help="Say each step on standard error.",
    )
    quiet = click.option("-q", "--quiet", is_flag=True, help="No summary, and no progress unless it is JSON.")
    progress = click.option(
        "--progress",
        type=click.Choice(["auto", "json", "none"]),
        default="auto",
        show_default=True,
        help="On standard error: a bar or a line a minute, a line of JSON a second, or nothing.",
    )
    return progress(quiet(verbose(command)))


def _set_level(_ctx: click.Context, _param: click.Parameter, verbose: bool) -> None:
    for handler in logging.getLogger().handlers:
        if verbose and isinstance(handler, LogLines):
            handler.setLevel(min(logging.INFO, handler.level))


def show_log(*, debug: bool) -> None:
    """Write what the library warns of, or all that it logs, to standard error."""
    logging.basicConfig(format="%(levelname)s: %(message)s", handlers=[LogLines()])
    logging.getLogger("PIL").setLevel(logging.CRITICAL)  # what is wrong with an image is said once, as its skip
    level = logging.DEBUG if debug else logging.WARNING
    _PACKAGE.setLevel(level)
    for handler in logging.getLogger().handlers:
        if isinstance(handler, LogLines):
            handler.setLevel(level)


class LogLines(logging.Handler):
    """Writes what the library logs above the bar, where there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a message."""
        line = printable_lines(self.format(record))
        if "tqdm" in sys.modules:
            from tqdm import tqdm  # noqa: PLC0415  only where there may be a bar

            tqdm.write(line, file=sys.stderr)
        else:
            click.echo(line, err=True)


class _Steps(logging.Handler):
    """Shows what the library says of its steps as long as there is nothing to count."""

    def __init__(self, progress: Progress) -> None:
        super().__init__(logging.INFO)
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno == logging.INFO:
            self._progress.say(printable(record.getMessage()))


class Rate:
    """Things a second over the last minute.

    Parameters
    ----------
    clock : callable
        Seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._marks = deque([(clock(), 0)])

    def add(self, count: int) -> None:
        """Take note that so many more are done."""
        now = self._clock()
        mark = (now, self._marks[-1][1] + count)
        if len(self._marks) > 1 and now < self._marks[-2][0] + _FINE:
            self._marks[-1] = mark
        else:
            self._marks.append(mark)
        while len(self._marks) > 2 and self._marks[1][0] <= now - _WINDOW:
            self._marks.popleft()

    def per_second(self) -> float:
        """Return the rate, 0 while nothing is known.

        Things come in bursts, a shard at a time. The time since the last one counts only as far as it is longer than
        any pause before, so that the rate neither swings with each burst nor stays when work stands still.
        """
        (first, before), (last, after) = self._marks[0], self._marks[-1]
        longest = max((later - sooner for (sooner, _), (later, _) in pairwise(self._marks)), default=0.0)
        span = max(last - first, self._clock() - first - longest)
        return (after - before) / span if span > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a command is."""

    time: str
    """Now, in UTC: `2026-01-31T12:00:00.000+00:00`."""
    step: str
    """What is done before there is anything to count, in words; empty from then on."""
    unit: str
    """What is counted: samples, shards or checks."""
    done: int
    """How many are done, those that were there before the command among them."""
    of: int | None
    """How many there will be when the command ends; null before that is known."""
    rate: float
    """How many a second, over the last minute."""
    shards: int | None
    """Shards that are done; null where they are not counted."""
    skips: int
    """Source images that were skipped."""
    finished: bool
    """Whether all is done: in the last line, unless the command failed."""


class Progress:
    """What a command is doing: first a step in words (`say`), then how much of it is done (`start`, `advance`).

    A step is also what the library logs as INFO. Use it as a context manager.

    Parameters
    ----------
    unit : str
        What is counted, in the plural.
    form : str
        As `--progress` has it: auto, json or none.
    quiet : bool
        Show nothing but JSON.
    """

    def __init__(self, unit: str, form: str = "auto", *, quiet: bool = False) -> None:
        self._unit = unit
        self._view: _Bar | _Minutes | _JsonLines | None = None
        if form == "json":
            self._view = _JsonLines(self._standing)
        elif form == "auto" and not quiet:
            self._view = _Bar() if sys.stderr.isatty() else _Minutes()
        self.shards: int | None = None
        """Shards that are done, where these are counted beside something else."""
        self.skips = 0
        self._step = ""
        self._note = ""
        self._since = time.monotonic()
        self._total: int | None = None
        self._done = 0
        self._rate = Rate()
        self._lock = Lock()
        self._stop = Event()
        self._ticker = Thread(target=self._tick, daemon=True)
        self._steps = _Steps(self)
        self._level = _PACKAGE.level

    def __enter__(self) -> Self:
        _PACKAGE.addHandler(self._steps)
        _PACKAGE.setLevel(min(logging.INFO, self._level))
        if self._view:
            self._ticker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        _PACKAGE.removeHandler(self._steps)
        _PACKAGE.setLevel(self._level)
        self._stop.set()
        if self._view:
            self._ticker.join()
            self._view.close(finished=kind is None)

    def say(self, step: str) -> None:
        """Show what is being done, as long as nothing is counted."""
        if self._total is None:
            self._step, self._since = step.rstrip("."), time.monotonic()
            self._show()

    def start(self, total: int, done: int = 0, note: str = "") -> None:
        """Begin to count, where some are done already."""
        self._total, self._done, self._note, self._rate = total, done, note, Rate()
        self._since = time.monotonic()
        self._show()

    def advance(self, count: int, note: str = "") -> None:
        """Take note that so many more are done; the note stands at the end of the line."""
        with self._lock:  # the ticker looks at the rate too
            self._done += count
            self._note = note
            self._rate.add(count)
        self._show()

    def _show(self) -> None:
        if self._view:
            with self._lock:
                self._view.show(self._text(), self._done, self._total)

    def _text(self) -> str:
        gone = time_text(time.monotonic() - self._since, whole=True)
        if self._total is None:
            return f"{self._step} ({gone})" if self._step else ""
        rate = self._rate.per_second()
        parts = [f"{self._done:,}/{self._total:,} {self._unit}"]
        if rate:
            parts.append(f"{rate:,.0f} {self._unit}/s" if rate >= 10 else f"{rate:.2g} {self._unit}/s")
        if self._done < self._total:
            left = f"{time_text((self._total - self._done) / rate, whole=True)} left" if rate else f"{gone} so far"
            parts.append(left)
        return ", ".join([*parts, *filter(None, [self._note])])

    def _standing(self, *, finished: bool) -> Standing:
        is_counting = self._total is not None
        return Standing(
            time=datetime.now(UTC).isoformat(timespec="milliseconds"),
            step="" if is_counting else self._step,
            unit=self._unit,
            done=self._done,
            of=self._total,
            rate=round(self._rate.per_second(), 3) if is_counting else 0.0,
            shards=self._done if self._unit == "shards" else self.shards,
            skips=self.skips,
            finished=finished,
        )

    def _tick(self) -> None:
        while not self._stop.wait(_TICK):
            self._show()


class _Bar:
    """On a terminal: a line that is drawn again and again."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._total: int | None = None

    def show(self, text: str, done: int, total: int | None) -> None:
        from tqdm import tqdm  # noqa: PLC0415  `--help` takes none of it

        if self._bar is not None and self._total != total:
            self.close(finished=True)
        if self._bar is None:
            shape = "{desc}" if total is None else "{percentage:3.0f}% |{bar}| {desc}"
            keeps = total is not None
            self._bar = tqdm(total=total, desc=text, initial=done, bar_format=shape, leave=keeps, dynamic_ncols=True)
            self._total = total
        self._bar.n = done
        self._bar.set_description_str(text)

    def close(self, *, finished: bool) -> None:  # noqa: ARG002  it stands as it is
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class _Minutes:
    """Elsewhere: a line each minute, so that a short run writes none."""

    def __init__(self) -> None:
        self._next = time.monotonic() + _LINE_EVERY

    def show(self, text: str, done: int, total: int | None) -> None:
        if time.monotonic() >= self._next and text:
            self._next = time.monotonic() + _LINE_EVERY
            share = f"{100 * done / total:.0f}% " if total else ""
            click.echo(f"{time.strftime('%H:%M')} {share}{text}", err=True)

    def close(self, *, finished: bool) -> None:
        pass


class _JsonLines:
    """A line of JSON each second, and a last one."""

    def __init__(self, standing: Callable[..., Standing]) -> None:
        self._standing = standing
        self._next = time.monotonic()

    def show(self, _text: str, _done: int, _total: int | None) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _JSON_EVERY
            self._say(finished=False)

    def close(self, *, finished: bool) -> None:
        self._say(finished=finished)

    def _say(self, *, finished: bool) -> None:
        click.echo(json.dumps(asdict(self._standing(finished=finished))), err=True)
