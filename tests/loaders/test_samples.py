"""The training scripts under samples/, for a few steps."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cutmix_gen import GenerateConfig, generate
from cutmix_gen.shards import SHARD_FORMATS

SAMPLES = Path(__file__).parent.parent.parent / "samples"
FASHION = SAMPLES / "fashion-mnist"

pytestmark = pytest.mark.loaders


def losses_of(script, *arguments) -> tuple[float, float, float]:
    """Return the mean losses of the first steps and of the last ones, and the accuracy, of the last epoch."""
    command = [sys.executable, SAMPLES / script, *arguments, "--batch", "40"]
    environment = {"PYTHONPATH": str(SAMPLES.parent), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    first, last = lines[0], lines[-2]
    return float(first.split()[6].rstrip(",")), float(last.split()[-1]), float(lines[-1].split()[1])


def test_the_loop_in_memory_learns():
    first, last, accuracy = losses_of("mnist_loop.py", FASHION, FASHION, "--epochs", "8")
    assert last < 0.8 * first
    assert accuracy > 0.3


@pytest.mark.parametrize("shard_format", SHARD_FORMATS)
def test_the_loop_from_shards_learns(shard_format, tmp_path):
    generate(GenerateConfig(source=FASHION, output=tmp_path, copies=1, backend="serial", format=shard_format))
    first, last, accuracy = losses_of("mnist_offline.py", tmp_path, FASHION, "--epochs", "5")
    assert last < 0.8 * first
    assert accuracy > 0.3


def test_a_loop_stops_after_so_many_steps():
    first, last, _ = losses_of("mnist_loop.py", FASHION, FASHION, "--steps", "1")
    assert first == last
