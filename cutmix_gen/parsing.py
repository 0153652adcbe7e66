"""JSON and TOML from outside, parsed within bounds or refused in words: few bytes must take neither memory nor time."""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Callable, Iterable
from types import NoneType
from typing import Any, get_args, get_origin

MOST_BYTES = 64 << 20
"""Of JSON: names of a million classes are less. What is made of a text takes some ten times its size."""
MOST_TOML_BYTES = 1 << 20
"""All options of `generate` with their help are a hundredth of it."""
MOST_DEPTH = 32
"""Levels of lists and objects; nothing that this program reads has more than five."""
MOST_CONTAINERS = 1_000_000
"""Lists and objects, of which each takes some hundred bytes, and two characters to write."""
MOST_DIGITS = 32
"""Digits in a row of a number: the shortest text of any 64-bit float or integer has fewer."""

_BOM = b"\xef\xbb\xbf"


class ParseError(ValueError):
    """A text is no JSON or TOML that this program takes; the message says what is wrong with it, not where it lies."""


def parse_json(data: bytes | str, most_bytes: int = MOST_BYTES, *, file_names: bool = False) -> Any:
    """Return what JSON in UTF-8 says.

    Parameters
    ----------
    data : bytes or str
    most_bytes : int
        Larger texts are refused unread.
    file_names : bool
        Let bytes of a file name that are no text stand as Python has them (PEP 383).

    Raises
    ------
    ParseError
        If it is no JSON, or is larger or deeper than anything that this program reads; for numbers that are none or of
        too many digits, and for halves of a character.

    Examples
    --------
    >>> parse_json(b'{"lam": 0.25}')
    {'lam': 0.25}
    >>> parse_json(b"[1e400]")
    Traceback (most recent call last):
        ...
    cutmix_gen.parsing.ParseError: it has the number 1e400, which is beyond any 64-bit float
    """
    data, text = _both(data, most_bytes)
    containers = data.count(b"[") + data.count(b"{")
    if containers > MOST_CONTAINERS:
        raise ParseError(f"it has {containers:,} opening brackets, the most is {MOST_CONTAINERS:,}")
    decoder = _CAREFUL if _has_odd_numbers(data) else _QUICK
    try:
        value = decoder.decode(text)
    except ParseError:
        raise
    except ValueError as error:
        raise ParseError(f"it is no JSON: {error}") from error
    except RecursionError:
        raise ParseError(f"it nests deeper than {MOST_DEPTH} levels") from None
    if containers > MOST_DEPTH:
        _check_depth(value)
    if b"\\u" in data and _HALF.search(data):
        _check_halves(value, file_names=file_names)
    return value


def parse_toml(data: bytes | str, most_bytes: int = MOST_TOML_BYTES) -> dict[str, Any]:
    """Return what TOML in UTF-8 says; for the bounds see `parse_json`.

    Raises
    ------
    ParseError
        If it is no TOML, or beyond the bounds.

    Examples
    --------
    >>> parse_toml("copies = 2")
    {'copies': 2}
    """
    _, text = _both(data, most_bytes)
    if _LONG_KEY.search(text):  # which takes tomllib the square of its length
        raise ParseError(f"it nests deeper than {MOST_DEPTH} levels")
    try:
        facts = tomllib.loads(text)
    except RecursionError:
        raise ParseError(f"it nests deeper than {MOST_DEPTH} levels") from None
    except ValueError as error:
        raise ParseError(f"it is no TOML: {error}") from error
    _check_depth(facts)
    _check_numbers(facts)
    return facts


def _both(data: bytes | str, most_bytes: int) -> tuple[bytes, str]:
    """Return a text with and without its encoding."""
    if len(data) > most_bytes:
        raise ParseError(f"it has {len(data):,} bytes, the most is {most_bytes:,}")
    try:
        if isinstance(data, str):
            return data.encode(), data
        data = data.removeprefix(_BOM)
        return data, data.decode()
    except UnicodeEncodeError:
        raise ParseError("it has half a character (a lone surrogate), which is no text") from None
    except UnicodeDecodeError as error:
        raise ParseError(f"it is no UTF-8: byte 0x{data[error.start]:02x} at {error.start:,}") from None


def _shape_of(byte: int) -> int:
    """Return what stands for a byte where only numbers matter: digit, exponent, what may end a number, or the rest."""
    if byte in b"0123456789":
        return ord("0")
    return ord("e") if byte in b"eE" else ord(",") if byte in b",]} \t\r\n" else ord(" ")


_SHAPES = bytes(map(_shape_of, range(256)))
_MANY_DIGITS = b"0" * (MOST_DIGITS + 1)
_EXPONENT = b"0e000"
_LARGE_EXPONENT = re.compile(rb"0e0000*(?:,|\Z)")


def _has_odd_numbers(data: bytes) -> bool:
    """Tell whether there may be a number of many digits, or beyond a float: a quick look, as nearly no text has any."""
    shapes = data.translate(_SHAPES, b"+")
    return _MANY_DIGITS in shapes or (_EXPONENT in shapes and _LARGE_EXPONENT.search(shapes) is not None)


_DIGITS = re.compile(rf"\d{{{MOST_DIGITS + 1},}}")


def _checked_digits(text: str) -> str:
    match = _DIGITS.search(text)
    if match:
        raise ParseError(f"it has a number of {len(match[0]):,} digits, the most is {MOST_DIGITS}")
    return text


def _integer(text: str) -> int:
    return int(_checked_digits(text))


def _float(text: str) -> float:
    number = float(_checked_digits(text))
    if not math.isfinite(number):
        raise ParseError(f"it has the number {text}, which is beyond any 64-bit float")
    return number


def _no_number(name: str) -> float:
    raise ParseError(f"it has {name}, which is no number of JSON")


_QUICK = json.JSONDecoder(parse_constant=_no_number)
_CAREFUL = json.JSONDecoder(parse_constant=_no_number, parse_int=_integer, parse_float=_float)
"""Calls a function of Python for each number."""

_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
"""Half a character as JSON writes it; most often the other half follows."""


def _check_halves(value: Any, *, file_names: bool) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode(errors="surrogateescape" if file_names else "strict")
    except UnicodeEncodeError:
        raise ParseError("it has half a character (a lone surrogate), which is no text") from None


def _check_depth(value: Any) -> None:
    level, depth = [value], 0
    while level:
        if depth == MOST_DEPTH:
            raise ParseError(f"it nests deeper than {MOST_DEPTH} levels")
        level = [each for outer in level for each in _inside(outer) if isinstance(each, dict | list)]
        depth += 1


def _check_numbers(value: Any) -> None:
    """Raise `ParseError` for a number of TOML that JSON could not have either."""
    for each in _inside(value):
        if isinstance(each, float) and not math.isfinite(each):
            raise ParseError(f"it has {each}, or a number beyond any 64-bit float")
        if isinstance(each, int) and abs(each) >= 10**MOST_DIGITS:
            raise ParseError(f"it has a number of more than {MOST_DIGITS} digits")
        _check_numbers(each)


def _inside(value: Any) -> Any:
    """Return what a list or an object holds."""
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


_PART = r"""(?:[\w-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')"""
_LONG_KEY = re.compile(rf"(?<![\w-])(?:{_PART}[ \t]*+\.[ \t]*+){{{MOST_DEPTH}}}")
"""A dotted key of many parts, bare or in quotes."""

_WHOLE = 1 << 53
"""Whole numbers are below this: what JSON carries between any two programs (RFC 8259, section 6)."""


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
