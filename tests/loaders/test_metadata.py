"""The card and the metadata, read by the programs that they are for."""

from __future__ import annotations

import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from cutmix_gen import GenerateConfig, generate, open_dataset
from cutmix_gen.shards import SHARD_FORMATS
from tests.sets import make_folder

pytestmark = [pytest.mark.loaders, pytest.mark.filterwarnings("ignore")]  # what other packages warn of is theirs


@pytest.fixture(scope="module", params=SHARD_FORMATS)
def output(request, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a set of 120 originals and 240 mixed samples in many shards."""
    root = tmp_path_factory.mktemp("set")
    folder = make_folder(root / "images")
    common = {"format": request.param, "backend": "serial", "license": "cc-by-4.0", "sidecars": True}
    generate(GenerateConfig(source=folder, output=root / "out", copies=2, shard_size=11, **common))
    return root / "out"


def test_datasets_loads_each_configuration(output, tmp_path):
    from datasets import ClassLabel, Sequence, load_dataset

    counts = {}
    for config in ("default", "original_only", "cutmix_only"):
        loaded = load_dataset(str(output), config, split="train", cache_dir=str(tmp_path / config))
        counts[config] = len(loaded)
        is_tar = "cls" in loaded.features
        label, soft = ("cls", "soft.npy") if is_tar else ("label", "soft_label")
        assert isinstance(loaded.features[label], ClassLabel)
        assert loaded.features[label].names == ["class-0", "class-1", "class-2"]
        assert loaded.features[soft] == Sequence(loaded.features[soft].feature)
        kinds = {row["synthetic"] for row in loaded["json"]} if is_tar else set(loaded["synthetic"])
        assert kinds == {"default": {False, True}, "original_only": {False}, "cutmix_only": {True}}[config]
    assert counts == {"default": 360, "original_only": 120, "cutmix_only": 240}


def test_datasets_streams_each_configuration(output):
    from datasets import load_dataset

    for config, count in (("default", 360), ("original_only", 120), ("cutmix_only", 240)):
        rows = list(load_dataset(str(output), config, split="train", streaming=True))
        keys = [row["json"]["key"] if "json" in row else row["key"] for row in rows]
        assert len(set(keys)) == len(keys) == count


def test_datasets_streams_what_the_set_holds(output):
    from datasets import load_dataset

    dataset = open_dataset(output)
    streamed = load_dataset(str(output), split="train", streaming=True)
    for number, found in enumerate(streamed):
        row = dataset.row(number)
        fields = found.get("json", found)
        label, soft_label = (
            found[name] for name in (("cls", "soft.npy") if "cls" in found else ("label", "soft_label"))
        )
        assert (fields["key"], label, fields["sources"]) == (row.key, row.label, list(row.sources))
        np.testing.assert_array_equal(np.asarray(soft_label, np.float32), row.soft_label)
        np.testing.assert_array_equal(np.asarray(found.get("image") or found["jpg"]), dataset[number][0])
    assert streamed.features["cls" if "cls" in streamed.features else "label"].names == list(dataset.info.classes)
    assert number == len(dataset) - 1


def test_mlcroissant_finds_nothing_wrong(output):
    command = [Path(sys.executable).with_name("mlcroissant"), "validate", "--jsonld", output / "croissant.json"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "error" not in result.stderr.lower()


def test_mlcroissant_reads_the_records(output, tmp_path, monkeypatch):
    import mlcroissant
    from mlcroissant._src.operation_graph.operations import extract

    # It keeps what it took out of archives by their URL: data/train-000000.tar is the same for every set.
    monkeypatch.setattr(extract, "EXTRACT_PATH", type(extract.EXTRACT_PATH)(tmp_path))
    dataset = mlcroissant.Dataset(str(output / "croissant.json"))
    ours = open_dataset(output)
    names = [record_set.id for record_set in dataset.metadata.record_sets]
    if names == ["classes", "samples"]:
        for number, found in enumerate(islice(dataset.records("samples"), 30)):
            row = ours.row(number)
            assert found["samples/key"].decode() == row.key
            assert found["samples/label"] == row.label
            np.testing.assert_array_equal(found["samples/soft_label"], row.soft_label)
            assert np.shape(found["samples/image"]) == (24, 32, 3)
    else:
        assert names == ["classes", "images", "labels", "fields"]
        labels = {found["labels/key"].decode(): found["labels/label"] for found in dataset.records("labels")}
        assert labels == {row.key: row.label for row in map(ours.row, range(len(ours)))}
        assert np.shape(next(iter(dataset.records("images")))["images/image"]) == (24, 32, 3)
