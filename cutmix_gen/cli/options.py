"""What the commands share: their arguments and options, and how they speak."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import Field, asdict, fields
from typing import Any, BinaryIO, TypeVar

import click
from click.shell_completion import CompletionItem

from cutmix_gen.cli.reading import read_lines
from cutmix_gen.cli.wording import option_fields, summary, value_text
from cutmix_gen.codecs import MAX_PIXELS, MOST_PIXELS
from cutmix_gen.config import GenerateConfig
from cutmix_gen.errors import UsageError, did_you_mean
from cutmix_gen.mixing.strategies import STRATEGIES
from cutmix_gen.ranges import JOBS, SEED, Range
from cutmix_gen.storage import Place, parse_place
from cutmix_gen.text import brief, printable_lines

Command = TypeVar("Command", bound=Callable[..., Any])

FOUND_WRONG = 3
"""Exit code of a command that finished, but skipped something or found something wrong."""

PLACE = parse_place
"""Type of an argument that is a folder or a URI."""

SRC = click.argument("source", metavar="SRC", type=PLACE)
OUT = click.argument("output", metavar="OUT", type=PLACE)


def config_options(command: Command) -> Command:
    """Add an option for each field of the configuration that has a help text."""
    for item in reversed(fields(GenerateConfig)):
        if "help" in item.metadata:
            command = _config_option(item)(command)
    return command


_NOT_SEEN = ("format", "copies", "num_samples", "originals", "label_smoothing", "dense_labels", "split", "shard_size")
"""What decides about the bytes of a set, but not about what its mixed images look like."""


def mixing_options(command: Command) -> Command:
    """Add the options of `generate` that decide what mixed images look like."""
    for item in reversed(fields(GenerateConfig)):
        if item.metadata.get("identity") and item.name not in _NOT_SEEN:
            command = _config_option(item)(command)
    return command


def card_options(command: Command) -> Command:
    """Add the options of `generate` that are about the files beside the shards, for whoever closes a set."""
    named = {item.name: item.metadata["help"] for item in fields(GenerateConfig) if "help" in item.metadata}
    license_option = click.option("--license", "license_name", metavar="NAME", default="", help=named["license"])
    return license_option(click.option("--sidecars", is_flag=True, help=named["sidecars"])(command))


def _config_option(item: Field[Any]) -> Callable[[Command], Command]:
    facts, default = item.metadata, item.default
    flag = facts["flag"] or "--" + item.name.replace("_", "-")
    names = [*flag.split("/"), item.name] if flag.startswith("-j") else [flag, item.name]
    settings: dict[str, Any] = {"help": facts["help"], "default": default}
    if isinstance(default, bool):
        settings |= {"is_flag": True, "show_default": "on" if default else False}
    elif facts["choices"]:
        settings |= {"type": NearestChoice(list(facts["choices"])), "show_default": True}
    elif facts["among"]:
        settings |= number_settings(facts["among"], facts["help"], facts["metavar"]) | {"default": default}
    else:
        settings["metavar"] = facts["metavar"]
        settings["type"] = str
        settings["multiple"] = facts["kind"] is tuple
        if facts["metavar"] == "FILE":
            settings |= {"multiple": False, "type": click.File("rb"), "callback": _lines_of, "default": None}
        settings["show_default"] = default not in ((), "")
        settings["shell_complete"] = _COMPLETIONS.get(item.name)
    return click.option(*names, **settings)


def number_option(*names: str, among: Range, text: str, default: int | None = None) -> Callable[[Command], Command]:
    """Add an option that takes a number of a range."""
    return click.option(*names, **number_settings(among, text) | {"default": default})


def number_settings(among: Range, text: str, metavar: str = "INT") -> dict[str, Any]:
    """Return what click makes an option of that takes a number of a range, which its help says."""
    text, gap, default = text.partition("  [")
    return {
        "help": f"{text}  [{among.bounds}]{gap}{default}",
        "metavar": metavar,
        "type": _Number(among),
        "show_default": not default,
    }


class _Number(click.ParamType[float]):
    """A number of a range."""

    name = "number"

    def __init__(self, among: Range) -> None:
        self._among = among

    def convert(self, value: Any, param: click.Parameter | None, _ctx: click.Context | None) -> float:
        """Return the number that a text is; what is wrong with it is said as the configuration says it."""
        try:
            number = int(value) if self._among.whole else float(value)
        except ValueError:
            number = math.nan
        if number not in self._among:
            flag = param.opts[-1] if param else self.name
            raise UsageError(f"{flag} must be {self._among}, but it is '{brief(value)}'.")
        return number


class NearestChoice(click.Choice[str]):
    """A choice that suggests the nearest of its values for a wrong one."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """Return the message."""
        found = brief(value)
        return super().get_invalid_choice_message(found, ctx) + did_you_mean(found, self.choices)


def _complete_strategy(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [
        CompletionItem(name, help=summary(strategy))
        for name, strategy in STRATEGIES.items()
        if name.startswith(incomplete)
    ]


def _complete_mix_option(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the options of the strategies that are chosen, with their defaults."""
    chosen = {name.partition(":")[0] for name in ctx.params.get("strategy") or ("cutmix",)}
    items = [item for name, strategy in STRATEGIES.items() if name in chosen for item in option_fields(strategy)]
    return [
        CompletionItem(f"{item.name}={value_text(item.default)}", help=item.metadata["help"])
        for item in items
        if item.name.startswith(incomplete.partition("=")[0])
    ]


_COMPLETIONS = {"strategy": _complete_strategy, "mix_option": _complete_mix_option}


def _lines_of(ctx: click.Context, param: click.Parameter, file: BinaryIO | None) -> tuple[str, ...]:
    """Return the lines of a file: what it says is part of a run, where it lies is not."""
    if file is None:
        return ()
    with file:
        lines = read_lines(file, param.opts[0])
    if not any(line.strip() for line in lines):
        raise click.BadParameter("the file is empty; it takes lines of class_a,class_b,count.", ctx, param)
    return lines


def jobs_option(command: Command) -> Command:
    """Add --jobs."""
    text = "Processes, of which none is without a task.  [default: usable cores]"
    return number_option("-j", "--jobs", among=JOBS, text=text)(command)


def seed_option(text: str) -> Callable[[Command], Command]:
    """Add --seed."""
    return number_option("--seed", among=SEED, text=text, default=0)


def max_pixels_option(command: Command) -> Command:
    """Add --max-pixels, for whoever decodes images of a set that anybody may have made."""
    text = "An image that claims more pixels is not decoded, whatever the set allows itself."
    return number_option("--max-pixels", among=Range(1, MOST_PIXELS), text=text, default=MAX_PIXELS)(command)


def moved_source(command: Command) -> Command:
    """Add --source, for whoever goes back to the sources of a set."""
    text = "Where the sources are now, if that is not where they were."
    return click.option("--source", metavar="SRC", type=PLACE, callback=_there, help=text)(command)


def _there(_ctx: click.Context, _param: click.Parameter, source: Place | None) -> Place | None:
    if source is not None and not source.is_dir():
        raise click.BadParameter(f"There is no folder {source}.")
    return source


def json_option(command: Command) -> Command:
    """Add --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")(command)


def say(lines: Iterable[str]) -> None:
    """Print lines; no name that stands in them reaches the terminal as more than text."""
    for line in lines:
        click.echo(printable_lines(line))


def print_json(*answers: Any) -> None:
    """Print one JSON object with the fields of all that is given: dataclasses, as `answers` lists them."""
    facts: dict[str, Any] = {}
    for answer in answers:
        facts |= asdict(answer)
    click.echo(json.dumps(facts))
