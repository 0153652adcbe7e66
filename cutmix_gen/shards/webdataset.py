"""WebDataset shards: tar files in which the members of a sample lie side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from json.encoder import encode_basestring_ascii as _quoted
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cutmix_gen.errors import SetError
from cutmix_gen.machine import check_machine
from cutmix_gen.parsing import parse_json
from cutmix_gen.shards.base import DAMAGES, ShardFormat, ShardLabels, ShardReader, ShardWriter
from cutmix_gen.shards.rows import FIELDS, Field, Rows, RowSchema
from cutmix_gen.shards.tar import BLOCK, END, Member, members_between, members_of, padded, read_header, tar_blocks
from cutmix_gen.storage import regular

_WRITTEN = 64
"""Samples that are put together at a time: small ones stay in the processor's cache until they are written."""
_BATCH = 256
"""Samples that a reader gives at a time."""
_JSON_BYTES = 1 << 20
"""Of the fields of a sample at most: those of 255 sources with long paths are a tenth of it."""
_NEAR = 64
"""Samples that are read together where neighbours are wanted."""


class WebDatasetShards(ShardFormat):
    """One tar file a shard: `KEY.jpg`, `KEY.cls`, `KEY.soft.npy`, `KEY.json` for each sample, in that order."""

    name: ClassVar[str] = "webdataset"
    extension: ClassVar[str] = "tar"
    needs_index: ClassVar[bool] = True

    def open_writer(self, path: Path, schema: RowSchema) -> ShardWriter:
        """Begin a shard at a path."""
        return _TarWriter(path, schema)

    def read(self, path: Path, schema: RowSchema) -> Iterator[Rows]:
        """Read a shard; nothing is ever extracted to disk."""
        with _damage(path):
            batch: list[dict[str, bytes]] = []
            for sample in _samples(path):
                batch.append(sample)
                if len(batch) == _BATCH:
                    yield _rows(batch, schema)
                    batch = []
            if batch:
                yield _rows(batch, schema)

    def open_reader(self, path: Path, schema: RowSchema, index: bytes = b"") -> ShardReader:
        """Open a shard for reading single rows."""
        return _TarReader(path, schema, index)


class _TarReader(ShardReader):
    """Knows where each sample begins, from its index or one look at all headers, and reads from there."""

    def __init__(self, path: Path, schema: RowSchema, index: bytes) -> None:
        self._path = path
        self._schema = schema
        with _damage(path):
            self._file = pa.OSFile(regular(path))
            self._offsets = _offsets_in(index, self._file.size()) if index else _sample_offsets(self._file)

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def near(self, row: int) -> range:
        start = row - row % _NEAR
        return range(start, min(start + _NEAR, len(self._offsets) - 1))

    def read(self, rows: Sequence[int]) -> Rows:
        with _damage(self._path):
            return _rows([self._sample(row) for row in rows], self._schema)

    def all_keys(self) -> list[str]:
        with _damage(self._path):
            return [read_header(self._file.read_at(BLOCK, start))[0].partition(".")[0] for start in self._offsets[:-1]]

    def all_labels(self) -> ShardLabels:
        with _damage(self._path):
            members = members_between(self._file, 0, self._offsets[-1])
            texts = [self._file.read_at(each.size, each.offset) for each in members if each.kind == "json"]
            facts: list[dict[str, Any]] = [parse_json(text, _JSON_BYTES) for text in texts]
            shape = len(facts), self._schema.sources
            return ShardLabels(
                np.array([fact["label_index"] for fact in facts], np.int32).reshape(shape),
                np.array([fact["label_weight"] for fact in facts], np.float32).reshape(shape),
                [str(fact["strategy"]) for fact in facts],
            )

    def _sample(self, row: int) -> dict[str, bytes]:
        start, stop = self._offsets[row : row + 2]
        data = self._file.read_at(stop - start, start)
        sample: dict[str, bytes] = {}
        place = 0
        while place < len(data):
            name, size = read_header(data[place : place + BLOCK])
            key, _, kind = name.partition(".")
            if sample.setdefault("__key__", key.encode()) != key.encode() or place + BLOCK + size > len(data):
                raise ValueError(f"its member {name} is not where its index has it")
            place += BLOCK
            sample[kind] = data[place : place + size]
            place += padded(size)
        return sample


def _offsets_in(index: bytes, size: int) -> list[int]:
    """Return where each sample begins, and the last one ends, as an index has it, in a file of so many bytes."""
    offsets = np.frombuffer(index, "<u4").astype(np.int64) * BLOCK
    if offsets[0] or (np.diff(offsets) <= 0).any() or offsets[-1] + len(END) != size:
        raise ValueError("its index is that of another file")
    found: list[int] = offsets.tolist()
    return found


def _sample_offsets(file: pa.NativeFile) -> list[int]:
    """Return where each sample of a tar file begins, and where the last one ends."""
    offsets, end, last = [], 0, ""
    for member in members_of(file):
        if member.key != last:
            offsets.append(member.offset - BLOCK)
            last = member.key
        end = member.offset + padded(member.size)
    return [*offsets, end]


