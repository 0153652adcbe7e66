"""The command line: options to a configuration, a call, words and an exit code. Nothing below here prints or exits."""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from io import TextIOWrapper
from types import FrameType
from typing import Any, cast

import click

from cutmix_gen.cli.progress import show_log
from cutmix_gen.errors import CutMixGenError, InterruptedRunError, did_you_mean
from cutmix_gen.machine import lack_of
from cutmix_gen.storage import hide_passwords, hide_secrets
from cutmix_gen.text import brief, printable_lines
from cutmix_gen.version import __version__

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_STDOUT, _STDERR = 1, 2
_NOBODY_READS = 128 + signal.SIGPIPE
"""Exit code as a shell has it of a program that ends because nobody reads any more what it prints."""
_GOES_ON = " What is committed stays; the same command goes on from there."
_COMMANDS = (
    *("generate", "preview", "grid", "info", "report", "verify", "replay", "loader", "strategies"),
    *("finalize", "convert", "export", "completion"),
)
"""The commands, in the order of the help text; each is `command` in the module of its name."""


class _Group(click.Group):
    """All commands, each in a module of its own; this program's errors become one message and an exit code."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Name the commands in the order in which people meet them."""
        return list(_COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command when it is asked for: none pays for what another one imports."""
        if cmd_name not in _COMMANDS:
            return None
        return cast(click.Command, import_module(f"cutmix_gen.cli.{cmd_name}").command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the first sentence of each command's help, whole."""
        commands = [(name, self.get_command(ctx, name)) for name in _COMMANDS]
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.get_short_help_str(limit=1000)) for name, each in commands if each])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or suggest the nearest one."""
        name = args[0]
        if name not in _COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            ctx.fail(f"There is no command '{brief(name)}'.{did_you_mean(brief(name), _COMMANDS)}")
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the options before the command; --help and --version print."""
        try:
            with _leaving_quietly():
                return super().parse_args(ctx, args)
        except click.ClickException as error:
            _drop_what_is_unread()
            _hide_secrets_of(error)
            raise

    def invoke(self, ctx: click.Context) -> Any:
        for number in _STOPPING:
            if signal.getsignal(number) != signal.SIG_IGN:  # as nohup and the shell's & have it
                signal.signal(number, _interrupt)
        try:
            with _leaving_quietly():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            if ctx.params["debug"]:
                raise
            goes_on = _GOES_ON if ctx.invoked_subcommand == "generate" else ""
            _fail(InterruptedRunError(f"Interrupted.{goes_on}"))
        except (click.ClickException, click.exceptions.Exit, click.Abort) as error:
            _drop_what_is_unread()
            if isinstance(error, click.ClickException):
                _hide_secrets_of(error)
            raise
        except Exception as error:
            if ctx.params["debug"]:
                raise
            _fail(error)


def _hide_secrets_of(error: click.ClickException) -> None:
    """Keep click from repeating what was meant for a URI and came to another place of the command."""
    error.message = hide_secrets(error.message)  # type: ignore[misc]  # a new error would lose its kind and its context


@contextmanager
def _leaving_quietly() -> Iterator[None]:
    """End without a word where nobody reads any more, as after `| head -1`."""
    try:
        yield
    except BrokenPipeError:
        if not _drop_what_is_unread():  # it is the pipe to a worker or to a server that is broken
            raise
        sys.exit(_NOBODY_READS)


def _drop_what_is_unread() -> bool:
    """Send what nobody reads nowhere, what waits to be written too; return whether there is such a stream."""
    unread = [stream for stream in (_STDOUT, _STDERR) if not _is_read(stream)]
    if unread:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in unread:
            os.dup2(nowhere, stream)
    return bool(unread)


def _is_read(stream: int) -> bool:
    poll = select.poll()
    poll.register(stream, 0)
    return not any(state & (select.POLLERR | select.POLLHUP) for _, state in poll.poll(0))


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    for number in _STOPPING:
        signal.signal(number, _stop)
    raise KeyboardInterrupt


def _stop(_signal: int, _frame: FrameType | None) -> None:
    """End at once when asked a second time; workers end by themselves, and the next run tidies up."""
    os.write(2, b"Interrupted again: stopped at once.\n")
    os._exit(InterruptedRunError.exit_code)


def _fail(error: Exception) -> None:
    _drop_what_is_unread()  # the exit code says it all the same
    error = lack_of(error) or error
    click.secho("Error: ", fg="red", bold=True, err=True, nl=False)
    if isinstance(error, CutMixGenError | OSError):
        click.echo(printable_lines(hide_passwords(str(error))), err=True)
    else:
        text = f"{type(error).__name__}: {error} (a bug of cutmix-gen; --debug shows where)"
        click.echo(printable_lines(hide_passwords(text)), err=True)
    sys.exit(error.exit_code if isinstance(error, CutMixGenError) else 1)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="cutmix-gen")
@click.option("--debug", is_flag=True, help="Show where an error came from.")
def main(debug: bool) -> None:
    """Add CutMix samples with exact soft labels to an image data set, in shards that any loader reads.

    \b
    Example:
      cutmix-gen generate photos/train out --copies 4 --size 224
      cutmix-gen info out
    """
    show_log(debug=debug)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # any name can be said on any terminal
    if os.environ.get("NO_COLOR"):
        click.get_current_context().color = False
