"""Exports, read by the programs that they are for."""

from __future__ import annotations

import pytest

from cutmix_gen import GenerateConfig, generate, open_dataset
from cutmix_gen.exports.export import export_set
from tests.sets import make_folder

pytestmark = [pytest.mark.loaders, pytest.mark.filterwarnings("ignore")]  # what other packages warn of is theirs


def test_datasets_reads_an_image_folder(tmp_path):
    from datasets import load_dataset

    folder = make_folder(tmp_path / "images")
    generate(GenerateConfig(source=folder, output=tmp_path / "out", backend="serial"))
    export_set(tmp_path / "out", tmp_path / "new", "imagefolder", jobs=1)
    loaded = load_dataset("imagefolder", data_dir=str(tmp_path / "new"), split="train", cache_dir=str(tmp_path / "c"))
    dataset = open_dataset(tmp_path / "out")
    assert len(loaded) == len(dataset) == 240
    for found in loaded:
        row = dataset.row(dataset.find(found["key"]))
        assert (found["label"], found["synthetic"]) == (row.label, row.synthetic)
        assert found["soft_label"] == pytest.approx(row.soft_label.tolist())
        assert found["image"].size == (32, 24)
