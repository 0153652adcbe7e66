"""`open_dataset` under the loaders of torch and grain."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cutmix_gen import GenerateConfig, generate, open_dataset
from cutmix_gen.shards import SHARD_FORMATS
from tests.sets import make_folder

pytestmark = [pytest.mark.loaders, pytest.mark.filterwarnings("ignore")]  # what other packages warn of is theirs


@pytest.fixture(scope="module", params=SHARD_FORMATS)
def output(request, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("set")
    folder = make_folder(root / "images")
    generate(GenerateConfig(source=folder, output=root / "out", format=request.param, copies=2, shard_size=30))
    return root / "out"


def example(sample):
    """Return what a training step takes, and what tells the sample."""
    return sample.image, sample.soft_label, sample.row.key


def keys_in(batches) -> list[str]:
    found = []
    for images, labels, keys in batches:
        assert tuple(images.shape[1:]) == (24, 32, 3)
        assert np.allclose(np.asarray(labels).sum(axis=1), 1)
        found += list(keys)
    return found


@pytest.mark.parametrize("start", ["fork", "spawn"])
@pytest.mark.parametrize("shuffle", [False, True])
def test_torch_reads_every_sample_once(output, start, shuffle):
    from torch.utils.data import DataLoader

    dataset = open_dataset(output, transform=example)
    expected = [dataset.row(number).key for number in range(len(dataset))]  # files are open when workers start
    loader = DataLoader(dataset, 32, shuffle=shuffle, num_workers=2, multiprocessing_context=start)
    found = keys_in(loader)
    assert sorted(found) == sorted(expected)
    assert (found == expected) is not shuffle


def test_torch_reads_an_epoch(output):
    from torch.utils.data import DataLoader

    dataset = open_dataset(output, transform=example)
    for epoch in range(2):
        found = keys_in(DataLoader(dataset.epoch(epoch), 32, shuffle=True, num_workers=2))
        assert len({key[-9:] for key in found}) == len(found) == 120
        assert {key[5:8] for key in found} == {"000", f"{1 + epoch:03d}"}


def test_grain_reads_every_sample_once(output):
    import grain

    dataset = open_dataset(output, transform=example)
    batches = grain.MapDataset.source(dataset).shuffle(seed=1).to_iter_dataset().batch(32)
    found = keys_in(batches)
    assert len(found) == len(set(found)) == len(dataset)


def test_grain_reads_in_processes(output):
    import grain
    from absl import flags

    flags.FLAGS.mark_as_parsed()  # grain asks for flags that only absl programs have
    dataset = open_dataset(output, transform=example)
    options = grain.MultiprocessingOptions(num_workers=2)
    batches = grain.MapDataset.source(dataset).shuffle(seed=1).to_iter_dataset().batch(32).mp_prefetch(options)
    found = keys_in(batches)
    assert len(found) == len(set(found)) == len(dataset)
