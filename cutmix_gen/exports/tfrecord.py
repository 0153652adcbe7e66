"""TFRecord files of `tf.train.Example`, written without TensorFlow."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from cutmix_gen.dataset.layout import ShardName
from cutmix_gen.errors import UsageError
from cutmix_gen.exports.base import Export
from cutmix_gen.shards.rows import FIELDS, Field, Row, Rows, RowSchema
from cutmix_gen.storage import checked_name

_MASK = 0xA282EAD8
"""What is added to a rotated checksum (TensorFlow, `core/lib/hash/crc32c.h`)."""
_BYTES, _FLOATS, _INTEGERS = 1, 2, 3
"""Fields of `tf.train.Feature`."""
_DTYPES = {
    "image": "string",
    "string": "string",
    "bool": "int64",
    "int32": "int64",
    "int64": "int64",
    "float32": "float32",
}
_ORDER = tuple(sorted(FIELDS, key=lambda field: field.kind != "image"))
"""The image first."""


class TFRecord(Export):
    """`SPLIT-000012.tfrecord` for each shard, and `features.json`, which says what each example holds."""

    name: ClassVar[str] = "tfrecord"

    def __init__(self) -> None:
        try:
            from google_crc32c import value as crc32c  # noqa: PLC0415  an extra
        except ImportError as error:
            raise UsageError(
                "Writing TFRecord needs google-crc32c, not installed here. "
                'Install it with: pip install "cutmix-gen[tfrecord]".'
            ) from error
        self._crc32c = crc32c

    def write(self, folder: Path, shard: ShardName, rows: Iterator[Rows], schema: RowSchema) -> int:  # noqa: ARG002
        """Write a file of one record a sample."""
        samples = 0
        with (folder / checked_name(f"{shard}.tfrecord")).open("wb") as file:
            for part in rows:
                file.writelines(self._record(example(part.row(place))) for place in range(len(part)))
                samples += len(part)
        return samples

    def finish(self, folder: Path, schema: RowSchema) -> None:
        """Say what the records hold, for whoever parses them."""
        features = {
            field.name: {
                "dtype": _DTYPES[field.kind],
                "shape": None if "used" in field.shape else schema.lengths(field),
            }
            for field in _ORDER
            if schema.dense or field.name != "soft_label"
        }
        facts = {"classes": list(schema.classes), "features": features}
        (folder / "features.json").write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", "utf-8")

    def _record(self, data: bytes) -> bytes:
        """Return a record: length, its checksum, data, its checksum, all little-endian."""
        length = struct.pack("<Q", len(data))
        return b"".join((length, self._masked(length), data, self._masked(data)))

    def _masked(self, data: bytes) -> bytes:
        crc = self._crc32c(data)
        return struct.pack("<I", ((crc >> 15 | crc << 17) + _MASK) & 0xFFFFFFFF)


def example(row: Row) -> bytes:
    """Return a sample as a serialised `tf.train.Example`: a map from the name of each field to its values."""
    values = ((field, getattr(row, field.name)) for field in _ORDER)
    features = {field.name: _feature(field, value) for field, value in values if value is not None}
    entries = (_field(1, _field(1, name.encode()) + _field(2, feature)) for name, feature in features.items())
    return _field(1, b"".join(entries))


def _feature(field: Field, value: Any) -> bytes:
    """Return a `tf.train.Feature` of the values of a field, however many."""
    if field.kind == "image":
        return _strings([value])
    if field.kind == "string":
        return _strings([text.encode() for text in (value if field.shape else [value])])
    numbers = np.ravel(value)
    return _floats(numbers) if field.kind == "float32" else _integers(numbers.astype(np.int64).tolist())


def _strings(values: list[bytes]) -> bytes:
    return _field(_BYTES, b"".join(_field(1, value) for value in values))


def _floats(values: Any) -> bytes:
    return _field(_FLOATS, _field(1, np.asarray(values, "<f4").tobytes()))


def _integers(values: Sequence[int]) -> bytes:
    return _field(_INTEGERS, _field(1, b"".join(map(_varint, values))))


def _field(number: int, data: bytes) -> bytes:
    """Return a length-delimited field of a protocol buffer."""
    return b"".join((_varint(number << 3 | 2), _varint(len(data)), data))


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # as negative numbers are written
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    parts.append(value)
    return bytes(parts)
