"""What every shard format does alike."""

from __future__ import annotations

import hashlib

import pytest

from cutmix_gen.errors import SetError
from cutmix_gen.shards import SHARD_FORMATS, shard_format
from cutmix_gen.shards.rows import RowSchema
from tests.shards.rows import PLAIN, SCHEMAS, SPARSE, THREE, assert_same_rows, joined, make_rows, write_shard


@pytest.fixture(params=SHARD_FORMATS)
def fmt(request):
    return shard_format(request.param)


def read_all(fmt, path, schema):
    return joined(list(fmt.read(path, schema)))


@pytest.mark.parametrize("name", SHARD_FORMATS)
def test_a_format_is_made_by_its_name(name):
    assert shard_format(name).name == name


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_what_is_written_is_read_back(tmp_path, fmt, schema):
    rows = make_rows(schema, 23)
    path = write_shard(fmt, tmp_path / "shard", schema, rows)
    assert_same_rows(read_all(fmt, path, schema), rows)


@pytest.mark.parametrize("n", [1, 499, 500, 501, 600])
def test_any_number_of_rows_is_read_back_in_portions(tmp_path, fmt, n):
    rows = make_rows(SPARSE, n)
    path = write_shard(fmt, tmp_path / "shard", SPARSE, rows)
    portions = list(fmt.read(path, SPARSE))
    assert max(len(portion) for portion in portions) <= 500
    assert_same_rows(joined(portions), rows)


def test_rows_written_in_parts_are_read_back_as_one(tmp_path, fmt):
    rows = make_rows(THREE, 300)
    parts = [rows.some(*part) for part in ((0, 1), (1, 280), (280, 300))]
    path = write_shard(fmt, tmp_path / "shard", THREE, *parts)
    assert_same_rows(read_all(fmt, path, THREE), rows)


def test_a_shard_without_rows_is_read_back_as_none(tmp_path, fmt):
    path = write_shard(fmt, tmp_path / "shard", PLAIN)
    assert sum(len(rows) for rows in fmt.read(path, PLAIN)) == 0


def test_one_class_alone_is_written_and_read_back(tmp_path, fmt):
    schema = RowSchema(("only",), 2, True, "png")
    rows = make_rows(schema, 5)
    assert_same_rows(read_all(fmt, write_shard(fmt, tmp_path / "shard", schema, rows), schema), rows)


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_the_same_rows_give_the_same_bytes(tmp_path, fmt, schema):
    one, two = (
        write_shard(fmt, tmp_path / name, schema, make_rows(schema, 40)).read_bytes() for name in ("one", "two")
    )
    assert hashlib.sha256(one).digest() == hashlib.sha256(two).digest()


def test_other_rows_give_other_bytes(tmp_path, fmt):
    one, two = (
        write_shard(fmt, tmp_path / str(first), PLAIN, make_rows(PLAIN, 4, first)).read_bytes() for first in (0, 9)
    )
    assert one != two


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 0.95])
def test_a_truncated_shard_is_an_error_that_names_it(tmp_path, fmt, share):
    path = write_shard(fmt, tmp_path / "train-000007.shard", PLAIN, make_rows(PLAIN, 50))
    data = path.read_bytes()
    length = int(len(data) * share)
    path.write_bytes(data[:length])
    with pytest.raises(SetError, match=r"train-000007\.shard"):
        list(fmt.read(path, PLAIN))


@pytest.mark.parametrize("data", [b"", b"garbage", b"PAR1" + bytes(100) + b"PAR1", b"x" * 5000, b"\xff" * 1024])
def test_garbage_is_an_error_that_names_it(tmp_path, fmt, data):
    path = tmp_path / "train-000007.shard"
    path.write_bytes(data)
    with pytest.raises(SetError, match=r"train-000007\.shard"):
        list(fmt.read(path, PLAIN))


def test_a_missing_shard_is_an_error_that_names_it(tmp_path, fmt):
    with pytest.raises(SetError, match="gone"):
        list(fmt.read(tmp_path / "gone", PLAIN))


@pytest.mark.parametrize(("written", "expected"), [(PLAIN, SPARSE), (SPARSE, PLAIN), (PLAIN, THREE), (THREE, PLAIN)])
def test_a_shard_of_another_schema_is_an_error(tmp_path, fmt, written, expected):
    path = write_shard(fmt, tmp_path / "shard", written, make_rows(written, 6))
    with pytest.raises(SetError):
        list(fmt.read(path, expected))


def test_a_damaged_byte_never_raises_anything_but_an_error_of_the_set(tmp_path, fmt):
    path = write_shard(fmt, tmp_path / "shard", PLAIN, make_rows(PLAIN, 3))
    data = path.read_bytes()
    for place in range(0, len(data), max(len(data) // 400, 1)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x5A]) + data[place + 1 :])
        try:
            list(fmt.read(path, PLAIN))
        except SetError:
            continue
