"""What files of a set say, checked before anything is made of it: a set may come from anywhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import cache
from types import NoneType
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from cutmix_gen.errors import IrregularFileError, SetError
from cutmix_gen.parsing import MOST_BYTES, ParseError, parse_json
from cutmix_gen.seals import is_sealed
from cutmix_gen.storage import Place, read_bytes

T = TypeVar("T")

_WHOLE = 1 << 53
"""Whole numbers are below this: what JSON carries between any two programs (RFC 8259, section 6)."""


def read_sealed(path: Place, *, file_names: bool = False) -> dict[str, Any]:
    """Read the JSON object that a file holds, whose seal tells whether it is what was written.

    Parameters
    ----------
    path : Place
    file_names : bool
        Whether bytes of a file name that are no text may stand in it; see `parse_json`.

    Raises
    ------
    FileNotFoundError
        If there is no file.
    SetError
        If it holds something else, or is damaged.
    """
    data = read_small(path)
    facts = _parsed(path, data, file_names=file_names)
    if not is_sealed(data):
        raise SetError(f"{path} is damaged: it does not have the SHA-256 that stands at its end.")
    del facts["seal"]
    return facts


def read_facts(path: Place) -> dict[str, Any]:
    """Read the same without a look at the seal.

    Raises
    ------
    FileNotFoundError
        If there is no file.
    SetError
        If it holds something else.
    """
    return _parsed(path, read_small(path))


def read_small(path: Place) -> bytes:
    """Read a file that is small in any set.

    Raises
    ------
    FileNotFoundError
        If there is no file.
    SetError
        If there is something else, or a file of more bytes.
    """
    try:
        data = read_bytes(path, MOST_BYTES)
    except IrregularFileError as error:
        raise SetError(f"{path} must be a file that describes a set, but {error}.") from error
    if len(data) > MOST_BYTES:
        raise SetError(f"{path} must hold facts of a set, but it has more than {MOST_BYTES:,} bytes.")
    return data


def _parsed(path: Place, data: bytes, *, file_names: bool = False) -> dict[str, Any]:
    try:
        facts = parse_json(data, file_names=file_names)
    except ParseError as error:
        raise SetError(f"{path} must hold JSON, but it is damaged: {error}.") from error
    if not isinstance(facts, dict):
        raise SetError(f"{path} must hold a JSON object, but it holds a {type(facts).__name__}.")
    return facts


def made_of(kind: type[T], path: Place, facts: dict[str, Any]) -> T:
    """Make a dataclass of what a file holds; a list becomes a tuple where the class wants one."""
    values = dict(facts)
    for name, hint in _hints(cast("Any", kind)).items():
        if name not in values:
            continue
        if not fits(values[name], hint):
            wanted = getattr(get_origin(hint) or hint, "__name__", str(hint))
            raise SetError(f"{path} must have a {wanted} as {name}, but it has {repr(values[name])[:100]}.")
        if get_origin(hint) is tuple:
            values[name] = tuple(values[name])
    try:
        return kind(**values)
    except TypeError as error:
        raise SetError(f"{path} does not hold what this version of cutmix-gen writes there: {error}.") from error


@cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    """Return the types of a class's fields: Python works them out anew each time, in longer than a record takes."""
    return get_type_hints(kind)


def fits(value: Any, hint: Any) -> bool:
    """Tell whether a value of JSON is of a type; numbers are finite, and whole ones neither negative nor huge.

    >>> fits([1, 2], list[int]), fits([1, "2"], list[int]), fits(-1, int), fits(True, int)
    (True, False, False, False)
    """
    check = _CHECKS.get(hint)
    if check is not None:
        return check(value)
    origin, args = get_origin(hint), get_args(hint)
    if origin in (list, tuple):
        return isinstance(value, list | tuple) and _all_fit(value, args[0])
    if origin is dict:
        return isinstance(value, dict) and (args[1] is Any or _all_fit(value.values(), args[1]))
    return isinstance(value, hint)


def _all_fit(values: Iterable[Any], hint: Any) -> bool:
    check = _CHECKS.get(hint)
    return all(map(check, values)) if check else all(fits(each, hint) for each in values)


_CHECKS: dict[Any, Callable[[Any], bool]] = {
    int: lambda value: type(value) is int and 0 <= value < _WHOLE,
    float: lambda value: type(value) in (int, float) and math.isfinite(value),
    bool: lambda value: type(value) is bool,
    str: lambda value: type(value) is str,
    NoneType: lambda value: value is None,
}
