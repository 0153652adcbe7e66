"""Shards that other packages wrote, taken as sources."""

from __future__ import annotations

from pathlib import Path

import pytest

from cutmix_gen import GenerateConfig, generate, open_dataset
from cutmix_gen.checking import Replays, verify
from tests.images import file_of, noise

pytestmark = [pytest.mark.loaders, pytest.mark.filterwarnings("ignore")]  # what other packages warn of is theirs

NAMES = ["cat", "dog", "owl"]
FILES = [file_of(noise(12, 10, seed=number), "JPEG", quality=90) for number in range(30)]


def with_datasets(folder: Path) -> None:
    """Write Parquet files as `Dataset.push_to_hub` does: images as they are, and the names of the classes."""
    from datasets import ClassLabel, Dataset, Features, Image

    features = Features({"image": Image(), "label": ClassLabel(names=NAMES)})
    images = [{"bytes": file, "path": None} for file in FILES]
    dataset = Dataset.from_dict({"image": images, "label": [number % 3 for number in range(30)]}, features=features)
    (folder / "data").mkdir(parents=True)
    for shard in range(2):
        dataset.shard(2, shard).to_parquet(folder / "data" / f"train-{shard:05d}-of-00002.parquet")


def with_webdataset(folder: Path) -> None:
    from webdataset import ShardWriter

    folder.mkdir()
    with ShardWriter(f"{folder}/train-%06d.tar", maxcount=20, verbose=0) as writer:
        for number, file in enumerate(FILES):
            writer.write({"__key__": f"{number:04d}", "jpg": file, "cls": number % 3, "json": {"number": number}})


@pytest.mark.parametrize(("write", "classes"), [(with_datasets, NAMES), (with_webdataset, ["0", "1", "2"])])
def test_a_set_is_made_of_what_other_packages_wrote(write, classes, tmp_path):
    write(tmp_path / "source")
    report = generate(GenerateConfig(source=tmp_path / "source", output=tmp_path / "out", copies=2, backend="serial"))
    assert (report.samples, report.skipped) == (90, [])
    assert verify(tmp_path / "out", deep=True, replays=Replays(5), jobs=1).ok
    dataset = open_dataset(tmp_path / "out")
    assert list(dataset.info.classes) == classes
    found = {sample.row.image: sample.row.label for sample in dataset.originals()}
    assert found == {file: number % 3 for number, file in enumerate(FILES)}
