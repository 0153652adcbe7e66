"""Parquet shards as pyarrow alone sees them."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cutmix_gen.errors import SetError
from cutmix_gen.shards import shard_format
from cutmix_gen.shards.rows import RowSchema
from tests.shards.rows import PLAIN, SCHEMAS, SPARSE, THREE, make_rows, write_shard

FORMAT = shard_format("parquet")

FIELDS = [
    ("key", pa.string()),
    ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
    ("label", pa.int64()),
    ("soft_label", pa.list_(pa.float32())),
    ("label_index", pa.list_(pa.int32())),
    ("label_weight", pa.list_(pa.float32())),
    ("synthetic", pa.bool_()),
    ("strategy", pa.string()),
    ("lam", pa.float32()),
    ("lam_drawn", pa.float32()),
    ("sources", pa.list_(pa.string())),
    ("boxes", pa.list_(pa.list_(pa.int32()))),
    ("recipe", pa.string()),
]
"""Names, order and types of the design's section 5."""


@pytest.fixture(params=SCHEMAS.values(), ids=SCHEMAS)
def schema(request):
    return request.param


def shard(tmp_path, schema, *parts):
    return write_shard(FORMAT, tmp_path / "train-000000.parquet", schema, *parts)


def column_chunks(path):
    metadata = pq.read_metadata(path)
    for group in range(metadata.num_row_groups):
        for column in range(metadata.num_columns):
            yield metadata.row_group(group).column(column)


def count_nulls(array):
    """Count nulls at any depth."""
    if pa.types.is_struct(array.type):
        return array.null_count + sum(count_nulls(child) for child in array.flatten())
    if pa.types.is_list(array.type):
        return array.null_count + count_nulls(array.flatten())
    return array.null_count


def test_the_columns_are_those_of_the_design(tmp_path, schema):
    path = shard(tmp_path, schema, make_rows(schema, 5))
    found = pq.read_schema(path)
    expected = [field for field in FIELDS if schema.dense or field[0] != "soft_label"]
    assert [(field.name, field.type) for field in found] == expected
    assert all(field.nullable for field in found)
    assert all(field.nullable for field in found.field("image").type)


def test_the_arrow_schema_is_stored(tmp_path, schema):
    path = shard(tmp_path, schema, make_rows(schema, 5))
    assert b"ARROW:schema" in pq.read_metadata(path).metadata


def test_hugging_face_finds_its_features(tmp_path):
    path = shard(tmp_path, PLAIN, make_rows(PLAIN, 5))
    features = json.loads(pq.read_schema(path).metadata[b"huggingface"])["info"]["features"]
    assert features == {
        "image": {"_type": "Image"},
        "label": {"names": ["cat", "dog", "owl"], "_type": "ClassLabel"},
        "soft_label": {"feature": {"dtype": "float32", "_type": "Value"}, "_type": "Sequence"},
    }


def test_hugging_face_is_told_of_no_soft_label_where_there_is_none(tmp_path):
    path = shard(tmp_path, SPARSE, make_rows(SPARSE, 5))
    features = json.loads(pq.read_schema(path).metadata[b"huggingface"])["info"]["features"]
    assert features.keys() == {"image", "label"}


@pytest.mark.parametrize("name", ['quo"te', "co: lon", "new\nline", "<script>alert(1)</script>", "猫😀", r"\xff"])
def test_hugging_face_gets_any_class_name_as_it_is(tmp_path, name):
    schema = RowSchema(("cat", name), 2, True, "png")
    path = shard(tmp_path, schema, make_rows(schema, 2))
    features = json.loads(pq.read_schema(path).metadata[b"huggingface"])["info"]["features"]
    assert features["label"]["names"] == ["cat", name]


def test_no_field_is_null_or_an_empty_list(tmp_path, schema):
    table = pq.read_table(shard(tmp_path, schema, make_rows(schema, 50)))
    for name in table.column_names:
        for chunk in table.column(name).chunks:
            assert count_nulls(chunk) == 0
            if pa.types.is_list(chunk.type):
                assert min(len(value) for value in chunk.to_pylist()) >= 1


