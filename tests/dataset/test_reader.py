from __future__ import annotations

import json
import multiprocessing
import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from cutmix_gen import GenerateConfig, generate, open_dataset
from cutmix_gen.dataset.ledger import Ledger
from cutmix_gen.dataset.manifest import Manifest
from cutmix_gen.dataset.reader import Sample
from cutmix_gen.dataset.sealed_json import sealed
from cutmix_gen.errors import SelectionError, SetError
from cutmix_gen.shards import SHARD_FORMATS, shard_format
from cutmix_gen.shards.rows import Row
from tests.images import pixels_in
from tests.sets import make_folder

BROKEN = ("class-0/0003.jpg", "class-1/0011.jpg", "class-2/0039.jpg")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of 120 images, of which three cannot be read."""
    root = make_folder(tmp_path_factory.mktemp("source") / "images")
    for name in BROKEN:
        (root / name).write_bytes(b"no image")
    return root


@pytest.fixture(scope="module", params=SHARD_FORMATS)
def output(request, folder, tmp_path_factory) -> Path:
    """Return a set of two runs, of which the first one has two copies and a half, with holes where images failed."""
    root = tmp_path_factory.mktemp("set") / "out"
    common = {"source": folder, "output": root, "format": request.param, "backend": "serial", "max_failures": "3"}
    generate(GenerateConfig(**common, copies=2.5, shard_size=31))
    generate(GenerateConfig(**common, append=True, originals=False, seed=1))
    return root


def stored(output: Path) -> list[Row]:
    """Return all rows in their order, read shard by shard."""
    manifest = Manifest(output)
    info = manifest.read_set()
    found = []
    for record in Ledger(manifest).records():
        for rows in shard_format(info.shard_format).read(output / record.file, info.schema):
            found += [rows.row(place) for place in range(len(rows))]
    return found


def assert_same(found: Row, expected: Row) -> None:
    for name, one, two in zip(Row._fields, found, expected, strict=True):
        np.testing.assert_array_equal(one, two, name, strict=True)


def test_every_sample_is_found_by_its_number(output):
    dataset, expected = open_dataset(output), stored(output)
    assert len(dataset) == len(expected) > 117 * 4
    for number, row in enumerate(expected):
        assert_same(dataset.row(number), row)
    for number in np.random.default_rng(0).permutation(len(expected)):
        assert_same(dataset.row(number), expected[number])


def test_every_sample_is_found_by_its_key(output):
    dataset = open_dataset(output)
    assert [dataset.find(row.key) for row in stored(output)] == list(range(len(dataset)))


def test_a_sample_has_pixels_label_and_fields(output):
    dataset, expected = open_dataset(output), stored(output)
    for number in (0, 200, -1):
        sample = dataset[number]
        assert isinstance(sample, Sample)
        assert np.abs(sample.image.astype(int) - pixels_in(expected[number].image)).max() <= 1
        assert sample.image.shape == (24, 32, 3)
        assert sample.image.flags.writeable
        np.testing.assert_array_equal(sample.soft_label, expected[number].soft_label)
        assert sample.soft_label.flags.writeable


def test_a_batch_has_the_order_that_was_asked_for(output):
    dataset, expected = open_dataset(output), stored(output)
    numbers = [400, 3, 3, -1, 250, 2, 401]
    for found, number in zip(dataset.rows(numbers), numbers, strict=True):
        assert_same(found, expected[number])
    for found, number in zip(dataset.__getitems__(numbers), numbers, strict=True):
        assert_same(found.row, expected[number])


def test_samples_are_selected_by_copy_and_run(output):
    dataset = open_dataset(output)
    assert all(not sample.row.synthetic for sample in dataset.originals())
    assert len(dataset.originals()) == 117
    assert {row.key[:8] for row in map(dataset.copy(2).row, range(len(dataset.copy(2))))} == {"0001-002"}
    assert len(dataset.copy(3)) < 60
    assert len(dataset.run(1)) + len(dataset.run(2)) == len(dataset)
    assert {sample.row.key[:8] for sample in dataset.run(2).copy(1)} == {"0002-001"}
    with pytest.raises(SetError, match="no sample"):
        dataset.run(2).find(dataset.row(0).key)


def test_a_run_or_a_copy_that_is_not_there_is_an_error_that_names_those_that_are(output):
    dataset = open_dataset(output)
    for run in (7, 0, -1):
        with pytest.raises(SelectionError, match=rf"There is no run {run} in <.*: its runs are 1, 2\."):
            dataset.run(run)
    for copy in (9, 4, -1):
        with pytest.raises(
            SelectionError, match=rf"no copy {copy} in <.*: it has the originals, as 0, and the copies 1 to 3"
        ):
            dataset.copy(copy)
    with pytest.raises(IndexError, match=r"no copy 2 in .* and the copy 1"):
        dataset.run(2).copy(2)
    assert issubclass(SelectionError, SetError)
    assert len(dataset.run(2).originals()) == len(dataset.run(2).copy(0)) == 0
    assert len(dataset.run(1).run(2)) == len(dataset.run(1).run(2).copy(3)) == 0


def test_a_run_that_has_made_nothing_yet_is_there(folder, tmp_path):
    generate(GenerateConfig(source=folder, output=tmp_path / "out", max_failures="3", copies=0, backend="serial"))
    for name in ("shards", "runs"):
        assert len(open_dataset(tmp_path / "out").run(1).copy(0)) == (117 if name == "shards" else 0)
        with pytest.raises(SelectionError, match="it has the originals, as 0, and no copies"):
            open_dataset(tmp_path / "out").copy(1)
        shutil.rmtree(tmp_path / "out/.cutmix_gen" / name)
    with pytest.raises(SelectionError, match="its runs are still to come"):
        open_dataset(tmp_path / "out").run(1)


@pytest.mark.parametrize(
    "key", ["", "x", "0001-000", "0009-000-000000000", "0001-009-000000000", "0001-000-000009999", "1-0-0"]
)
def test_a_key_that_is_none_is_an_error(output, key):
    with pytest.raises(SetError, match=f"no sample {key}"):
        open_dataset(output).find(key)


def test_the_keys_of_images_that_failed_are_not_there(output):
    dataset = open_dataset(output)
    keys = {f"0001-000-{position:09d}" for position in range(120)}
    missing = keys - {row.key for row in stored(output)}
    assert len(missing) == 3
    for key in missing:
        with pytest.raises(SetError):
            dataset.find(key)


def test_a_number_beyond_the_end_is_an_error(output):
    dataset = open_dataset(output)
    for number in (len(dataset), -len(dataset) - 1):
        with pytest.raises(IndexError, match="sample"):
            dataset[number]
    with pytest.raises(TypeError):
        dataset["0001-000-000000000"]


def test_an_unfinished_set_gives_what_is_committed(folder, tmp_path):
    config = GenerateConfig(source=folder, output=tmp_path / "out", shard_size=30, slice="1/2", max_failures="3")
    generate(config)
    dataset = open_dataset(tmp_path / "out")
    assert 0 < len(dataset) < 200
    assert [dataset.find(sample.row.key) for sample in dataset] == list(range(len(dataset)))
    with pytest.raises(SetError):
        dataset.find("0001-000-000000000")
    before = len(dataset)
    (tmp_path / "out" / dataset.place(0).file).write_bytes(b"cut")
    assert len(open_dataset(tmp_path / "out")) < before


def test_a_damaged_record_hides_its_shard_alone(folder, tmp_path):
    generate(GenerateConfig(source=folder, output=tmp_path / "out", shard_size=30, max_failures="3"))
    kept = sum(record.samples for record in Ledger(Manifest(tmp_path / "out")).records() if record.shard > 2)
    head = next(Ledger(Manifest(tmp_path / "out")).heads())._asdict()
    for shard, damage in enumerate((b"{", sealed({"shard": 1}), sealed(head | {"file": "../x"}))):
        (tmp_path / f"out/.cutmix_gen/shards/{shard:06d}.json").write_bytes(damage)
    assert len(open_dataset(tmp_path / "out")) == kept > 100


@pytest.mark.parametrize("shards", SHARD_FORMATS)
def test_a_shard_that_is_damaged_is_named(folder, tmp_path, shards):
    generate(GenerateConfig(source=folder, output=tmp_path / "out", format=shards, max_failures="3"))
    dataset = open_dataset(tmp_path / "out")
    path = tmp_path / "out" / dataset.place(0).file
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(SetError, match=path.name):
        dataset[0]


def test_without_dense_labels_they_are_made_from_the_shares(folder, tmp_path):
    common = {"source": folder, "max_failures": "3", "backend": "serial", "strategy": ("multi",)}
    generate(GenerateConfig(**common, output=tmp_path / "dense"))
    generate(GenerateConfig(**common, output=tmp_path / "sparse", dense_labels="never"))
    for dense, sparse in zip(open_dataset(tmp_path / "dense"), open_dataset(tmp_path / "sparse"), strict=True):
        np.testing.assert_allclose(sparse.soft_label, dense.soft_label, atol=1e-6, strict=True)


def test_a_transform_makes_what_a_loader_wants(output):
    dataset = open_dataset(output, transform=shape_and_key)
    assert dataset[5] == ((24, 32, 3), dataset.row(5).key)
    assert dataset.originals()[5] == dataset[5]


def shape_and_key(sample):
    return sample.image.shape, sample.row.key


def keys_of(dataset, numbers):
    return [dataset.row(number).key for number in numbers]


@pytest.mark.parametrize("start", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_processes_share_a_dataset(output, start):
    dataset = open_dataset(output)
    numbers = list(range(0, len(dataset), 7))
    expected = keys_of(dataset, numbers)  # the parent has files open by now
    with multiprocessing.get_context(start).Pool(2) as pool:
        assert pool.starmap(keys_of, [(dataset, numbers)] * 4) == [expected] * 4


def test_a_pickled_dataset_carries_no_images(output):
    dataset = open_dataset(output)
    before = len(pickle.dumps(dataset))
    expected = [dataset.row(number).key for number in range(40)]
    assert len(pickle.dumps(dataset)) == before < 20_000
    assert keys_of(pickle.loads(pickle.dumps(dataset)), range(40)) == expected


def test_threads_share_a_dataset(output):
    dataset, expected = open_dataset(output), [row.key for row in stored(output)]
    numbers = np.random.default_rng(1).integers(0, len(dataset), 2000).tolist()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda number: dataset[number].row.key, numbers)) == [expected[n] for n in numbers]


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.parametrize("shards", SHARD_FORMATS)
def test_few_files_are_open_at_a_time(tmp_path, shards):
    folder = make_folder(tmp_path / "images", per_class=100)
    generate(GenerateConfig(source=folder, output=tmp_path / "out", format=shards, shard_size=4, backend="serial"))
    dataset = open_dataset(tmp_path / "out")
    before = open_files()
    for number in np.random.default_rng(2).permutation(len(dataset))[:300]:
        dataset.row(number)
    assert open_files() - before <= 70


def test_a_set_whose_records_have_no_index_is_read_too(folder, tmp_path):
    output = tmp_path / "out"
    generate(GenerateConfig(source=folder, output=output, format="webdataset", max_failures="3"))
    expected = [row.key for row in stored(output)]
    for path in (output / ".cutmix_gen/shards").iterdir():
        facts = json.loads(path.read_text())
        del facts["index"], facts["seal"]
        path.write_bytes(sealed(facts))
    assert keys_of(open_dataset(output), range(len(expected))) == expected


def test_a_folder_that_is_no_set_is_an_error(tmp_path):
    with pytest.raises(SetError, match="must be a set"):
        open_dataset(tmp_path)
