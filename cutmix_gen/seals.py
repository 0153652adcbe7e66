"""JSON files that tell whether they were damaged: each ends with the SHA-256 of all that it holds."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

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
