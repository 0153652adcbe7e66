"""The index of sources: any rows of it, and only these are looked at."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutmix_gen.dataset import source_index as index
from cutmix_gen.dataset.records import Source
from cutmix_gen.dataset.source_index import SourceIndex, write_index
from cutmix_gen.errors import SetError
from cutmix_gen.sources.scan import Scan
from cutmix_gen.storage import path_text

COUNT, PER_BATCH = 40, 10


def made_scan(n):
    names = [b"c\xff/\xe9 %d.png", "猫/%d.png".encode(), b"x\\y/%d.png"]
    labels = np.sort(np.arange(n, dtype=np.int32) % 3)
    paths = [names[label] % number for number, label in enumerate(labels)]
    return Scan(("one", "two", "three"), paths, labels, np.arange(n, dtype=np.int64) * 10**9, {})


def expected_rows(scanned, indices):
    return [Source(path_text(scanned.paths[i]), int(scanned.labels[i]), int(scanned.sizes[i])) for i in indices]


def opened(path, scanned):
    return SourceIndex(path, scanned.class_counts.tolist())


def test_the_index_gives_back_what_was_scanned_in_any_order(tmp_path):
    scanned = made_scan(50)
    write_index(scanned, tmp_path / "0001.arrow")
    indices = np.random.default_rng(0).permutation(50)
    assert opened(tmp_path / "0001.arrow", scanned).rows(indices) == expected_rows(scanned, indices)


@settings(max_examples=30, deadline=None)
@given(data=st.data(), n=st.integers(2, 30), batch=st.integers(1, 8))
def test_an_index_of_many_batches_gives_any_rows(tmp_path_factory, data, n, batch):
    scanned = made_scan(n)
    path = tmp_path_factory.mktemp("index") / "0001.arrow"
    indices = np.array(data.draw(st.lists(st.integers(0, n - 1), max_size=2 * n)), np.int64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "_BATCH", batch)
        write_index(scanned, path)
        assert opened(path, scanned).rows(indices) == expected_rows(scanned, indices)


def test_a_source_is_found_by_its_path(tmp_path, monkeypatch):
    monkeypatch.setattr(index, "_BATCH", PER_BATCH)
    scanned = made_scan(COUNT)
    write_index(scanned, tmp_path / "0001.arrow")
    sources = opened(tmp_path / "0001.arrow", scanned)
    for source in expected_rows(scanned, range(COUNT)):
        assert sources.find(source.path, range(COUNT)) == source
    assert sources.find("none", range(COUNT)) is None


def test_the_index_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    def broken(_name):
        raise MemoryError

    monkeypatch.setattr(index, "path_text", broken)
    with pytest.raises(MemoryError):
        write_index(made_scan(3), tmp_path / "0001.arrow")
    assert list(tmp_path.iterdir()) == []


def test_the_same_scan_gives_the_same_index_bytes(tmp_path):
    for name in ("one", "two"):
        write_index(made_scan(20), tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Return a scan and its index of four batches."""
    monkeypatch.setattr(index, "_BATCH", PER_BATCH)
    scanned, path = made_scan(COUNT), tmp_path / "0001.arrow"
    write_index(scanned, path)
    return scanned, path


def spoil(path, batch, column, row, value):
    """Put another number into the file, as it lies there: into a column, or at the end of the path of a row."""
    with pa.memory_map(str(path)) as file:
        found = pa.ipc.open_file(file).get_batch(batch).column(column)
        place = found.buffers()[1].address - pa.ipc.open_file(file).get_batch(0).column(0).buffers()[1].address
        width = 8 if column == "bytes" else 4
    with pa.memory_map(str(path)) as file:
        whole = file.read_buffer()
        first = pa.ipc.open_file(whole).get_batch(0).column(0).buffers()[1].address - whole.address
    data = bytearray(path.read_bytes())
    start = first + place + (row + (column == "path")) * width
    data[start : start + width] = value.to_bytes(width, "little", signed=True)
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("column", "value"),
    [("path", 2**31 - 1), ("path", -(2**31)), ("path", 0), ("label", 2), ("label", -1), ("bytes", -1)],
)
def test_a_row_that_is_damaged_is_refused_when_it_is_asked_for_and_no_other(written, column, value):
    scanned, path = written
    spoil(path, 1, column, 4, value)
    others = np.array([0, 10, 11, 12, 18, 19, 20, 39])
    assert opened(path, scanned).rows(others) == expected_rows(scanned, others)
    with pytest.raises(SetError, match="cannot be read as an index"):
        opened(path, scanned).rows(np.array([0, 14]))
    with pytest.raises(SetError, match="cannot be read as an index"):
        opened(path, scanned).find("none", range(COUNT))


def test_a_path_that_is_no_text_is_refused(written):
    scanned, path = written
    path.write_bytes(path.read_bytes().replace("猫/17".encode(), b"\xff\xfe\xff/17"))
    assert opened(path, scanned).rows(np.array([16])) == expected_rows(scanned, [16])
    with pytest.raises(SetError, match="cannot be read as an index"):
        opened(path, scanned).rows(np.array([17]))


@pytest.mark.parametrize("rows", [5, 9, 11, 20])
def test_a_batch_of_another_number_of_rows_is_refused(tmp_path, monkeypatch, rows):
    monkeypatch.setattr(index, "_BATCH", rows)
    scanned, path = made_scan(20), tmp_path / "0001.arrow"
    write_index(scanned, path)
    monkeypatch.setattr(index, "_BATCH", PER_BATCH)
    with pytest.raises(SetError):
        opened(path, scanned).rows(np.array([9, 19]))


def test_nulls_are_refused(tmp_path):
    columns = [pa.array(["a", None]), pa.array([0, 1], pa.int32()), pa.array([1, 1], pa.int64())]
    with pa.OSFile(str(tmp_path / "x"), "wb") as sink, pa.ipc.new_file(sink, index._SCHEMA) as writer:
        writer.write_batch(pa.record_batch(columns, schema=index._SCHEMA))
    with pytest.raises(SetError, match="null"):
        SourceIndex(tmp_path / "x", [1, 1]).rows(np.array([0]))


def test_any_bytes_end_in_an_error_or_in_rows(written):
    scanned, path = written
    whole = path.read_bytes()

    @settings(max_examples=300, deadline=None)
    @given(data=st.data())
    def check(data):
        changed = bytearray(whole)
        for _ in range(data.draw(st.integers(1, 4))):
            changed[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(changed[: data.draw(st.sampled_from([len(whole), len(whole) // 2, len(whole) - 1]))])
        try:
            found = opened(path, scanned).rows(np.arange(COUNT))
        except SetError:
            return
        assert [source.label for source in found] == scanned.labels.tolist()
        assert all(source.num_bytes >= 0 for source in found)

    check()
