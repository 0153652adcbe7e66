from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cutmix_gen.cli import main
from tests.sets import make_folder

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Return a folder that holds what a fresh checkout holds for its user: the samples."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "samples", folder / "samples")
    return folder


def test_every_example_runs_as_it_stands(place):
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    blocks = re.findall(r"```(bash|python)\n(.*?)```", README, re.DOTALL)
    assert len(blocks) >= 4
    for kind, text in blocks:
        command = ["bash", "-e", "-c", text] if kind == "bash" else [sys.executable, "-c", text]
        done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"


def block(kind: str) -> str:
    (text,) = re.findall(rf"```{kind}\n(.*?)```", README, re.DOTALL)
    return text


def run_slices(place: Path, shell: list[str], text: str, variables: list[dict[str, str]]) -> None:
    """Run a command once with each set of variables, and require that they make a finished set together."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for each in variables:
        assert not (place / "out/README.md").exists()
        environment = os.environ | {"PATH": path} | each
        done = subprocess.run([*shell, text], cwd=place, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    assert (place / "out/README.md").exists()


def test_the_slurm_script_makes_a_set(tmp_path):
    text = block("sh")
    subprocess.run(["bash", "-n", "-c", text], check=True)
    make_folder(tmp_path / "images", per_class=50)
    (tmp_path / "venv/bin").mkdir(parents=True)
    (tmp_path / "venv/bin/activate").touch()
    assert re.findall(r"#SBATCH --array=0-(\d+)$", text, re.MULTILINE) == ["15"]
    variables = [
        {"SLURM_ARRAY_TASK_ID": str(task), "SLURM_ARRAY_TASK_COUNT": "2", "SLURM_CPUS_PER_TASK": "1"} for task in (0, 1)
    ]
    run_slices(tmp_path, ["bash", "-c"], text.replace("/shared", str(tmp_path)), variables)


def test_the_kubernetes_job_makes_a_set(tmp_path):
    job = yaml.safe_load(block("yaml"))
    assert (job["apiVersion"], job["kind"], job["spec"]["completionMode"]) == ("batch/v1", "Job", "Indexed")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    *shell, text = container["command"]
    assert f'"$JOB_COMPLETION_INDEX/{job["spec"]["completions"]}"' in text
    assert f"--jobs {container['resources']['requests']['cpu']}" in text
    make_folder(tmp_path / "images", per_class=50)
    text = text.replace("s3://bucket", str(tmp_path)).replace("INDEX/16", "INDEX/2").replace("--jobs 8", "--jobs 1")
    run_slices(tmp_path, shell, text, [{"JOB_COMPLETION_INDEX": "0"}, {"JOB_COMPLETION_INDEX": "1"}])


def test_what_a_set_costs_follows_from_the_table_of_speeds():
    (rate,) = re.findall(r"\| photos to 224 px, originals \+ 4 copies \|.*\*\*([\d,]+)\*\*", README)
    per_core = int(rate.replace(",", "")) / 2
    assert f"{rate} samples a second" in README.partition("### What it costs")[2]
    assert f"**{per_core * 3600 / 1e6:.1f} million samples a core hour**" in README
    assert (
        f"| 1 | {5e6 / per_core / 60:.0f} min | {110e9 * per_core / 5e6 / 1e6:.0f} + {26e3 * per_core / 1e6:.0f} MB"
        in README
    )
    assert f"| 16 | {5e6 / per_core / 60 / 16:.0f} min |" in README
    assert f"| 256 | {5e6 / per_core / 256:.0f} s" in README


def test_every_option_of_generate_is_in_the_table():
    for param in main.get_command(None, "generate").params:
        names = [name for name in (*param.opts, *param.secondary_opts) if name.startswith("--")]
        if names:
            assert any(f"`{name}" in README or f" {name}" in README for name in names), names


def test_every_file_that_is_named_is_there():
    for path in re.findall(r"`(samples/[\w./-]+)`|\((samples/[\w./-]+)\)", README):
        assert (ROOT / "".join(path)).exists(), path


def test_every_test_that_a_promise_names_is_there():
    named = re.findall(r"`(?:(test_\w+\.py)::)?(test_\w+)`", README)
    assert len(named) >= 20
    for file, name in named:
        paths = (ROOT / "tests").rglob(file or "test_*.py")
        assert any(f"def {name}(" in path.read_text() for path in paths), (file, name)
