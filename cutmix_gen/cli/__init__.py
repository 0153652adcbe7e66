"""The command line: options to a configuration, a call, words and an exit code. Nothing below here prints or exits."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn, cast

import click

from cutmix_gen.cli.failure import explained, text_of
from cutmix_gen.cli.progress import show_log
from cutmix_gen.cli.stopping import can_be_stopped, has_ended
from cutmix_gen.cli.streams import check_output, drop_what_is_unread, leaving_quietly, open_streams
from cutmix_gen.errors import CutMixGenError, InterruptedRunError, did_you_mean
from cutmix_gen.storage import hide_passwords, hide_secrets
from cutmix_gen.text import brief, brief_words, printable_lines
from cutmix_gen.version import __version__

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

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the program; whichever of its streams are closed."""
        open_streams()
        return super().main(*args, **kwargs)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the options before the command; --help and --version print."""
        try:
            with leaving_quietly():
                return super().parse_args(ctx, args)
        except click.ClickException as error:
            drop_what_is_unread()
            _hide_secrets_of(error)
            raise
        except OSError as error:
            _fail(error)

    def invoke(self, ctx: click.Context) -> Any:
        can_be_stopped()
        try:
            with leaving_quietly():
                result = super().invoke(ctx)
                check_output()
                has_ended()
                return result
        except KeyboardInterrupt:
            if ctx.params["debug"]:
                raise
            goes_on = _GOES_ON if ctx.invoked_subcommand == "generate" else ""
            _fail(InterruptedRunError(f"Interrupted.{goes_on}"))
        except (click.ClickException, click.exceptions.Exit, click.Abort) as error:
            drop_what_is_unread()
            if isinstance(error, click.ClickException):
                _hide_secrets_of(error)
            raise
        except Exception as error:
            if ctx.params["debug"]:
                raise
            _fail(error)


def _hide_secrets_of(error: click.ClickException) -> None:
    """Keep click from repeating what was meant for a URI and came to another place of the command."""
    error.message = hide_secrets(brief_words(error.message))  # type: ignore[misc]  # a new error would lose its kind and its context


def _fail(error: Exception) -> NoReturn:
    """Say what is wrong, and end."""
    has_ended()
    drop_what_is_unread()  # the exit code says it all the same
    error = explained(error)
    with suppress(OSError):  # as on a full disk
        click.secho("Error: ", fg="red", bold=True, err=True, nl=False)
        click.echo(printable_lines(hide_passwords(brief_words(text_of(error)))), err=True)
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
    if os.environ.get("NO_COLOR"):
        click.get_current_context().color = False
