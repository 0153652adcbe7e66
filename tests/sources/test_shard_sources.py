"""Sources that lie in shards."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cutmix_gen import GenerateConfig, generate, open_dataset
from cutmix_gen.checking import verify
from cutmix_gen.errors import SourceError, UsageError
from cutmix_gen.shards import SHARD_FORMATS
from cutmix_gen.sources.read import read_source
from cutmix_gen.sources.shard_sources import scan_source, state_of_source
from cutmix_gen.storage import path_text
from tests.images import file_of, noise
from tests.sets import make_folder

NAMES = ("cat", "dog", "owl")


def images(count=60):
    """Return JPEG files and labels, in no order of the labels."""
    files = [file_of(noise(12, 10, seed=number), "JPEG", quality=90) for number in range(count)]
    return files, [(7 * number + number // 5) % 3 for number in range(count)]


def write_parquet(path: Path, files, labels, names=NAMES, **options) -> None:
    """Write what `Dataset.to_parquet` writes of the features image and label."""
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": list(names)}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})} if names else None
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    schema = pa.schema([("image", kind), ("label", pa.int64())], metadata=metadata)
    rows = [{"bytes": file, "path": None} for file in files]
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table([pa.array(rows, kind), pa.array(labels, pa.int64())], schema=schema), path, **options)


def write_tar(path: Path, files, labels, image_format=tarfile.GNU_FORMAT, prefix="") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=image_format) as tar:
        for number, (file, label) in enumerate(zip(files, labels, strict=True)):
            for kind, content in (("cls", str(label).encode()), ("jpg", file), ("json", b"{}")):
                info = tarfile.TarInfo(f"{prefix}{path.stem}-{number:04d}.{kind}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))


def assert_reads(root: Path, files, labels, classes) -> None:
    """Assert that a folder of shards has just these images, by class."""
    found = scan_source(root)
    assert found.classes == classes
    assert found.labels.tolist() == sorted(labels)
    expected = [file for label in range(len(classes)) for file, of in zip(files, labels, strict=True) if of == label]
    assert [read_source(root, path_text(path)) for path in found.paths] == expected
    assert found.sizes.tolist() == [len(file) for file in expected]


@pytest.mark.parametrize("folder", ["", "data/"])
@pytest.mark.parametrize("options", [{}, {"compression": "none", "use_dictionary": False}, {"row_group_size": 7}])
def test_parquet_files_in_the_form_of_datasets_are_sources(tmp_path, folder, options):
    files, labels = images()
    write_parquet(tmp_path / f"{folder}train-00000-of-00002.parquet", files[:25], labels[:25], **options)
    write_parquet(tmp_path / f"{folder}train-00001-of-00002.parquet", files[25:], labels[25:], **options)
    assert_reads(tmp_path, files, labels, NAMES)


@pytest.mark.parametrize("layout", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("prefix", ["", "deep/er/", "x" * 120 + "/"])
def test_webdatasets_are_sources(tmp_path, layout, prefix):
    files, labels = images()
    write_tar(tmp_path / "train-000000.tar", files[:25], labels[:25], layout, prefix)
    write_tar(tmp_path / "train-000001.tar", files[25:], labels[25:], layout, prefix)
    assert_reads(tmp_path, files, labels, ("0", "1", "2"))


def test_classes_may_be_names(tmp_path):
    files, labels = images()
    write_tar(tmp_path / "a.tar", files, [NAMES[label] for label in labels])
    assert_reads(tmp_path, files, labels, NAMES)


def test_without_names_classes_are_numbers(tmp_path):
    files, labels = images()
    write_parquet(tmp_path / "a.parquet", files, labels, names=())
    assert_reads(tmp_path, files, labels, ("0", "1", "2"))


@pytest.mark.parametrize("shards", SHARD_FORMATS)
def test_the_originals_of_a_set_are_sources(tmp_path, shards):
    folder = make_folder(tmp_path / "images")
    common = {"format": shards, "backend": "serial"}
    generate(GenerateConfig(source=folder, output=tmp_path / "one", copies=2, **common))
    found = scan_source(tmp_path / "one")
    assert found.classes == ("class-0", "class-1", "class-2")
    assert np.bincount(found.labels).tolist() == [40, 40, 40]
    originals = sorted((folder / name).read_bytes() for name in map(str, folder.rglob("*.jpg")))
    assert sorted(read_source(tmp_path / "one", path_text(path)) for path in found.paths) == originals


@pytest.mark.parametrize("kind", ["parquet", "compressed", "tar"])
def test_a_set_is_made_of_shards_and_made_again(tmp_path, kind):
    files, labels = images(120)
    if kind == "tar":
        write_tar(tmp_path / "src/train-000000.tar", files, labels)
    else:
        options = {} if kind == "compressed" else {"compression": "none", "use_dictionary": False}
        write_parquet(tmp_path / "src/train-000000.parquet", files, labels, **options)
    config = GenerateConfig(source=tmp_path / "src", output=tmp_path / "out", copies=2, jobs=2)
    report = generate(config)
    assert (report.samples, report.skipped) == (360, [])
    assert verify(tmp_path / "out", deep=True, jobs=1).ok
    dataset = open_dataset(tmp_path / "out")
    assert sorted(sample.row.image for sample in dataset.originals()) == sorted(files)
    assert dataset.info.image_format == "jpeg"
    assert dataset.row(0).sources[0].startswith("train-000000.")
    assert generate(config).new_shards == 0


def test_what_has_no_image_or_label_is_counted(tmp_path):
    files, labels = images(10)
    write_parquet(tmp_path / "one/a.parquet", [*files, None, b"x", b"x"], [*labels, 1, -1, None])
    assert scan_source(tmp_path / "one").passed_over == {"row without an image or a label": 3}
    write_tar(tmp_path / "two/a.tar", files, labels)
    with tarfile.open(tmp_path / "two/a.tar", "a") as tar:
        tar.addfile(tarfile.TarInfo("alone.jpg"))
        tar.addfile(tarfile.TarInfo("text.txt"))
    expected = {"sample without an image or a cls": 2, "json beside an image": 10}
    assert scan_source(tmp_path / "two").passed_over == expected


def test_shards_that_change_show(tmp_path):
    files, labels = images(10)
    write_tar(tmp_path / "a.tar", files, labels)
    before = state_of_source(tmp_path)
    assert state_of_source(tmp_path) == before
    write_tar(tmp_path / "a.tar", files[1:], labels[1:])
    assert state_of_source(tmp_path) != before


def test_a_shard_that_is_cut_after_the_scan_is_a_skip_with_its_reason(tmp_path):
    files, labels = images(60)
    write_parquet(tmp_path / "src/a.parquet", files, labels, compression="none", use_dictionary=False)
    path = tmp_path / "src/a.parquet"
    found = scan_source(tmp_path / "src")
    path.write_bytes(path.read_bytes()[:1000])
    assert len(read_source(tmp_path / "src", path_text(found.paths[-1]))) < found.sizes[-1]


def test_class_folders_stay_class_folders(tmp_path):
    make_folder(tmp_path)
    (tmp_path / "notes.tar").touch()
    (tmp_path / "table.parquet").touch()
    assert scan_source(tmp_path).classes == ("class-0", "class-1", "class-2")


def test_a_path_through_a_file_that_is_no_shard_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        read_source(tmp_path, "file/x.jpg")


def test_what_cannot_be_sources_is_an_error(tmp_path):
    files, labels = images(10)
    write_parquet(tmp_path / "splits/train-00000.parquet", files, labels)
    write_parquet(tmp_path / "splits/test-00000.parquet", files, labels)
    with pytest.raises(SourceError, match=r"one split.*test, train"):
        scan_source(tmp_path / "splits")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/a.tar").write_bytes(b"no tar" * 1000)
    with pytest.raises(SourceError, match=r"a\.tar cannot be read"):
        scan_source(tmp_path / "broken")
    (tmp_path / "columns").mkdir()
    pq.write_table(pa.table({"x": [1]}), tmp_path / "columns/a.parquet")
    with pytest.raises(SourceError, match="image and label, each once, but it has x"):
        scan_source(tmp_path / "columns")
    write_parquet(tmp_path / "few/a.parquet", files[:1], labels[:1])
    with pytest.raises(SourceError, match="at least two images"):
        scan_source(tmp_path / "few")
    write_parquet(tmp_path / "names/a.parquet", files, [9] * 10)
    with pytest.raises(SourceError, match="label 9"):
        scan_source(tmp_path / "names")
    write_parquet(tmp_path / "below/a.parquet", files, [0, -5] * 5)
    with pytest.raises(SourceError, match="has -5 to 0"):
        scan_source(tmp_path / "below")
    write_tar(tmp_path / "huge/a.tar", files, [0, 10**12] * 5)
    with pytest.raises(SourceError, match="labels from 0 to 99,999, but it has 0 to 1000000000000"):
        scan_source(tmp_path / "huge")
    folder = make_folder(tmp_path / "images")
    generate(GenerateConfig(source=folder, output=tmp_path / "out", originals=False, backend="serial"))
    with pytest.raises(SourceError, match="0 shards of originals"):
        scan_source(tmp_path / "out")
    with pytest.raises(UsageError, match="lies inside"):
        generate(GenerateConfig(source=tmp_path / "out", output=tmp_path / "out"))
