from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cutmix_gen import GenerateConfig, generate, open_dataset
from cutmix_gen.visualize.report import sampling
from cutmix_gen.visualize.report.sampling import select
from tests.sets import make_folder


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    root = tmp_path_factory.mktemp("set")
    folder = make_folder(root / "images", per_class=100, size=(8, 8))
    generate(GenerateConfig(source=folder, output=Path(root / "out"), shard_size=30, backend="serial"))
    return open_dataset(root / "out")


def test_of_a_small_set_all_is_read(dataset):
    selection = select(dataset.mixed(), 500, 0)
    assert selection.is_all
    assert len({row.key for row in selection.rows}) == selection.total == 300
    assert all(row.synthetic for row in selection.rows)


def test_of_a_large_set_a_part_is_read_in_few_places(dataset, monkeypatch):
    monkeypatch.setattr(sampling, "_ROWS", 40)
    monkeypatch.setattr(sampling, "_LOTS", 4)
    selection = select(dataset, 500, 0)
    assert (len(selection.rows), selection.total, selection.is_all) == (40, 600, False)
    numbers = sorted(dataset.find(row.key) for row in selection.rows)
    assert len(set(numbers)) == 40
    assert (np.diff(numbers) > 1).sum() <= 3


def test_of_large_images_fewer_are_read(dataset, monkeypatch):
    monkeypatch.setattr(sampling, "_LOTS", 4)
    assert len(select(dataset, sampling._BYTES / 20, 0).rows) == 20


def test_the_seed_decides(dataset, monkeypatch):
    monkeypatch.setattr(sampling, "_ROWS", 40)
    monkeypatch.setattr(sampling, "_LOTS", 4)
    keys = [[row.key for row in select(dataset, 500, seed).rows] for seed in (0, 0, 1)]
    assert keys[0] == keys[1] != keys[2]
