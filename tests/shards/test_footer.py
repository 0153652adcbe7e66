from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutmix_gen.shards.footer import column_chunks
from cutmix_gen.shards.thrift import read_struct

FILES = sorted((Path(__file__).parent.parent / "fuzz/corpus").rglob("*.parquet"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_footer_says_what_pyarrow_says_of_it(path):
    metadata = pq.read_metadata(path)
    with pa.OSFile(str(path)) as file:
        groups = column_chunks(file)
    assert len(groups) == metadata.num_row_groups
    for number, chunks in enumerate(groups):
        columns = [metadata.row_group(number).column(each) for each in range(metadata.num_columns)]
        for chunk, column in zip(chunks, columns, strict=True):
            assert chunk.path == column.path_in_schema
            assert (chunk.codec == 0) == (column.compression == "UNCOMPRESSED")
            assert (chunk.start, chunk.size) == (column.data_page_offset, column.total_compressed_size)
            assert chunk.uncompressed == column.total_uncompressed_size
            assert chunk.has_dictionary == column.has_dictionary_page
            assert chunk.nulls == (column.statistics.null_count if column.statistics.has_null_count else None)


@given(data=st.binary(max_size=60))
def test_any_bytes_are_a_struct_or_an_error(data):
    with contextlib.suppress(IndexError, ValueError, RecursionError):
        read_struct(data, 0)


@given(flips=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=3))
def test_a_damaged_footer_is_an_error_or_says_something_else(flips):
    data = bytearray(next(path for path in FILES if path.name == "groups.parquet").read_bytes())
    for place, value in flips:
        data[-9 - place] = value
    with contextlib.suppress(ValueError):
        column_chunks(pa.BufferReader(bytes(data)))


def test_a_footer_whose_parts_do_not_fit_each_other_ends_in_an_error(tmp_path):
    """Of pyarrow's own view of such a column the process dies: what reads it must not ask for that."""
    data = next(path for path in FILES if path.name == "groups.parquet").read_bytes()
    optional, required = b"\x25\x02\x18\x05bytes", b"\x25\x00\x18\x05bytes"  # the repetition of the field `bytes`
    assert data.count(optional) == 1
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a.parquet").write_bytes(data.replace(optional, required))
    command = [sys.executable, "-m", "cutmix_gen", "generate", "src", "out", "-j", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "a.parquet cannot be read" in done.stderr
