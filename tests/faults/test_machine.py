"""Machines that have too little memory, or too few files to open."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.corpus import bombs, unreadable
from tests.faults.runs import OPTIONS as MANY
from tests.faults.runs import check_whole, make, records
from tests.sets import make_folder, tree

LIMITED = """
import re, resource, sys
from pathlib import Path
import cutmix_gen.cli.generate, cutmix_gen.generation.make
from cutmix_gen.codecs import best_codec, make_codec
make_codec(best_codec())
taken = int(re.search(r"VmSize:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) << 10
resource.setrlimit(resource.RLIMIT_AS, (taken + int(sys.argv.pop(1)),) * 2)
cutmix_gen.cli.main(prog_name="cutmix-gen")
"""
"""The program, that gets so many bytes of memory beside what its libraries take."""
SMALL = {"size": 32, "fit": "random-resized-crop", "max_failures": "100%", "copies": 1, "shard_size": 1000}
OPTIONS = ("--size", "32", "--fit", "random-resized-crop", "--max-failures", "100%", "--backend", "serial", "--json")


def run(*command: object, prepare: Callable[[], None] | None = None) -> tuple[int, str]:
    """Run the program, prepared or by another program; return its exit code and what it said on standard error."""
    command = (sys.executable, *map(str, command))
    done = subprocess.run(command, preexec_fn=prepare, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stderr


@pytest.fixture(scope="module", params=["png", "tiff", "jpeg", "webp"])
def large(request, tmp_path_factory) -> Path:
    """Return a folder of small images, and one whose pixels take 75 MB."""
    folder = make_folder(tmp_path_factory.mktemp("large") / "images", per_class=4, classes=2)
    options = {"compression": "tiff_lzw"} if request.param == "tiff" else {}
    picture = Image.new("RGB", (5000, 5000), (10, 200, 30))
    picture.save(folder / f"class-0/large.{request.param}", **options)
    return folder


@pytest.mark.parametrize("megabytes", [60, 120])
def test_no_image_is_skipped_for_lack_of_memory(large, megabytes, tmp_path):
    output = tmp_path / "out"
    code, errors = run("-c", LIMITED, megabytes << 20, "generate", large, output, *OPTIONS)
    assert code == 1, errors
    assert errors.startswith("Error: This machine has too little memory for the work ("), errors
    assert "Give fewer --jobs" in errors
    assert errors.count("\n") == 1, errors
    assert not records(output)
    assert make(large, output, **SMALL).exit_code == 0


def test_hostile_images_are_skips_however_little_memory_there_is(tmp_path):
    folder, output = make_folder(tmp_path / "images", per_class=4, classes=2), tmp_path / "out"
    hostile = bombs() | unreadable()
    for name, data in hostile.items():
        (folder / "class-0" / name).write_bytes(data)
    code, errors = run("-c", LIMITED, 500 << 20, "generate", folder, output, *OPTIONS, "--max-pixels", "1000000")
    assert code == 3, errors
    skipped = {skip["path"] for skip in json.loads(records(output)[0].read_text())["skipped"]}
    assert skipped == {f"class-0/{name}" for name in hostile}


def few_files(count: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))


@pytest.fixture(scope="module")
def tiffs(tmp_path_factory) -> Path:
    """Return a folder of images that are compressed TIFFs, some of them."""
    folder = make_folder(tmp_path_factory.mktemp("tiffs") / "images", per_class=30, classes=2)
    for path in folder.glob("class-1/*5.jpg"):
        with Image.open(path) as image:
            image.save(path.with_suffix(".tiff"), compression="tiff_lzw")
    return folder


@pytest.fixture(scope="module")
def undisturbed(tiffs, tmp_path_factory) -> dict[str, str]:
    """Return all files of the set that is made of it."""
    output = tmp_path_factory.mktemp("undisturbed") / "out"
    make(tiffs, output)
    return tree(output)


@pytest.mark.parametrize("count", [7, 9, 12, 14, 16, 18, 20, 23])
def test_few_files_to_open_stop_a_run_or_change_nothing(tiffs, undisturbed, count, tmp_path):
    output = tmp_path / "out"
    code, errors = run("-m", "cutmix_gen", "generate", tiffs, output, *MANY, prepare=few_files(count))
    if code == 0:
        assert tree(output) == undisturbed
        return
    assert code == 1, errors
    assert errors.startswith("Error: "), errors
    assert "Have the limit on open files raised (`ulimit -n" in errors
    assert errors.count("\n") == 1, errors
    assert make(tiffs, output).exit_code == 0
    assert tree(output) == undisturbed


@pytest.mark.parametrize("megabytes", [10, 60, 100, 140, 180])
def test_little_memory_stops_a_run_of_several_workers_or_changes_nothing(tiffs, undisturbed, megabytes, tmp_path):
    output = tmp_path / "out"
    code, errors = run("-c", LIMITED, megabytes << 20, "generate", tiffs, output, *MANY)
    if code == 0:
        assert tree(output) == undisturbed
        return
    assert code == 1, errors
    assert errors.startswith("Error: This machine has too little memory for the work ("), errors
    assert errors.count("\n") == 1, errors
    if output.exists():
        check_whole(output, undisturbed)
