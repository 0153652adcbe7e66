"""Settings of `generate` in a file: reading TOML or the record of a run, and writing TOML."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from cutmix_gen.cli.reading import read_bytes, read_lines
from cutmix_gen.cli.sections import SECTIONS
from cutmix_gen.config import GenerateConfig
from cutmix_gen.config.option import checked
from cutmix_gen.errors import UsageError, did_you_mean
from cutmix_gen.parsing import ParseError, parse_json, parse_toml
from cutmix_gen.text import brief

_RIVALS = ({"copies", "num_samples", "pairs"}, {"pairs", "pairing"}, {"append", "overwrite"})
"""Options of which one on the command line puts the others of a file out of force."""

_OPTIONS = {item.name: item for item in fields(GenerateConfig) if "help" in item.metadata}


def with_file(ctx: click.Context, options: dict[str, Any], path: Path | None) -> dict[str, Any]:
    """Return the options of a command line, with those of a file where the command line says nothing.

    Raises
    ------
    UsageError
        If the file cannot be read, or holds something that is no option.
    """
    if path is None:
        return options
    given = {name for name in options if ctx.get_parameter_source(name) is not ParameterSource.DEFAULT}
    outdone = given.union(*(group for group in _RIVALS if group & given))
    return options | {name: value for name, value in read_settings(path).items() if name not in outdone}


def read_settings(path: Path) -> dict[str, Any]:
    """Return the settings in a file by the names of the configuration's fields.

    Raises
    ------
    UsageError
        If it is neither TOML nor the record of a run, or a key or a value of it does not fit.
    """
    values: dict[str, Any] = {}
    for key, value in _parse(path).items():
        name = key.replace("-", "_")
        if name not in _OPTIONS:
            hint = did_you_mean(brief(key).replace("_", "-"), map(_key, _OPTIONS))
            raise UsageError(f"{path}: generate has no option '{brief(key)}'.{hint} --print-config shows them all.")
        if name in values:
            raise UsageError(f"{path}: {key} is there twice, with '-' and with '_'.")
        values[name] = _value(path, _OPTIONS[name], value)
    return values


def _parse(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = read_bytes(file, str(path))
        if not data.removeprefix(BOM_UTF8).lstrip().startswith(b"{"):
            return parse_toml(data)
        facts = parse_json(data)
    except ParseError as error:
        raise UsageError(
            f"{path} must be a TOML file with the options of generate, or the record of a run as JSON, but {error}."
        ) from error
    config = facts.get("config")
    if not isinstance(config, dict):
        raise UsageError(f"{path} is no record of a run: it has no 'config'. Give OUT/.cutmix_gen/runs/0001.json.")
    return {name: value for name, value in config.items() if value is not None}


def _value(path: Path, item: Field[Any], value: Any) -> Any:
    """Return a value as the configuration takes it."""
    if item.name == "pairs" and isinstance(value, str):
        value = _lines_of(path, value)
    try:
        return checked(item, value)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def _lines_of(path: Path, name: str) -> tuple[str, ...]:
    """Return the lines of a file that a setting names, from the folder of the settings on if these are no pipe."""
    try:
        with ((path.parent if path.is_file() else Path()) / name).open("rb") as file:
            return read_lines(file, f"The file of pairs {name}")
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: the file of pairs cannot be read: {error}.") from error


def settings_lines(config: GenerateConfig) -> Iterator[str]:
    """Return the lines of a TOML file that holds a configuration, every option with its help."""
    yield "# Options of `cutmix-gen generate`: cutmix-gen generate --config FILE SRC OUT"
    for title, names in SECTIONS.items():
        chosen = [_OPTIONS[name] for name in names if name in _OPTIONS]
        if chosen:
            yield f"\n# {title}"
        for item in chosen:
            yield from _option_lines(item, getattr(config, item.name))


def _option_lines(item: Field[Any], value: Any) -> Iterator[str]:
    choices = item.metadata["choices"]
    among = item.metadata["among"]
    more = f"  One of: {', '.join(choices)}." if choices else f"  [{among.bounds}]" if among else ""
    yield f"\n# {item.metadata['help']}{more}"
    if value is None:
        yield f"# {_key(item.name)} = {item.metadata['metavar']}"
    else:
        yield f"{_key(item.name)} = {toml_text(value)}"


def _key(name: str) -> str:
    return name.replace("_", "-")


def toml_text(value: bool | float | str | tuple[str, ...]) -> str:
    """Return a value as TOML has it.

    >>> toml_text(("cutmix", "patches:2"))
    '["cutmix", "patches:2"]'
    """
    if isinstance(value, tuple):
        return "[" + ", ".join(map(toml_text, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    # JSON's escapes are TOML's, but JSON lets a DEL stand as it is.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f") if isinstance(value, str) else repr(value)
