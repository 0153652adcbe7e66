"""The scripts that `cutmix-gen loader` prints, run as they stand."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cutmix_gen import GenerateConfig, generate
from cutmix_gen.exports.loaders.script import snippet
from cutmix_gen.shards import SHARD_FORMATS
from tests.sets import make_folder

LIGHT = ["torch", "webdataset", "datasets", "jax", "numpy"]
SETS = {"colour": {}, "deep sparse": {"mode": "I;16", "image_format": "png", "dense_labels": "never"}}
MIXES = {"colour": None, "deep sparse": 0.5}
SAMPLES = {"colour": 180, "deep sparse": 60}


@pytest.fixture(scope="module", params=SHARD_FORMATS)
def outputs(request, tmp_path_factory) -> dict[str, Path]:
    """Return sets of one shard format, by what is particular to them."""
    root = tmp_path_factory.mktemp("sets")
    folder = make_folder(root / "images", per_class=20)
    common = {"format": request.param, "backend": "serial", "copies": 2, "shard_size": 25, "sidecars": True}
    for name, options in SETS.items():
        generate(GenerateConfig(source=folder, output=root / name, **common, **options))
    return {name: root / name for name in SETS} | {"format": request.param}


def run_as_printed(outputs, name, framework, tmp_path):
    """Run a script in a process of its own, without this package on its path; it sees every sample twice."""
    script = snippet(outputs[name], framework)
    (tmp_path / "script.py").write_text(script.replace("MIX = None", f"MIX = {MIXES[name]}"))
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment |= {"HF_HOME": str(tmp_path / "home"), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "script.py"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Warning" not in done.stderr
    lines = done.stdout.splitlines()[-2:]
    assert [line.rpartition(" ")[0] for line in lines] == [
        f"epoch {epoch}: {SAMPLES[name]} samples, loss" for epoch in range(2)
    ]
    assert all(0 < float(line.rpartition(" ")[2]) < 10 for line in lines)


@pytest.mark.loaders
@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("framework", LIGHT)
def test_a_light_script_runs(outputs, name, framework, tmp_path):
    if (framework, outputs["format"]) != ("webdataset", "parquet"):
        run_as_printed(outputs, name, framework, tmp_path)


@pytest.mark.heavy
@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("framework", ["tensorflow", "keras"])
def test_a_tensorflow_script_runs(outputs, name, framework, tmp_path):
    run_as_printed(outputs, name, framework, tmp_path)


@pytest.mark.heavy
@pytest.mark.parametrize("name", SETS)
def test_a_dali_script_runs(outputs, name, tmp_path):
    run_as_printed(outputs, name, "dali", tmp_path)
