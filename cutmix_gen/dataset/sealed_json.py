"""What files of a set say, checked before anything is made of it: a set may come from anywhere."""

from __future__ import annotations

import hashlib
import json
import re
from functools import cache
from typing import Any, TypeVar, cast, get_origin, get_type_hints

from cutmix_gen.errors import IrregularFileError, SetError
from cutmix_gen.parsing import MOST_BYTES, ParseError, fits, parse_json
from cutmix_gen.storage import Place, read_bytes

T = TypeVar("T")


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


_BLANK = b"0" * 64
_SEAL = re.compile(rb'"seal": ?"([0-9a-f]{64})"\s*}\s*\Z')


def sealed(facts: dict[str, Any], indent: int | None = None) -> bytes:
    """Return facts as JSON, their seal after them: the SHA-256 of the file with 64 zeros in its place.

    >>> sealed({"samples": 7})[:21]
    b'{"samples":7,"seal":"'
    """
    blank = facts | {"seal": _BLANK.decode()}
    data = _compact(blank) if indent is None else _pretty(blank, indent)
    place = data.rindex(_BLANK)
    return data[:place] + _digest(data) + data[place + len(_BLANK) :]


def _compact(facts: dict[str, Any]) -> bytes:
    return json.dumps(facts, separators=(",", ":")).encode() + b"\n"


def _pretty(facts: dict[str, Any], indent: int) -> bytes:
    try:
        return json.dumps(facts, indent=indent, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:  # a folder whose name is no text
        return json.dumps(facts, indent=indent).encode() + b"\n"


def is_sealed(data: bytes) -> bool:
    """Tell whether a file is, bit for bit, as it was sealed.

    >>> is_sealed(sealed({"samples": 7})), is_sealed(b'{"samples":7}')
    (True, False)
    """
    match = _SEAL.search(data)
    return match is not None and match[1] == _digest(data[: match.start(1)] + _BLANK + data[match.end(1) :])


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()