def test_the_values_are_those_of_the_rows(tmp_path, schema):
    rows = make_rows(schema, 20)
    samples = pq.read_table(shard(tmp_path, schema, rows)).to_pylist()
    for number, sample in enumerate(samples):
        assert sample["key"] == rows.key[number]
        assert sample["image"] == {"bytes": rows.image[number], "path": f"{rows.key[number]}.{schema.extension}"}
        assert sample["label"] == rows.label[number]
        assert sample["label_index"] == rows.label_index[number].tolist()
        assert sample["label_weight"] == rows.label_weight[number].tolist()
        assert sample["synthetic"] is bool(rows.synthetic[number])
        assert sample["strategy"] == rows.strategy[number]
        assert sample["lam"] == rows.lam[number]
        assert sample["lam_drawn"] == rows.lam_drawn[number]
        assert sample["sources"] == rows.sources[number]
        assert sample["boxes"] == rows.boxes[number].tolist()
        assert sample["recipe"] == rows.recipe[number]
        if schema.dense:
            assert sample["soft_label"] == rows.soft_label[number].tolist()


def test_lists_have_the_lengths_of_the_design(tmp_path):
    for sample in pq.read_table(shard(tmp_path, THREE, make_rows(THREE, 20))).to_pylist():
        assert len(sample["soft_label"]) == len(THREE.classes)
        assert len(sample["label_index"]) == len(sample["label_weight"]) == 3
        assert [len(box) for box in sample["boxes"]] == [4, 4]
        assert sum(sample["label_weight"]) == pytest.approx(1)


def test_images_are_neither_compressed_nor_put_in_a_dictionary(tmp_path, schema):
    chunks = list(column_chunks(shard(tmp_path, schema, make_rows(schema, 50))))
    images = [chunk for chunk in chunks if chunk.path_in_schema in {"image.bytes", "image.path"}]
    assert len(images) == 2
    for chunk in images:
        assert chunk.compression == "UNCOMPRESSED"
        assert not chunk.has_dictionary_page
        assert not any("DICTIONARY" in encoding for encoding in chunk.encodings)


def test_every_other_column_is_compressed(tmp_path, schema):
    path = shard(tmp_path, schema, make_rows(schema, 50))
    compression = {chunk.path_in_schema: chunk.compression for chunk in column_chunks(path)}
    others = {name: kind for name, kind in compression.items() if not name.startswith("image.")}
    assert set(others.values()) == {"ZSTD"}
    assert {name.partition(".")[0] for name in others} | {"image"} == set(pq.read_schema(path).names)


def test_every_column_has_a_page_index(tmp_path, schema):
    for chunk in column_chunks(shard(tmp_path, schema, make_rows(schema, 50))):
        assert chunk.has_offset_index
        assert chunk.has_column_index


def test_a_row_group_has_some_hundred_rows_at_most(tmp_path):
    metadata = pq.read_metadata(shard(tmp_path, SPARSE, make_rows(SPARSE, 1000)))
    rows = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
    assert sum(rows) == 1000
    assert max(rows) <= 500
    assert min(rows[:-1]) >= 100


def test_a_hundred_large_images_make_a_row_group_however_they_are_written(tmp_path):
    rows = make_rows(PLAIN, 250)
    rows.image[:] = [bytes(1 << 15)] * 250
    files = []
    for number, lots in enumerate([(250,), (1, 99, 1, 149), (60, 190), (40, 40, 170)]):
        writer, start = FORMAT.open_writer(tmp_path / f"{number}.parquet", PLAIN), 0
        for lot in lots:
            writer.write(rows.some(start, start + lot))
            start += lot
        writer.close()
        metadata = pq.ParquetFile(tmp_path / f"{number}.parquet").metadata
        assert [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)] == [100, 100, 50]
        files.append((tmp_path / f"{number}.parquet").read_bytes())
    assert len(set(files)) == 1


