"""The training scripts under samples/, for a few steps."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cutmix_gen import GenerateConfig, generate
from cutmix_gen.shards import SHARD_FORMATS

SAMPLES = Path(__file__).parent.parent.parent / "samples"
FASHION = SAMPLES / "fashion-mnist"

pytestmark = pytest.mark.loaders


def epochs_of(script, *arguments) -> list[tuple[int, float, float]]:
    """Return steps, mean loss and accuracy of each epoch."""
    command = [sys.executable, SAMPLES / script, *arguments, "--batch", "40"]
    environment = {"PYTHONPATH": str(SAMPLES.parent), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found = re.findall(r"^epoch \d+: (\d+) steps, loss ([\d.]+), accuracy ([\d.]+)$", done.stdout, re.MULTILINE)
    return [(int(steps), float(loss), float(accuracy)) for steps, loss, accuracy in found]


def assert_learns(epochs) -> None:
    assert epochs[-1][1] < 0.8 * epochs[0][1]
    assert epochs[-1][2] > 0.3


def test_the_loop_in_memory_learns():
    assert_learns(epochs_of("mnist_loop.py", FASHION, FASHION, "--epochs", "8"))


@pytest.mark.parametrize("shard_format", SHARD_FORMATS)
def test_the_loop_from_shards_learns(shard_format, tmp_path):
    generate(GenerateConfig(source=FASHION, output=tmp_path, copies=1, backend="serial", format=shard_format))
    assert_learns(epochs_of("mnist_offline.py", tmp_path, FASHION, "--epochs", "5"))


def test_a_loop_stops_after_so_many_steps():
    epochs = epochs_of("mnist_loop.py", FASHION, FASHION, "--steps", "2")
    assert [steps for steps, _, _ in epochs] == [2, 2, 2]
