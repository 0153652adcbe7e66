"""Images with labels out of the tar files of a WebDataset, made by anybody."""

from __future__ import annotations

import os
import re
import tarfile
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import BinaryIO

from cutmix_gen.sources.leftovers import count_leftovers
from cutmix_gen.sources.shard_members import member_path
from cutmix_gen.sources.walk import EXTENSIONS
from cutmix_gen.storage import open_source
from cutmix_gen.text import printable

_MOST_HEADER = 1 << 18
"""Bytes of one header at most: a name may have 4,096, and what systems note of a file little more."""
_DIGITS = re.compile(rb"[0-9]{256}")
"""Digits in a row, in which Python before 3.11.10 looks for a PAX field in a time that grows with their square."""
_MOST_LABEL = 1 << 10
"""Bytes of a label at most; it is a number or the name of a class."""
_AFTER_END = 1 << 20
"""Bytes that are looked at after the end of the members, which are zero: tar fills up its last record with them."""

TarImage = tuple[bytes, int, str]
"""Path, size in bytes, and label as it is written."""


def tar_images(file: Path, name: str, passed_over: Counter[str], *, is_own: bool) -> Iterator[TarImage]:
    """Give each sample of a tar file that has an image and a label.

    Parameters
    ----------
    file : Path
    name : str
        Its path relative to the folder of the sources.
    passed_over : Counter
        Takes what is left out.
    is_own : bool
        Whether this program has made it: what else it holds is none of the user's then.

    Raises
    ------
    tarfile.TarError, ValueError, OSError and others of `DAMAGES`
        If it is no such file, or is damaged.
    """
    with open_source(os.fsencode(file)) as source:
        for _, group in groupby(_members(source, passed_over), key=lambda member: _key(member.name)):
            members = list(group)
            by_kind = {_kind(member.name): member for member in members}
            image = next((member for kind, member in by_kind.items() if kind.encode() in EXTENSIONS), None)
            cls = by_kind.get("cls")
            if image is None or cls is None:
                passed_over["sample without an image or a cls"] += 1
                continue
            label = _label(source, cls)
            if not label or label == "-1":
                passed_over["sample without a label" if label is not None else "sample whose cls is no label"] += 1
                continue
            if not is_own:
                others = (member for member in members if member is not image and member is not cls)
                count_leftovers(passed_over, (_kind(member.name) for member in others))
            yield member_path(name, str(image.offset_data), image.size, image.name), image.size, label


def _key(name: str) -> str:
    """Return what the members of one sample have in common: the path up to the first dot of the last part."""
    folder, slash, last = name.rpartition("/")
    return folder + slash + last.partition(".")[0]


def _kind(name: str) -> str:
    """Return what follows on the key, in lower case."""
    return name.rpartition("/")[2].partition(".")[2].lower()


def _label(source: BinaryIO, cls: tarfile.TarInfo) -> str | None:
    """Return what a `cls` says; None where that is no text, or far too much."""
    if cls.size > _MOST_LABEL:
        return None
    try:
        return os.pread(source.fileno(), cls.size, cls.offset_data).decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return None


class _Headers:
    """What `tarfile` reads through: it would take any header into memory, however large it says it is."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek = file.seek
        self.tell = file.tell

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _MOST_HEADER:
            raise tarfile.ReadError(f"it has a header of {size:,} bytes, more than any name takes")
        data = self._file.read(size)
        if _DIGITS.search(data):
            raise tarfile.ReadError("it has a header with a number of hundreds of digits")
        return data


def _members(source: BinaryIO, passed_over: Counter[str]) -> Iterator[tarfile.TarInfo]:
    """Give the regular files in a tar file, each of which lies in it whole."""
    end = os.fstat(source.fileno()).st_size
    tar = tarfile.TarFile(fileobj=_Headers(source))  # type: ignore[arg-type]  # it only reads
    last = 0
    while (member := tar.next()) is not None:
        tar.members = []  # type: ignore[attr-defined]  # it would keep all of them
        if member.size < 0 or tar.offset <= last:
            raise ValueError(f"its member {printable(member.name)} has a size below zero")
        last = tar.offset
        if member.isdir():
            continue
        if not member.isreg() or member.issparse():
            passed_over["link, device or sparse file in a tar"] += 1
            continue
        if member.offset_data + member.size > end:
            raise ValueError(
                f"its member {printable(member.name)} claims {member.size:,} bytes, but the file ends after "
                f"{max(end - member.offset_data, 0):,} of them. It was cut, or is damaged"
            )
        yield member
    _check_end(source, tar.offset)


def _check_end(source: BinaryIO, end: int) -> None:
    """Raise `ValueError` if a file has more than its members: `tarfile` ends without a word at whatever it meets."""
    rest = os.pread(source.fileno(), _AFTER_END, end)
    if any(rest[: tarfile.BLOCKSIZE]):
        raise ValueError(f"there is no header of a member at byte {end:,}. It was cut, or is damaged")
    if any(rest):
        raise ValueError(
            f"there is more after its end at byte {end:,}. If several tar files stand in it one behind another, part "
            "them: each has to be a file"
        )