def shard_members(path: Path) -> Iterator[Member]:
    """Give the members of a shard, in their order, without reading their contents.

    Raises
    ------
    SetError
        If the file is no such shard.
    """
    with _damage(path), pa.OSFile(regular(path)) as file:
        yield from members_of(file)


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Say of a shard that cannot be read which one it is."""
    try:
        yield
    except DAMAGES as error:
        check_machine(error, path)
        raise SetError(f"{path.name} cannot be read as a WebDataset: {error}") from error


class _TarWriter(ShardWriter):
    def __init__(self, path: Path, schema: RowSchema) -> None:
        self._file = path.open("wb")
        self._schema = schema
        self._digits = len(str(len(schema.classes) - 1))
        self._blocks: list[npt.NDArray[np.int64]] = []

    def index(self) -> bytes:
        """Return where each sample begins, and the last one ends, in blocks."""
        return np.cumsum(np.concatenate([[0], *self._blocks])).astype("<u4").tobytes()

    def write(self, rows: Rows) -> None:
        members = {f".{self._schema.extension}".encode(): rows.image, b".cls": self._labels(rows)}
        if rows.soft_label is not None:
            members[b".soft.npy"] = _npy_files(rows.soft_label)
        members[b".json"] = [text.encode() for text in json_fields(rows)]
        keys = [key.encode("ascii") for key in rows.key]
        for start in range(0, len(keys), _WRITTEN):
            some = slice(start, start + _WRITTEN)
            blocks, counts = tar_blocks(keys[some], {suffix: contents[some] for suffix, contents in members.items()})
            self._file.write(blocks.data)
            self._blocks.append(counts)

    def _labels(self, rows: Rows) -> list[bytes]:
        return [b"%0*d" % (self._digits, label) for label in rows.label.tolist()]

    def close(self) -> None:
        self._file.write(END)
        self._file.close()


def _npy_header(length: int) -> bytes:
    """Return the 128 bytes of an npy 1.0 file before `length` little-endian float32 values."""
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({length},), }}"
    return b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little") + text.ljust(117).encode() + b"\n"


def _npy_files(labels: npt.NDArray[np.float32]) -> list[bytes]:
    """Return each row of an (n, C) array as an npy file."""
    header, size, data = _npy_header(labels.shape[1]), 4 * labels.shape[1], labels.astype("<f4", copy=False).tobytes()
    return [header + data[start : start + size] for start in range(0, len(data), size)]


def json_fields(rows: Rows) -> list[str]:
    """Return for each sample the JSON object of all fields that have no member of their own.

    What `json.dumps` makes of them without blanks, in a third of the time.
    """
    columns = [_json_column(field, getattr(rows, field.name)) for field in JSON_FIELDS]
    return [_JSON % values for values in zip(*columns, strict=True)]


JSON_FIELDS = tuple(field for field in FIELDS if field.name not in ("image", "label", "soft_label"))
"""What has no member of its own."""
_JSON = "{" + ",".join(f'"{field.name}":%s' for field in JSON_FIELDS) + "}"


def _json_column(field: Field, values: Any) -> Iterable[str]:
    """Return the values of a field as JSON."""
    if field.kind == "string":
        if field.shape:
            return (f"[{','.join(map(_quoted, texts))}]" for texts in values)
        return map(_quoted, values)
    if field.shape:
        return _rows_json(values)
    if field.kind == "bool":
        return ("true" if value else "false" for value in values.tolist())
    return map(repr, values.tolist())


def _rows_json(numbers: npt.NDArray[Any]) -> list[str]:
    """Return each row of an array of finite numbers as JSON: all of them written at once, then cut apart."""
    opening, closing = "[" * (numbers.ndim - 1), "]" * (numbers.ndim - 1)
    text = str(numbers.tolist()).replace(" ", "")[len(opening) + 1 : -len(closing) - 1]
    return [f"{opening}{row}{closing}" for row in text.split(f"{closing},{opening}")]


def _samples(path: Path) -> Iterator[dict[str, bytes]]:
    """Give the members of each sample by what follows the first dot of their name; `__key__` is before it."""
    sample: dict[str, bytes] = {}
    with pa.OSFile(regular(path)) as file:
        for member in members_of(file):
            key = member.key.encode()
            if sample and sample["__key__"] != key:
                yield sample
                sample = {}
            sample["__key__"] = key
            sample[member.kind] = file.read_at(member.size, member.offset)
    if sample:
        yield sample


def _rows(samples: list[dict[str, bytes]], schema: RowSchema) -> Rows:
    kinds = {"__key__", schema.extension, "cls", "json"} | ({"soft.npy"} if schema.dense else set())
    for sample in samples:
        if sample.keys() != kinds:
            found = ", ".join(sorted(sample.keys() - {"__key__"}))
            raise ValueError(f"sample {sample['__key__'].decode()} has the members {found}")
    facts: list[dict[str, Any]] = [parse_json(sample["json"], _JSON_BYTES) for sample in samples]
    columns: dict[str, Any] = {
        "key": [sample["__key__"].decode() for sample in samples],
        "image": [sample[schema.extension] for sample in samples],
        "label": np.array([int(sample["cls"]) for sample in samples], np.int64),
        "soft_label": np.stack([_soft_label(sample["soft.npy"], schema) for sample in samples])
        if schema.dense
        else None,
    }
    for field in JSON_FIELDS[1:]:
        columns[field.name] = _from_json(field, [fact[field.name] for fact in facts], schema)
    return Rows(**columns)


def _from_json(field: Field, values: list[Any], schema: RowSchema) -> Any:
    """Return the values of a field as `Rows` holds them."""
    if field.kind == "string":
        return [[_text(each) for each in value] if field.shape else _text(value) for value in values]
    return np.array(values, field.kind).reshape(len(values), *schema.lengths(field))


def _text(value: Any) -> str:
    """Return a text that can be written again: JSON may have half characters."""
    text = str(value)
    text.encode()
    return text


def _soft_label(data: bytes, schema: RowSchema) -> np.ndarray[Any, np.dtype[np.float32]]:
    header = _npy_header(len(schema.classes))
    if not data.startswith(header) or len(data) != len(header) + 4 * len(schema.classes):
        raise ValueError("a soft label is no npy file of one float32 for each class")
    return np.frombuffer(data, "<f4", offset=len(header))
