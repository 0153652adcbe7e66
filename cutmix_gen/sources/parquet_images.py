"""Images with labels out of Parquet files in Hugging Face's form, made by anybody."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cutmix_gen.parsing import parse_json
from cutmix_gen.shards.footer import ColumnChunk, column_chunks
from cutmix_gen.shards.parquet_pages import PlainPages, image_chunk
from cutmix_gen.sources.leftovers import count_leftovers
from cutmix_gen.sources.shard_members import HELD_BYTES, contents, contents_type, member_path
from cutmix_gen.storage import regular

_LABELS = 1 << 16
"""Labels that are in memory at a time."""
_IMAGES, _IMAGES_BYTES = 64, 64 << 20
"""Images that are in memory at a time, and their bytes as far as the file tells."""
_MOST_LABEL = 1 << 10
"""Characters of the name of a class at most."""
_NAMED = 10
"""Columns that an error names."""

Label = int | str
ParquetImage = tuple[bytes, int, Label]
"""Path, size in bytes, and label: a class by number or by name."""


def parquet_images(file: Path, name: str, passed_over: Counter[str], *, is_own: bool) -> Iterator[ParquetImage]:
    """Give each row of a Parquet file that has an image and a label.

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
    ValueError and others of `DAMAGES`
        If it is no such file, or is damaged.
    """
    with pa.OSFile(regular(file)) as source, pq.ParquetFile(source) as parquet:
        _check_columns(parquet.schema_arrow)
        _check_rows(parquet.metadata, source.size())
        row = taken = 0
        for group, columns in enumerate(column_chunks(source)):
            places = _places(source, parquet, group, columns)
            for label, (where, size) in zip(_labels(parquet, group), places, strict=True):
                if label is None or not size:
                    passed_over["row without an image or a label"] += 1
                else:
                    taken += 1
                    yield member_path(name, where, size, f"{row:09d}"), size, label
                row += 1
        if taken and not is_own:
            others = [column for column in parquet.schema_arrow.names if column not in {"image", "label"}]
            count_leftovers(passed_over, others, taken)


def _check_columns(schema: pa.Schema) -> None:
    for wanted in ("image", "label"):
        if schema.names.count(wanted) != 1:
            names = ", ".join(schema.names[:_NAMED]) + (", ..." if len(schema.names) > _NAMED else "")
            raise ValueError(f"it must have the columns image and label, each once, but it has {names}")
    image, label = (schema.field(name).type for name in ("image", "label"))
    if contents_type(image) is None:
        raise ValueError(
            f"its column image must hold the files of images, as binary or as a struct with the field bytes, but it "
            f"holds {_type_text(image)}. Write the files into it, e.g. with `datasets`"
        )
    if _label_kind(label) is None:
        raise ValueError(
            f"its column label must hold one class a row, as an integer or as text, but it holds {_type_text(label)}. "
            "Turn it into one of them"
        )


def _type_text(kind: pa.DataType) -> str:
    text = str(kind)
    return text if len(text) <= 100 else f"{text[:100]}..."


def _check_rows(metadata: pq.FileMetaData, size: int) -> None:
    """Raise `ValueError` where a file claims more rows than images would find room in it: a few bytes can claim any."""
    rows = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
    if min(rows, default=0) < 0 or sum(rows) > size:
        raise ValueError(f"it claims {sum(rows):,} rows in {size:,} bytes")


def _label_kind(kind: pa.DataType) -> str | None:
    """Return whether labels of a type are whole numbers, numbers or texts; None where they are no labels."""
    types = pa.types
    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_integer(kind) or types.is_boolean(kind):
        return "integer"
    if types.is_floating(kind):
        return "float"
    is_text = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    return "text" if is_text else "null" if types.is_null(kind) else None


def _labels(parquet: pq.ParquetFile, group: int) -> Iterator[Label | None]:
    """Give the label of each row; None where it has none."""
    label_of = _LABEL_OF[_label_kind(parquet.schema_arrow.field("label").type)]
    for batch in parquet.iter_batches(_LABELS, row_groups=[group], columns=["label"], use_threads=False):
        column = batch.column("label")
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        yield from map(label_of, column.to_pylist())


def _integer(value: Any) -> int | None:
    return None if value is None or value == -1 else int(value)


def _float(value: Any) -> int | None:
    """Return a label of a column that is floating-point since some are missing, as pandas has it."""
    if value is None or math.isnan(value):
        return None
    if not math.isfinite(value) or value != int(value):
        raise ValueError(f"it has the label {value}: a class is a whole number or a name")
    return _integer(value)


def _text(value: Any) -> str | None:
    if value is None or value in ("", "-1"):
        return None
    if len(value) > _MOST_LABEL:
        raise ValueError(f"it has a label of {len(value):,} characters: a class is a whole number or a name")
    return str(value)


_LABEL_OF: dict[str | None, Callable[[Any], Label | None]] = {
    "integer": _integer,
    "float": _float,
    "text": _text,
    "null": _integer,
}


def _places(
    source: pa.NativeFile, parquet: pq.ParquetFile, group: int, columns: Sequence[ColumnChunk]
) -> Iterator[tuple[str, int]]:
    """Give where the image of each row lies, and its size, 0 where there is none."""
    chunk = image_chunk(columns, parquet.schema)
    if chunk:
        rows = parquet.metadata.row_group(group).num_rows
        try:
            places = list(islice(PlainPages(source, chunk).places(), rows + 1))
        except ValueError:
            places = []  # pages of another kind: the library reads them, or says what is wrong
        if len(places) == rows:
            return iter([(str(begin), size) for begin, size in places])
    return _row_places(parquet, group, columns)


def _row_places(parquet: pq.ParquetFile, group: int, columns: Sequence[ColumnChunk]) -> Iterator[tuple[str, int]]:
    row = held = 0
    a_row = _image_bytes(columns, parquet.metadata.row_group(group).num_rows)
    at_a_time = max(1, min(_IMAGES, _IMAGES_BYTES // max(a_row, 1)))
    for batch in parquet.iter_batches(at_a_time, row_groups=[group], columns=["image"], use_threads=False):
        for content in contents(batch.column("image")):
            size = len(content.as_buffer()) if content.is_valid else 0
            held += size
            if held > HELD_BYTES:
                raise ValueError(
                    f"its row group {group} has more than {HELD_BYTES >> 30} GiB of images, which each worker would "
                    "have to hold. Write it again with smaller row groups, e.g. of 100 rows"
                )
            yield f"{group}.{row}", size
            row += 1


def _image_bytes(columns: Sequence[ColumnChunk], rows: int) -> int:
    """Return about how many bytes an image of a row group has; where one may stand for many rows, all there are."""
    images = [column for column in columns if column.path.partition(".")[0] == "image"]
    total = sum(column.uncompressed for column in images)
    repeats = any(column.has_dictionary for column in images)
    return total if repeats else total // max(rows, 1)


def names_in(file: Path) -> tuple[str, ...]:
    """Return the classes that a Parquet file names, as `datasets` writes them; empty where it names none.

    Raises
    ------
    ValueError
        If it names something that is no class.
    """
    with pa.OSFile(regular(file)) as source:
        schema = pq.read_schema(source)
    if _label_kind(schema.field("label").type) == "text":
        return ()
    facts = parse_json((schema.metadata or {}).get(b"huggingface", b"{}"))
    for key in ("info", "features", "label", "names"):
        facts = facts.get(key) if isinstance(facts, dict) else None
    if facts is None:
        return ()
    if not isinstance(facts, list) or not all(isinstance(name, str) for name in facts):
        raise ValueError("its metadata `huggingface` must give the names of the classes as a list of texts")
    return tuple(facts)
