"""How the options of `generate` are declared, each once, and how a value of one is checked."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import Field, field
from typing import Any

from cutmix_gen.errors import UsageError, did_you_mean
from cutmix_gen.ranges import SAMPLES, Range
from cutmix_gen.text import brief


def option(  # noqa: PLR0913  a declaration reads better flat
    default: Any,
    text: str,
    *,
    choices: Collection[str] | None = None,
    among: Range | None = None,
    metavar: str | None = None,
    flag: str | None = None,
    identity: bool = True,
) -> Any:
    """Declare an option as a field of a dataclass: the command line and the file of settings follow from it.

    Parameters
    ----------
    default : bool, int, float, str or tuple of str
        None for an option that need not have a value.
    text : str
        For its help.
    choices : collection of str, optional
        All values of a text.
    among : Range, optional
        All values of a number.
    metavar : str, optional
        What stands for its value in its help.
    flag : str, optional
        Its names on the command line, where the name of the field does not say them.
    identity : bool
        Whether it decides about the bytes of a set: then the digest of a configuration takes it in.
    """
    metadata = {
        "help": text,
        "kind": float if among else str if default is None else type(default),
        "choices": choices,
        "among": among,
        "metavar": metavar,
        "flag": flag,
        "identity": identity,
    }
    return field(default=default, metadata=metadata)


def flag_of(name: str) -> str:
    """Return an option as it stands on a command line."""
    return "--" + name.replace("_", "-")


def checked(item: Field[Any], value: Any) -> Any:
    """Return a value of an option in its one form.

    Raises
    ------
    UsageError
        If it is none that the option may have.
    """
    flag, kind = flag_of(item.name), item.metadata["kind"]
    among, choices = item.metadata["among"], item.metadata["choices"]
    if value is None and item.default is None:
        return None
    if among is not None:
        if value not in among:
            raise UsageError(f"{flag} must be {among}, but it is {_found(value)}.")
        return value if among.whole else float(value)  # 1 and 1.0 are one identity
    if kind is bool:
        if not isinstance(value, bool):
            raise UsageError(f"{flag} must be true or false, but it is {_found(value)}.")
        return value
    if kind is tuple:
        return _texts(flag, (value,) if isinstance(value, str) else value)
    if value in SAMPLES:
        value = str(value)  # size = 224
    if not isinstance(value, str):
        raise UsageError(f"{flag} must be text, but it is {_found(value)}.")
    if choices and value not in choices:
        hint = did_you_mean(brief(value), choices)
        raise UsageError(f"{flag} must be one of {', '.join(choices)}, but it is {_found(value)}.{hint}")
    return value


def _found(value: Any) -> str:
    return f"'{brief(value)}'" if isinstance(value, str) else brief(value)


def _texts(flag: str, values: Any) -> tuple[str, ...]:
    if not isinstance(values, tuple | list) or not all(isinstance(value, str) for value in values):
        raise UsageError(f"{flag} must be text or a list of texts, but it is {_found(values)}.")
    return tuple(values)
