from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutmix_gen.config.values import is_split
from cutmix_gen.dataset import layout
from cutmix_gen.dataset.layout import INDEXES, RECORDS, RUNS, DataFile, Position, ShardName, keys, shard_at

numbers = st.integers(0, 10**18 - 1)
splits = st.from_regex(r"\A[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*\Z")
extensions = st.sampled_from(["parquet", "tar", "idx"])
anything = st.text(st.sampled_from("0123456789-._/axdtjson\u0663²")) | st.text()


@given(numbered=st.sampled_from([RUNS, INDEXES, RECORDS]), number=numbers)
def test_a_numbered_file_is_known_by_its_name_and_its_path(numbered, number):
    assert numbered.number(numbered.name(number)) == number
    assert numbered.number_at(numbered.path(number)) == number


@given(split=splits, number=numbers, extension=extensions)
def test_a_shard_is_known_by_its_files_whatever_digits_its_split_holds(split, number, extension):
    shard = ShardName(split, number)
    assert ShardName.parse(str(shard)) == shard
    assert DataFile.parse(shard.path(extension)) == DataFile(shard, extension)
    assert shard_at(shard.path(extension)) == number
    assert shard_at(RECORDS.path(number)) == number


@given(run=numbers, copy=numbers, position=numbers)
def test_a_key_says_which_sample_it_is_of(run, copy, position):
    found = Position(run, copy, position)
    assert Position.parse(found.key) == found
    assert keys(run, copy, [position]) == [found.key]


@given(text=anything, before=st.sampled_from(["", "data/", ".cutmix_gen/shards/", ".cutmix_gen/runs/"]))
def test_what_is_read_is_what_would_be_written(text, before):
    path = before + text
    shard, file, key = ShardName.parse(path), DataFile.parse(path), Position.parse(path)
    assert shard is None or str(shard) == path
    assert file is None or file.path == path
    assert key is None or key.key == path
    for numbered in (RUNS, INDEXES, RECORDS):
        number = numbered.number_at(path)
        assert number is None or numbered.path(number) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "data/",
        "data/train-00001.parquet",
        "data/train-0000001.parquet",
        "data/train-000001",
        "data/train-000001.parquet.bak",
        "data/../train-000001.parquet",
        "data/a/train-000001.parquet",
        "data/tr ain-000001.parquet",
        "data/train-\u0660\u0660\u0660\u0660\u0660\u0661.parquet",
        "/data/train-000001.parquet",
        "train-000001.parquet",
        "data/-000001.parquet",
        "data/train--00001.parquet",
        ".cutmix_gen/shards/1.json",
        ".cutmix_gen/shards/0000001.json",
        ".cutmix_gen/shards/a123456.b.json",
        f".cutmix_gen/shards/{'9' * 5000}.json",
        "a123456.b",
    ],
)
def test_what_is_only_like_a_name_of_a_set_is_none(path):
    assert shard_at(path) is None


@given(text=anything)
def test_a_split_is_called_as_readers_of_cards_take_it(text):
    assert is_split(text) == bool(re.fullmatch(r"\w+(\.\w+)*", text, re.ASCII))


def test_an_outer_folder_of_a_set_comes_before_those_in_it():
    assert all(
        folder.rpartition("/")[0] in ("", *layout.FOLDERS[:place]) for place, folder in enumerate(layout.FOLDERS)
    )
