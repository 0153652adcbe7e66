"""Changing a file: its bytes, its numbers, its words, or the tree of values that its JSON is."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

MOST_BYTES = 200_000
"""Of an input."""

_NUMBERS = (0, 1, 2, 3, 7, 16, 127, 128, 255, 256, 511, 512, 4096, 32767, 65535, 65536, 1 << 20, 1 << 24)
_LARGE = tuple(each for power in (31, 32, 53, 62, 63, 64) for each in ((1 << power) - 1, 1 << power))
_TEXTS = ("", "x", "0", "../../x", "/etc/passwd", "a\0b", "\ud800", "é" * 40, "\x1b[2J", "1" * 30, "a" * 5000, "NaN")
_CODE = (b"[" * 50_000, b'{"a":' * 20_000, b"9" * 5_000, b"1e400", b"-1", b"NaN", b"null", b"\xff\xfe", b"\0", b"\r\n")
_NUMBER = re.compile(rb"-?\d+(\.\d+)?")
_FORMS = ("B", "<H", ">H", "<I", ">I", "<Q", ">Q")


def mutated(data: bytes, others: Sequence[bytes], words: Sequence[bytes], rng: Random) -> bytes:
    """Return a file with something changed in it.

    Parameters
    ----------
    data : bytes
    others : sequence of bytes
        Files of the same kind, to take parts of.
    words : sequence of bytes
        What means something to the reader.
    rng : Random
    """
    if data.lstrip()[:1] in (b"{", b"[") and rng.random() < 0.7:
        data = _json_mutated(data, rng)
        if rng.random() < 0.8:
            return data[:MOST_BYTES]
    file = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 4, 8))):
        rng.choice(_CHANGES)(file, others, words, rng)
    return bytes(file[:MOST_BYTES])


def _place(file: bytearray, rng: Random) -> int:
    """Return a place in a file; its beginning and its end, which say what it is, come up more often."""
    ends = rng.random()
    if ends < 0.2:
        return rng.randint(0, min(len(file), 300))
    if ends < 0.45:
        return rng.randint(max(len(file) - 1500, 0), len(file))
    return rng.randint(0, len(file))


def _flip(file: bytearray, _others: Sequence[bytes], _words: Sequence[bytes], rng: Random) -> None:
    if file:
        file[min(_place(file, rng), len(file) - 1)] ^= 1 << rng.randrange(8)


def _set(file: bytearray, _others: Sequence[bytes], _words: Sequence[bytes], rng: Random) -> None:
    if file:
        file[min(_place(file, rng), len(file) - 1)] = rng.randrange(256)


def _field(file: bytearray, _others: Sequence[bytes], _words: Sequence[bytes], rng: Random) -> None:
    """Put a number that means something in the place of a field of some bytes."""
    form = rng.choice(_FORMS)
    size = struct.calcsize(form)
    number = rng.choice((*_NUMBERS, *_LARGE)) - rng.choice((0, 0, 1))
    place = _place(file, rng)
    file[place : place + size] = struct.pack(form, number % (1 << 8 * size))


def _digits(file: bytearray, _others: Sequence[bytes], _words: Sequence[bytes], rng: Random) -> None:
    """Put another number in the place of one in decimal digits."""
    found = list(_NUMBER.finditer(file))
    if found:
        match = rng.choice(found)
        number = rng.choice((*_NUMBERS, *_LARGE, 10**30, -1))
        text = rng.choice((b"%d" % number, b"%o" % max(number, 0), b"1e400", b"-0.0", b"0.5", b"9" * 5000))
        file[match.start() : match.end()] = text


def _word(file: bytearray, _others: Sequence[bytes], words: Sequence[bytes], rng: Random) -> None:
    word, place = rng.choice((*words, *words, *_CODE)), _place(file, rng)
    file[place : place + (len(word) if rng.random() < 0.5 else 0)] = word


def _cut(file: bytearray, _others: Sequence[bytes], _words: Sequence[bytes], rng: Random) -> None:
    del file[_place(file, rng) :]


def _take_out(file: bytearray, _others: Sequence[bytes], _words: Sequence[bytes], rng: Random) -> None:
    place = _place(file, rng)
    del file[place : place + rng.choice((1, 2, 4, 16, 64, 512, 1024))]


def _again(file: bytearray, _others: Sequence[bytes], _words: Sequence[bytes], rng: Random) -> None:
    place, size = _place(file, rng), rng.choice((1, 4, 16, 64, 512, 1024))
    file[place:place] = file[place : place + size] * rng.choice((1, 1, 2, 50))


def _part_of_another(file: bytearray, others: Sequence[bytes], _words: Sequence[bytes], rng: Random) -> None:
    other = rng.choice(others)
    place, start, size = _place(file, rng), rng.randint(0, len(other)), rng.choice((4, 16, 64, 512, 4096, 1 << 20))
    file[place : place + (size if rng.random() < 0.7 else 0)] = other[start : start + size]


def _lines(file: bytearray, others: Sequence[bytes], _words: Sequence[bytes], rng: Random) -> None:
    """Put a line of another file before one of this."""
    lines, taken = file.splitlines(keepends=True), rng.choice(others).splitlines(keepends=True)
    if taken:
        lines.insert(rng.randint(0, len(lines)), bytearray(rng.choice(taken)))
        file[:] = b"".join(lines)


Change = Callable[[bytearray, Sequence[bytes], Sequence[bytes], Random], None]
_CHANGES: tuple[Change, ...] = (
    *(_flip, _set, _field, _digits, _word) * 2,
    *(_cut, _take_out, _again, _part_of_another, _lines),
)


def _json_mutated(data: bytes, rng: Random) -> bytes:
    """Return JSON with other values in some places of its tree."""
    try:
        root: Any = [json.loads(data)]
    except (ValueError, RecursionError):
        return data
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        holders = list(_holders(root))
        holder = rng.choice(holders)
        key = rng.choice(list(range(len(holder)) if isinstance(holder, list) else holder))
        what = rng.random()
        if what < 0.08 and holder is not root:
            holder.pop(key)
        elif what < 0.16:
            other = rng.choice(holders)
            holder[key] = json.loads(json.dumps(other))
        elif what < 0.2 and isinstance(holder, dict):
            holder[rng.choice(_TEXTS)] = _junk(rng)
        else:
            holder[key] = _nearby(holder[key], rng) if rng.random() < 0.35 else _junk(rng)
    try:
        return json.dumps(root[0], separators=(",", ":")).encode()
    except RecursionError:
        return data


def _holders(value: Any) -> Any:
    """Give all lists and objects of a tree that hold something."""
    if isinstance(value, list | dict) and value:
        yield value
        for each in value if isinstance(value, list) else value.values():
            yield from _holders(each)


def _junk(rng: Random) -> Any:
    kind = rng.randrange(9)
    if kind == 0:
        return rng.choice((None, True, False, [], {}, [[]], {"": None}))
    if kind <= 3:
        return rng.choice((*_NUMBERS, *_LARGE, 10**30, 10**400, -1, -(2**31), -(2**63)))
    if kind <= 5:
        return rng.choice((0.5, -0.5, 1.5, 1e-9, 1e18, 1e308, -1e308, float("nan"), float("inf"), 2.0**53))
    if kind <= 7:
        return rng.choice(_TEXTS)
    junk: Any = rng.choice((0, "x", None, [1, 2], {"a": 1}))
    for _ in range(rng.choice((1, 2, 60))):
        junk = [junk] * rng.choice((1, 1, 2)) if rng.random() < 0.7 else {"a": junk}
        if len(repr(junk)) > 1000:
            break
    return junk


def _nearby(value: Any, rng: Random) -> Any:
    """Return a value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return rng.choice(
            (value + 1, value - 1, -value, value * 2, value * 1000, value / 2 if abs(value) < 1 << 60 else 0, [value])
        )
    if isinstance(value, float):
        return rng.choice((value * 2, -value, value + 1, str(value), value * 1e9, value * 1e-9))
    if isinstance(value, str):
        return rng.choice((value + "x", value[:-1], value.upper(), value * 3, value[1:], [value]))
    if isinstance(value, list):
        return rng.choice((value + value, value[:-1], value[::-1], value * 100, [value]))
    return [value]