def test_labels_of_many_classes_change_nothing_of_that(tmp_path):
    schema = RowSchema(tuple(map(str, range(900))), 2, True, "png")
    rows, files = make_rows(schema, 400), []
    for number, cut in enumerate((400, 300, 150)):
        writer = FORMAT.open_writer(tmp_path / f"{number}.parquet", schema)
        writer.write(rows.some(0, cut))
        writer.write(rows.some(cut, 400))
        writer.close()
        files.append((tmp_path / f"{number}.parquet").read_bytes())
    assert len(set(files)) == 1


def test_reading_gives_no_more_at_a_time_than_a_row_group(tmp_path):
    rows = make_rows(PLAIN, 350)
    rows.image[:] = [bytes(1 << 15)] * 350
    path = shard(tmp_path, PLAIN, rows)
    assert [len(lot) for lot in FORMAT.read(path, PLAIN)] == [100, 100, 100, 50]


def test_a_row_group_has_64_megabytes_at_most(tmp_path):
    large = bytes(15 << 20)
    rows = make_rows(SPARSE, 9)
    rows.image[:] = [large] * 9
    metadata = pq.read_metadata(shard(tmp_path, SPARSE, rows))
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    assert [group.num_rows for group in groups] == [4, 4, 1]
    assert max(group.total_byte_size for group in groups) <= 64 << 20


def test_an_image_beyond_the_limit_has_a_row_group_of_its_own(tmp_path):
    rows = make_rows(SPARSE, 3)
    rows.image[1] = bytes(65 << 20)
    metadata = pq.read_metadata(shard(tmp_path, SPARSE, rows))
    assert [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)] == [1, 1, 1]


def rewritten(path, change):
    """Write a shard anew with one column changed by a function of its values."""
    table = pq.read_table(path)
    name, function = change
    column = pa.array(function(table.column(name).to_pylist()), table.schema.field(name).type)
    pq.write_table(table.set_column(table.schema.get_field_index(name), table.schema.field(name), column), path)
    return path


DAMAGE = {
    "a null key": ("key", lambda values: [None, *values[1:]]),
    "a null image": ("image", lambda values: [None, *values[1:]]),
    "null image bytes": ("image", lambda values: [{"bytes": None, "path": "x.png"}, *values[1:]]),
    "a null weight": ("label_weight", lambda values: [[None, 1.0], *values[1:]]),
    "a null source": ("sources", lambda values: [[None], *values[1:]]),
    "no weights": ("label_weight", lambda values: [[], *values[1:]]),
    "a weight too many": ("label_weight", lambda values: [[0.5, 0.25, 0.25], *values[1:]]),
    "a weight moved to another row": ("label_weight", lambda values: [[0.5, 0.25, 0.25], [1.0], *values[2:]]),
    "a box of three numbers": ("boxes", lambda values: [[[0, 1, 2]], *values[1:]]),
    "a short soft label": ("soft_label", lambda values: [[1.0], *values[1:]]),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_rows_that_do_not_follow_the_schema_are_an_error(tmp_path, what):
    path = rewritten(shard(tmp_path, PLAIN, make_rows(PLAIN, 6)), DAMAGE[what])
    with pytest.raises(SetError, match=r"train-000000\.parquet"):
        list(FORMAT.read(path, PLAIN))


def test_a_column_too_many_is_an_error_that_lists_the_columns(tmp_path):
    path = shard(tmp_path, PLAIN, make_rows(PLAIN, 6))
    table = pq.read_table(path)
    pq.write_table(table.append_column("extra", pa.array(np.arange(6))), path)
    with pytest.raises(SetError, match=r"key, image.*extra"):
        list(FORMAT.read(path, PLAIN))


def test_a_closed_shard_holds_no_images(tmp_path):
    rows, before = make_rows(PLAIN, 90), pa.total_allocated_bytes()
    rows.image[:] = [bytes(1 << 16)] * 90
    writer = shard_format("parquet").open_writer(tmp_path / "0.parquet", PLAIN)
    writer.write(rows)
    assert pa.total_allocated_bytes() - before > 90 << 16, "a group of fewer than 100 rows goes on"
    writer.close()
    assert pa.total_allocated_bytes() - before < 1 << 20
