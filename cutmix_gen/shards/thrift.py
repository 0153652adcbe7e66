"""Structs of Thrift's compact protocol, in which Parquet files describe themselves."""

from __future__ import annotations

from typing import Any


def read_struct(data: bytes, place: int) -> tuple[dict[int, Any], int]:
    """Read a struct: its fields by their numbers, and where it ends.

    Raises
    ------
    IndexError
        If the data ends before it.
    ValueError
        If it is none.
    """
    fields: dict[int, Any] = {}
    number = 0
    while data[place]:
        delta, kind = data[place] >> 4, data[place] & 15
        place += 1
        if delta:
            number += delta
        else:
            number, place = _integer(data, place)
        if kind not in _READ:
            raise ValueError("a field of its description has no type")
        fields[number], place = _READ[kind](data, place)
    return fields, place + 1


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value, shift = 0, 0
    while shift < 64:
        byte = data[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
        shift += 7
    raise ValueError("a number has more than 64 bits")


def _integer(data: bytes, place: int) -> tuple[int, int]:
    value, place = _varint(data, place)
    return value >> 1 ^ -(value & 1), place


def _binary(data: bytes, place: int) -> tuple[bytes, int]:
    length, place = _varint(data, place)
    data[place + length]  # a description goes on after it
    return data[place : place + length], place + length


def _list(data: bytes, place: int) -> tuple[list[Any], int]:
    count, kind = data[place] >> 4, data[place] & 15
    place += 1
    if count == 15:
        count, place = _varint(data, place)
    if kind not in _READ:
        raise ValueError("a list of its description has no type")
    read = _READ[kind] if kind not in _BOOLEANS else _READ[_BYTE]
    values = []
    for _ in range(count):  # each takes a byte at least, so that the data ends a list that claims more
        value, place = read(data, place)
        values.append(value)
    return values, place


_BOOLEANS = (1, 2)
"""In a struct its type is its value; in a list each takes a byte."""
_BYTE = 3
_READ = {
    1: lambda _data, place: (True, place),
    2: lambda _data, place: (False, place),
    _BYTE: lambda data, place: (data[place], place + 1),
    4: _integer,
    5: _integer,
    6: _integer,
    7: lambda data, place: (data[place : place + 8], place + 8),
    8: _binary,
    9: _list,
    10: _list,
    12: read_struct,
}
"""How to read a value, by its type; Parquet has no maps and no other."""
