from __future__ import annotations

import itertools
import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from cutmix_gen import GenerateConfig, generate, open_dataset
from cutmix_gen.errors import SetError, UsageError
from cutmix_gen.shards import SHARD_FORMATS
from tests.sets import make_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("source") / "images", per_class=200, size=(8, 8))


@pytest.fixture(scope="module", params=SHARD_FORMATS)
def output(request, folder, tmp_path_factory) -> Path:
    """Return a set of 600 images and three copies."""
    root = tmp_path_factory.mktemp("set") / "out"
    generate(GenerateConfig(source=folder, output=root, format=request.param, copies=3, backend="serial"))
    return root


def keys(epoch) -> list[str]:
    return [epoch.row(number).key for number in range(len(epoch))]


def base(key: str) -> str:
    return key[-9:]


def test_each_base_comes_once_an_epoch(output):
    dataset = open_dataset(output)
    everything = sorted(base(key) for key in keys(dataset.originals()))
    for epoch in range(4):
        assert sorted(map(base, keys(dataset.epoch(epoch)))) == everything


@pytest.mark.parametrize("mix", [0.0, 0.2, 0.5, 1.0])
def test_mix_is_the_share_of_mixed_samples(output, mix):
    found = [key for epoch in range(8) for key in keys(open_dataset(output).epoch(epoch, mix))]
    share = np.mean(["-000-" not in key for key in found])
    deviation = np.sqrt(mix * (1 - mix) / len(found))
    assert abs(share - mix) <= 4 * deviation


def test_the_variants_take_turns(output):
    dataset = open_dataset(output)
    for epoch in range(7):
        copies = Counter(key[5:8] for key in keys(dataset.epoch(epoch, mix=0.5)))
        assert copies.keys() == {"000", f"{1 + epoch % 3:03d}"}


def test_whether_a_base_is_mixed_is_independent_from_epoch_to_epoch(output):
    dataset = open_dataset(output)
    mixed = np.array([["-000-" not in key for key in keys(dataset.epoch(epoch))] for epoch in range(12)])
    # Binomial (12, 1/2): variance 3 of the number of epochs in which a base is mixed.
    assert mixed.sum(axis=0).var() == pytest.approx(3, abs=0.7)
    for one, two in itertools.pairwise(mixed):
        assert abs(np.corrcoef(one, two)[0, 1]) < 4 / np.sqrt(600)
    assert all(abs(np.corrcoef(row[:-1], row[1:])[0, 1]) < 4 / np.sqrt(600) for row in mixed)


def test_an_epoch_follows_from_its_number_and_the_seed(output):
    dataset = open_dataset(output)
    assert keys(dataset.epoch(3)) == keys(pickle.loads(pickle.dumps(dataset.epoch(3))))
    assert keys(dataset.epoch(3, seed=1)) != keys(dataset.epoch(3)) != keys(dataset.epoch(6))


def test_an_epoch_gives_what_the_dataset_gives(output):
    dataset = open_dataset(output, transform=lambda sample: sample.row.key)
    epoch = dataset.epoch(0)
    assert list(epoch) == epoch.__getitems__(range(len(epoch))) == keys(epoch)
    assert epoch[-1] == epoch[len(epoch) - 1]
    with pytest.raises(IndexError):
        epoch[len(epoch)]


def test_a_base_without_a_variant_gets_another_one_and_at_last_itself(folder, tmp_path):
    generate(GenerateConfig(source=folder, output=tmp_path / "out", copies=1.5, backend="serial"))
    copies = Counter(key[5:8] for key in keys(open_dataset(tmp_path / "out").epoch(1, mix=1)))
    assert copies == {"002": 300, "001": 300}
    for path in sorted((tmp_path / "out/.cutmix_gen/shards").iterdir())[9:]:
        path.unlink()  # all mixed samples: the originals have the first nine shards
    with pytest.raises(SetError, match="no mixed samples"):
        open_dataset(tmp_path / "out").epoch(0)
    assert len(keys(open_dataset(tmp_path / "out").epoch(0, mix=0))) == 600


def test_images_that_failed_have_no_place_in_an_epoch(tmp_path):
    folder = make_folder(tmp_path / "images", size=(8, 8))
    for name in ("class-0/0003.jpg", "class-1/0011.jpg"):
        (folder / name).write_bytes(b"no image")
    generate(GenerateConfig(source=folder, output=tmp_path / "out", max_failures="2", backend="serial"))
    dataset = open_dataset(tmp_path / "out")
    found = keys(dataset.epoch(0, mix=1))
    assert len(found) == 118
    assert {key[5:8] for key in found} == {"001"}
    assert sorted(map(base, found)) == sorted(map(base, keys(dataset.originals())))


def test_what_cannot_be_an_epoch_is_an_error(folder, tmp_path):
    common = {"source": folder, "backend": "serial"}
    generate(GenerateConfig(**common, output=tmp_path / "bare", originals=False))
    with pytest.raises(SetError, match="without --no-originals"):
        open_dataset(tmp_path / "bare").epoch(0)
    generate(GenerateConfig(**common, output=tmp_path / "pairs", pairs=("class-0,class-1,50",)))
    with pytest.raises(SetError, match="--pairs"):
        open_dataset(tmp_path / "pairs").epoch(0)
    for wrong in ({"epoch": -1}, {"epoch": 0, "mix": 1.5}, {"epoch": 0, "seed": -1}):
        with pytest.raises(UsageError):
            open_dataset(tmp_path / "pairs").epoch(**wrong)


def test_the_samples_of_pairs_are_found_by_key(folder, tmp_path):
    config = GenerateConfig(source=folder, output=tmp_path / "out", pairs=("class-0,class-1,700",), backend="serial")
    generate(config)
    dataset = open_dataset(tmp_path / "out")
    assert len(dataset) == 1300
    assert [dataset.find(key) for key in keys(dataset)] == list(range(1300))
