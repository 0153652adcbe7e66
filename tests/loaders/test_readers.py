"""Sets as they stand under the programs that read Parquet and WebDataset, and nothing of this package."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cutmix_gen import GenerateConfig, generate, open_dataset
from cutmix_gen.exports.export import export_set
from tests.sets import make_folder

pytestmark = pytest.mark.filterwarnings("ignore")  # what other packages warn of is theirs


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Return a folder with the same 120 samples in both formats."""
    place = tmp_path_factory.mktemp("sets")
    folder = make_folder(place / "images", per_class=20)
    for form in ("parquet", "webdataset"):
        options = {"format": form, "backend": "serial", "shard_size": 11, "sidecars": True}
        generate(GenerateConfig(source=folder, output=place / form, **options))
    return place


def shards(folder) -> list[str]:
    return sorted(str(path) for path in (folder / "data").iterdir() if path.suffix != ".idx")


def labels_of(folder) -> dict[str, list[float]]:
    dataset = open_dataset(folder)
    return {row.key: row.soft_label.tolist() for row in map(dataset.row, range(len(dataset)))}


@pytest.mark.loaders
def test_webdataset_splits_shards_among_workers(root):
    import webdataset as wds

    urls = shards(root / "webdataset")
    dataset = wds.WebDataset(urls, shardshuffle=False, workersplitter=wds.split_by_worker)
    samples = dataset.decode("rgb").to_tuple("__key__", "jpg", "cls", "soft.npy")
    found = {}
    for key, image, label, soft in wds.WebLoader(samples, batch_size=None, num_workers=2):
        assert key not in found
        assert np.shape(image) == (24, 32, 3)
        assert np.asarray(soft)[label] == pytest.approx(np.max(np.asarray(soft)))
        found[key] = np.asarray(soft).tolist()
    assert found == labels_of(root / "webdataset")


@pytest.mark.loaders
def test_wids_finds_samples_by_number(root, monkeypatch, tmp_path):
    import wids

    monkeypatch.chdir(root / "webdataset")  # the list names the shards from the set's folder
    dataset = wids.ShardListDataset("shards.json", cache_dir=str(tmp_path), keep=True)
    ours = open_dataset(root / "webdataset")
    assert len(dataset) == len(ours) == 120
    for number in (0, 59, 60, 119):
        assert dataset[number]["__key__"] == ours.row(number).key
        np.testing.assert_array_equal(dataset[number][".soft.npy"], ours.row(number).soft_label)


def parquet_samples(path):
    import pyarrow.parquet as pq

    for row in pq.read_table(path, use_threads=False).to_pylist():
        yield row["key"], row["image"]["bytes"], row["soft_label"]


def tar_samples(path):
    with tarfile.open(path) as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar}
    for name, image in members.items():
        key, _, kind = name.partition(".")
        if kind == "jpg":
            yield key, image, np.load(io.BytesIO(members[f"{key}.soft.npy"])).tolist()


@pytest.mark.loaders
@pytest.mark.parametrize(("form", "read"), [("parquet", parquet_samples), ("webdataset", tar_samples)])
def test_a_torch_loader_reads_with_no_other_package(root, form, read):
    from torch.utils.data import DataLoader, IterableDataset, get_worker_info

    class Shards(IterableDataset):
        def __iter__(self):
            worker = get_worker_info()
            for path in shards(root / form)[worker.id :: worker.num_workers]:
                for key, image, label in read(path):
                    yield key, np.asarray(Image.open(io.BytesIO(image))), label

    found = list(DataLoader(Shards(), batch_size=None, num_workers=2))
    assert {np.shape(image) for _, image, _ in found} == {(24, 32, 3)}
    assert {key: np.asarray(label, np.float32).tolist() for key, _, label in found} == labels_of(root / form)


@pytest.mark.loaders
def test_duckdb_asks_questions(root):
    import duckdb

    files = str(root / "parquet" / "data" / "*.parquet")
    mixed, mass = duckdb.sql(
        f"select count(*) filter (synthetic), sum(list_sum(soft_label)) from read_parquet('{files}')"
    ).fetchall()[0]
    assert (mixed, mass) == (60, pytest.approx(120))
    (image,) = duckdb.sql(f"select image.bytes from read_parquet('{files}') limit 1").fetchall()[0]
    assert Image.open(io.BytesIO(image)).size == (32, 24)


@pytest.mark.loaders
def test_polars_reads_all_fields(root):
    import polars as pl

    frame = pl.read_parquet(root / "parquet" / "data" / "*.parquet")
    assert dict(zip(frame["key"], frame["soft_label"].to_list(), strict=True)) == labels_of(root / "parquet")
    assert frame.filter(pl.col("synthetic")).select(pl.col("label_weight").list.sum()).to_series().to_list() == (
        pytest.approx([1] * 60)
    )


@pytest.mark.heavy
def test_ray_reads_parquet(root):
    import ray.data

    with ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False):
        rows = ray.data.read_parquet(str(root / "parquet" / "data"), columns=["key", "soft_label"]).take_all()
    assert {row["key"]: np.asarray(row["soft_label"]).tolist() for row in rows} == labels_of(root / "parquet")


@pytest.mark.heavy
@pytest.mark.parametrize("form", ["parquet", "webdataset"])
def test_tensorflow_reads_the_exported_records(root, form, tmp_path):
    import tensorflow as tf

    export_set(root / form, tmp_path / "records", "tfrecord", jobs=1)
    features = {
        "key": tf.io.FixedLenFeature((), tf.string),
        "image": tf.io.FixedLenFeature((), tf.string),
        "soft_label": tf.io.FixedLenFeature((3,), tf.float32),
    }
    files = sorted(str(path) for path in (tmp_path / "records").rglob("*.tfrecord*"))
    found = {}
    for record in tf.data.TFRecordDataset(files):
        example = tf.io.parse_single_example(record, features)
        assert tf.io.decode_jpeg(example["image"]).shape == (24, 32, 3)
        found[example["key"].numpy().decode()] = example["soft_label"].numpy().tolist()
    assert found == labels_of(root / form)
