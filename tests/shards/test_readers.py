"""Reading single rows of a shard."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cutmix_gen.errors import SetError
from cutmix_gen.shards import SHARD_FORMATS, shard_format
from cutmix_gen.shards.footer import column_chunks
from cutmix_gen.shards.parquet_pages import PlainPages, image_chunk
from tests.shards.rows import PLAIN, SCHEMAS, SPARSE, assert_same_rows, make_rows


def large(rows, size=20_000):
    """Put bytes of about a size, no two alike, in the place of the images."""
    rng = np.random.default_rng(3)
    rows.image[:] = [rng.bytes(int(count)) for count in rng.integers(1, 2 * size, len(rows))]
    return rows


def written(path, kind, schema, rows):
    """Write a shard; return its format and the index that the writer gives."""
    writer = shard_format(kind).open_writer(path, schema)
    writer.write(rows.some(0, 10))
    writer.write(rows.some(10, len(rows)))
    writer.close()
    return writer.index()


@pytest.mark.parametrize("kind", SHARD_FORMATS)
@pytest.mark.parametrize("name", SCHEMAS)
@pytest.mark.parametrize("indexed", [True, False])
def test_any_rows_are_read_in_the_order_asked_for(tmp_path, kind, name, indexed):
    schema, path = SCHEMAS[name], tmp_path / "shard"
    rows = make_rows(schema, 600)
    index = written(path, kind, schema, rows)
    reader = shard_format(kind).open_reader(path, schema, index if indexed else b"")
    assert reader.all_keys() == rows.key
    for chosen in ([0], [599], [3, 2, 1], [5, 5], list(range(490, 510)), [599, 0, 300, 301]):
        for number, place in enumerate(chosen):
            found = reader.read(chosen)
            assert_same_rows(found.some(number, number + 1), rows.some(place, place + 1))
    for row in (0, 499, 500, 599):
        near = reader.near(row)
        assert row in near
        assert_same_rows(reader.read(near), rows.some(near.start, near.stop))


@pytest.mark.parametrize("kind", SHARD_FORMATS)
@pytest.mark.parametrize("size", [100, 20_000, 700_000])
def test_single_images_of_any_size_are_picked(tmp_path, kind, size):
    rows = large(make_rows(PLAIN, 300 if size < 100_000 else 20), size)
    index = written(tmp_path / "shard", kind, PLAIN, rows)
    reader = shard_format(kind).open_reader(tmp_path / "shard", PLAIN, index)
    for place in range(len(rows)):
        assert reader.read([place]).image == [rows.image[place]]


def test_little_is_read_for_a_single_image(tmp_path):
    rows = large(make_rows(PLAIN, 256))
    written(tmp_path / "shard", "parquet", PLAIN, rows)
    file = CountingFile(tmp_path / "shard")
    parquet = pq.ParquetFile(tmp_path / "shard")
    end = parquet.metadata.row_group(0).num_rows
    with pa.OSFile(str(tmp_path / "shard")) as whole:
        chunk = image_chunk(column_chunks(whole)[0], parquet.schema)
    for place in (0, end // 2, end - 1):
        file.bytes = 0
        begin, size = list(PlainPages(file, chunk).places())[place]
        assert file.read_at(size, begin) == rows.image[place]
        assert file.bytes < len(rows.image[place]) + 8192


class CountingFile:
    """A file that counts what is read from it."""

    def __init__(self, path):
        self._file = pa.OSFile(str(path))
        self.bytes = 0

    def size(self):
        return self._file.size()

    def read_at(self, count, place):
        self.bytes += count
        return self._file.read_at(count, place)


@pytest.mark.parametrize(
    "options", [{}, {"compression": "zstd"}, {"use_dictionary": False, "data_page_version": "2.0"}]
)
def test_a_file_that_another_writer_made_is_read_too(tmp_path, options):
    rows = large(make_rows(PLAIN, 300))
    written(tmp_path / "own", "parquet", PLAIN, rows)
    pq.write_table(pq.read_table(tmp_path / "own"), tmp_path / "other", **options)
    found = shard_format("parquet").open_reader(tmp_path / "other", PLAIN).read([7])
    assert_same_rows(found, rows.some(7, 8))


def test_pages_of_another_kind_are_an_error(tmp_path):
    written(tmp_path / "own", "parquet", PLAIN, large(make_rows(PLAIN, 300)))
    options = {"compression": "none", "use_dictionary": False, "data_page_version": "2.0"}
    pq.write_table(pq.read_table(tmp_path / "own"), tmp_path / "other", **options)
    with pytest.raises(SetError, match=r"other cannot be read.*encoding"):
        shard_format("parquet").open_reader(tmp_path / "other", PLAIN).read([7])


@pytest.mark.parametrize("kind", SHARD_FORMATS)
def test_a_file_that_is_no_shard_is_an_error(tmp_path, kind):
    (tmp_path / "shard").write_bytes(b"no shard" * 1000)
    with pytest.raises(SetError, match="shard cannot be read"):
        shard_format(kind).open_reader(tmp_path / "shard", PLAIN)


def test_a_wrong_index_is_an_error(tmp_path):
    rows = make_rows(PLAIN, 300)
    index = written(tmp_path / "shard", "webdataset", PLAIN, rows)
    blocks = np.frombuffer(index, "<u4") + np.uint32(1)
    for wrong in (blocks.tobytes(), index[:-4], index[:-1], index[4:], index[8:] + index[:8], b"\xff" * 8):
        with pytest.raises(SetError, match="shard cannot be read"):
            shard_format("webdataset").open_reader(tmp_path / "shard", PLAIN, wrong)


def test_a_shard_of_other_columns_is_an_error(tmp_path):
    written(tmp_path / "shard", "parquet", PLAIN, make_rows(PLAIN, 300))
    with pytest.raises(SetError, match="other columns"):
        shard_format("parquet").open_reader(tmp_path / "shard", SPARSE)
