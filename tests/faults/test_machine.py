"""Machines that have too little memory, or too few files to open."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.corpus import bombs, unreadable
from tests.faults.runs import make, records
from tests.sets import make_folder

LIMITED = """
import re, resource, sys
from pathlib import Path
import cutmix_gen.cli.generate, cutmix_gen.make
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
