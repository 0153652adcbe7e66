"""`cutmix-gen completion`: what a shell needs to complete commands."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from cutmix_gen.cli.options import NearestChoice


@click.command("completion")
@click.argument("shell", type=NearestChoice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print a script that completes commands, options and their values in a shell: bash, zsh or fish.

    \b
    Example:
      cutmix-gen completion bash >> ~/.bashrc
      cutmix-gen completion fish > ~/.config/fish/completions/cutmix-gen.fish
    """
    completion = get_completion_class(shell)
    if completion is None:
        raise click.UsageError(f"This release of click completes nothing in {shell}.")
    root = click.get_current_context().find_root()
    click.echo(completion(root.command, {}, "cutmix-gen", "_CUTMIX_GEN_COMPLETE").source())
