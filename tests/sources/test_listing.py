"""Images in columns, in memory or on disk."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutmix_gen.errors import OutputError
from cutmix_gen.sources import listing
from cutmix_gen.sources.listing import Listing, Rows, sorted_by_class

IMAGES = st.lists(st.tuples(st.binary(max_size=9), st.integers(0, 2**62)), min_size=1, max_size=20)


@pytest.fixture(autouse=True, params=[1, 4 << 20], ids=["on disk", "in memory"])
def where(request, monkeypatch):
    monkeypatch.setattr(listing, "_IN_MEMORY", request.param)


def listed(images, label=0, folder=None) -> Rows:
    with Listing(folder) as found:
        counts = list(found.add(iter(images), label))
        assert counts[-1] == found.count == len(images)
        return found.rows()


@given(images=IMAGES, start=st.integers(-25, 25), stop=st.integers(-25, 25), step=st.sampled_from([1, 2, -1, -3]))
def test_paths_are_what_a_list_of_them_is(images, start, stop, step):
    rows = listed(images)
    paths = [path for path, _ in images]
    assert list(rows.paths) == paths
    assert rows.paths[start:stop] == paths[start:stop]
    assert rows.paths[start:stop:step] == paths[start:stop:step]
    assert rows.sizes.tolist() == [size for _, size in images]
    if -len(paths) <= start < len(paths):
        assert rows.paths[start] == paths[start]
    else:
        with pytest.raises(IndexError):
            rows.paths[start]


def test_images_that_come_in_pieces_are_those_that_come_at_once(monkeypatch):
    images = [(b"%d.png" % number, number) for number in range(25)]
    whole = listed(images, label=7)
    monkeypatch.setattr(listing, "_AT_A_TIME", 4)
    pieces = listed(images, label=7)
    assert list(pieces.paths) == list(whole.paths) == [path for path, _ in images]
    assert pieces.labels.tolist() == whole.labels.tolist() == [7] * 25
    assert pieces.sizes.tolist() == whole.sizes.tolist() == list(range(25))


@given(labels=st.lists(st.integers(0, 4), min_size=1, max_size=40), numbers=st.permutations(range(5)))
def test_images_are_sorted_by_their_new_class_and_else_stay_in_order(labels, numbers):
    rows = Rows([b"%d" % place for place in range(len(labels))], np.array(labels, np.int32), np.arange(len(labels)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "_SORTED", 6)
        patch.setattr(listing, "_AT_A_TIME", 4)
        found = sorted_by_class(rows, np.array(numbers, np.int32))
    expected = sorted((numbers[label], place) for place, label in enumerate(labels))
    assert list(zip(found.labels.tolist(), map(int, found.paths), strict=True)) == expected
    assert found.sizes.tolist() == [place for _, place in expected]


def test_sorting_by_class_takes_some_bytes_of_memory_for_each_image(monkeypatch):
    monkeypatch.setattr(listing, "_IN_MEMORY", 1)
    monkeypatch.setattr(listing, "_SORTED", 1000)
    monkeypatch.setattr(listing, "_AT_A_TIME", 1000)
    count = 60_000
    labels = np.arange(count, dtype=np.int32) % 40
    with Listing() as found:
        found.add_some([(b"%d" % place, place) for place in range(count)], labels)
        rows = found.rows()
    tracemalloc.start()
    ordered = sorted_by_class(rows, np.arange(40, dtype=np.int32)[::-1])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert ordered.labels.tolist() == sorted((39 - labels).tolist())
    assert peak < 11 * count


def test_nothing_is_seen_in_the_folder_of_a_listing(tmp_path):
    with Listing(tmp_path) as found:
        list(found.add([(b"a" * 100, 5), (b"b", 6)], 0))
        assert list(tmp_path.iterdir()) == []
        rows = found.rows()
    assert list(tmp_path.iterdir()) == []
    assert list(rows.paths) == [b"a" * 100, b"b"]


def test_a_listing_of_many_images_takes_the_memory_of_one_of_few(monkeypatch):
    monkeypatch.setattr(listing, "_IN_MEMORY", 1)
    monkeypatch.setattr(listing, "_AT_A_TIME", 1000)
    few, many = (_peak_of(images) for images in (3_000, 60_000))
    assert many < 2 * few


def _peak_of(images: int) -> int:
    tracemalloc.start()
    try:
        with Listing() as found:
            for _ in found.add(((b"class/%09d.jpg" % number, number) for number in range(images)), 0):
                pass
            rows = found.rows()
        assert rows.paths[-1] == b"class/%09d.jpg" % (images - 1)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_full_disk_is_told_with_its_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(listing, "_IN_MEMORY", 1)
    with Listing(tmp_path) as found:
        monkeypatch.setattr(found._text, "_file", open("/dev/full", "wb", buffering=0))  # noqa: PTH123, SIM115
        with pytest.raises(OutputError, match=r"must be written.*no space left"):
            list(found.add([(b"a", 1)], 0))
        found._text._file.close()
