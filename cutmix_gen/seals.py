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
    separators = None if indent else (",", ":")
    text = json.dumps(
        facts | {"seal": _BLANK.decode()}, indent=indent, ensure_ascii=indent is None, separators=separators
    )
    data = text.encode() + b"\n"
    place = data.rindex(_BLANK)
    return data[:place] + _digest(data) + data[place + len(_BLANK) :]


def is_sealed(data: bytes) -> bool:
    """Tell whether a file is, bit for bit, as it was sealed.

    >>> is_sealed(sealed({"samples": 7})), is_sealed(b'{"samples":7}')
    (True, False)
    """
    match = _SEAL.search(data)
    return match is not None and match[1] == _digest(data[: match.start(1)] + _BLANK + data[match.end(1) :])


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()
