"""Putting the checksums of a changed file right again, so that what was changed gets past them."""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from collections.abc import Callable

Mend = Callable[[bytes], bytes]

_SEAL = re.compile(rb'"seal": ?"([^"]*)"\s*}\s*\Z')
_BLOCK = 512
_PNG = b"\x89PNG\r\n\x1a\n"


def nothing(data: bytes) -> bytes:
    """Return a file as it is."""
    return data


def seal(data: bytes) -> bytes:
    """Return a file of a set's description with the seal that fits it, whatever it holds."""
    match = _SEAL.search(data)
    if match is None:
        head, brace, _ = data.rpartition(b"}")
        data = (head if brace else data) + b',"seal":"' + bytes(64) + b'"}'
        match = _SEAL.search(data)
        assert match is not None
    blank = data[: match.start(1)] + b"0" * 64 + data[match.end(1) :]
    place = match.start(1)
    return blank[:place] + hashlib.sha256(blank).hexdigest().encode() + blank[place + 64 :]


def tar(data: bytes) -> bytes:
    """Return a tar file whose headers have the checksums that fit them, and whose end is there."""
    blocks = bytearray(data + bytes(-len(data) % _BLOCK))
    for start in range(0, len(blocks), _BLOCK):
        if blocks[start + 257 : start + 262] == b"ustar":
            blocks[start + 148 : start + 156] = b" " * 8
            blocks[start + 148 : start + 156] = b"%06o\0 " % sum(blocks[start : start + _BLOCK])
    if blocks[-2 * _BLOCK :] != bytes(2 * _BLOCK):
        blocks += bytes(2 * _BLOCK)
    return bytes(blocks)


def png(data: bytes) -> bytes:
    """Return a PNG whose chunks have the checksums that fit them; any other file as it is."""
    if not data.startswith(_PNG):
        return data
    file, place = bytearray(data), len(_PNG)
    while place + 12 <= len(file):
        (size,) = struct.unpack_from(">I", file, place)
        end = place + 8 + size
        if end + 4 > len(file):
            break
        struct.pack_into(">I", file, end, zlib.crc32(file[place + 4 : end]))
        place = end + 4
    return bytes(file)
