"""Settings of `generate` in a file: reading TOML or the record of a run, and writing TOML."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from cutmix_gen.cli.sections import SECTIONS
from cutmix_gen.config import GenerateConfig
from cutmix_gen.errors import UsageError, did_you_mean

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
            hint = did_you_mean(key.replace("_", "-"), map(_key, _OPTIONS))
            raise UsageError(f"{path}: generate has no option '{key}'.{hint} --print-config shows them all.")
        if name in values:
            raise UsageError(f"{path}: {key} is there twice, with '-' and with '_'.")
        values[name] = _value(path, key, _OPTIONS[name], value)
    return values


def _parse(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        if not text.lstrip().startswith("{"):
            return tomllib.loads(text)
        facts = json.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} must be a TOML file with the options of generate: {error}.") from error
    except ValueError as error:
        raise UsageError(f"{path} must be TOML, or the record of a run as JSON: {error}.") from error
    if not isinstance(facts.get("config"), dict):
        raise UsageError(f"{path} is no record of a run: it has no 'config'. Give OUT/.cutmix_gen/runs/0001.json.")
    return {name: value for name, value in facts["config"].items() if value is not None}


def _value(path: Path, key: str, item: Field[Any], value: Any) -> Any:
    """Return a value as the configuration takes it."""
    kind, choices = str(item.type).removesuffix(" | None"), item.metadata["choices"]
    if kind == "str" and type(value) is int:
        value = str(value)  # size = 224
    fits, expected = {
        "str": (isinstance(value, str), 'text in quotes, like "..."'),
        "int": (type(value) is int, "a whole number"),
        "float": (type(value) in (int, float), "a number"),
        "bool": (type(value) is bool, "true or false"),
        "tuple[str, ...]": (_is_texts(value), 'text in quotes, or a list of such, like ["...", "..."]'),
    }[kind]
    if not fits:
        raise UsageError(f"{path}: {key} must be {expected}, but it is {json.dumps(value, default=str)}.")
    if choices and value not in choices:
        hint = did_you_mean(value, choices)
        raise UsageError(f"{path}: {key} must be one of {', '.join(choices)}, but it is '{value}'.{hint}")
    return _lines_of(path, value) if item.name == "pairs" and isinstance(value, str) else value


def _is_texts(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(each, str) for each in value))


def _lines_of(path: Path, name: str) -> list[str]:
    """Return the lines of a file that a setting names, from the folder of the settings on."""
    try:
        return (path.parent / name).read_text(encoding="utf-8-sig").splitlines()
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
    yield f"\n# {item.metadata['help']}{' One of: ' + ', '.join(choices) + '.' if choices else ''}"
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
