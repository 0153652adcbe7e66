"""Disks that are full, folders that are read-only or go away."""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cutmix_gen.exports import EXPORTS
from tests.faults.runs import (
    OPTIONS,
    check_goes_on,
    check_readable,
    check_whole,
    make,
    records,
    temporary_files,
    wait_for,
)
from tests.sets import finish, start, tree

CAP_DAC_OVERRIDE, PR_CAPBSET_DROP = 1, 24


def run(folder: Path, output: Path, *options: str, prepare: Callable[[], None]) -> tuple[int, str]:
    """Run the program in a process that was prepared; return its exit code and what it said on standard error."""
    command = [sys.executable, "-m", "cutmix_gen", "generate", folder, output, *OPTIONS, *options]
    done = subprocess.run(command, preexec_fn=prepare, capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, done.stderr


def small_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))


def tiny_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


def obey_permissions() -> None:
    """Let folders be read-only for root too."""
    if os.geteuid() == 0:
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        if prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "root cannot be kept from writing anywhere")


@pytest.mark.parametrize(("shards", "jobs"), [("parquet", "2"), ("webdataset", "1")])
def test_a_limit_on_file_sizes_stops_the_run_with_the_remedy(folder, expected, shards, jobs, tmp_path):
    output = tmp_path / "out"
    code, errors = run(folder, output, "--format", shards, "--jobs", jobs, prepare=small_files)
    assert code == 1
    assert errors.startswith(f"Error: {output}/data/train-0000"), errors
    assert "must be written, but that failed: file too large. Have the limit on file sizes raised" in errors
    assert errors.count("\n") == 1, errors
    assert temporary_files(output) == []
    check_whole(output, expected[shards])
    check_goes_on(folder, output, expected[shards], format=shards)


@pytest.mark.parametrize(
    "words", [("convert", "--format", "webdataset"), *(("export", "--format", form) for form in EXPORTS)], ids=" ".join
)
def test_a_limit_stops_a_conversion_and_an_export_with_the_remedy(folder, tmp_path, words):
    make(folder, tmp_path / "out", shard_size=90)
    command = [sys.executable, "-m", "cutmix_gen", words[0], tmp_path / "out", tmp_path / "new", *words[1:]]
    done = subprocess.run(command, preexec_fn=tiny_files, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: {tmp_path / 'new'}"), done.stderr
    assert "must be written, but that failed: file too large. Have the limit on file sizes raised" in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    left = {path for path in tree(tmp_path) if not path.startswith("out/")}
    assert all(path.startswith("new/.cutmix_gen/") and words[0] == "convert" for path in left), left
    assert subprocess.run(command, capture_output=True, check=False, timeout=120).returncode == 0


@pytest.fixture
def small_disk(tmp_path):
    """Return a folder on a disk of 1.5 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1536k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root may mount a small disk, and not in every container; file sizes are limited above")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.parametrize("shards", ["parquet", "webdataset"])
def test_a_full_disk_stops_the_run_and_more_room_lets_it_go_on(folder, expected, shards, small_disk):
    output = small_disk / "out"
    errors = finish(start("generate", folder, output, *OPTIONS, "--format", shards, "--force"), 1)
    assert "must be written, but that failed: no space left on device. Make room on the disk" in errors
    assert errors.count("\n") == 1, errors
    assert records(output)
    assert temporary_files(output) == []
    check_whole(output, expected[shards])
    check_readable(output)
    subprocess.run(["mount", "-o", "remount,size=32m", str(small_disk)], check=True)
    check_goes_on(folder, output, expected[shards], format=shards)


@pytest.mark.parametrize("where", ["", "data", ".cutmix_gen/shards"])
def test_a_read_only_folder_stops_the_run_with_the_remedy(folder, expected, where, tmp_path):
    output = tmp_path / "out"
    locked = output / where
    locked.mkdir(parents=True)
    locked.chmod(0o555)
    code, errors = run(folder, output, prepare=obey_permissions)
    assert code == 1
    assert errors.startswith(f"Error: {locked}"), errors
    assert "must be written, but that failed: permission denied. Give another folder, or make this one" in errors
    assert errors.count("\n") == 1, errors
    locked.chmod(0o755)
    check_goes_on(folder, output, expected["parquet"])


def test_a_file_where_the_data_folder_should_be_is_an_error(folder, tmp_path):
    (tmp_path / "out/.cutmix_gen").mkdir(parents=True)
    (tmp_path / "out/.cutmix_gen/shards").write_text("")
    errors = finish(start("generate", folder, tmp_path / "out", *OPTIONS), 1)
    assert "shards must be a folder, but it is a file. Remove it." in errors
    assert errors.count("\n") == 1, errors


@pytest.mark.parametrize("gone", ["data", ".cutmix_gen/shards", ""])
def test_a_folder_that_is_removed_during_the_run_is_made_again_by_the_next(folder, expected, gone, tmp_path):
    output = tmp_path / "out"
    process = start("generate", folder, output, *OPTIONS)
    wait_for(lambda: len(records(output)) > 3)
    (output / gone).rename(tmp_path / "gone")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1, errors
    assert errors.startswith("Error: "), errors
    assert errors.count("\n") == 1, errors
    check_whole(output, expected["parquet"])
    shutil.rmtree(output, ignore_errors=gone == "")
    check_goes_on(folder, output, expected["parquet"])


def test_leftovers_of_another_user_stop_nobody(folder, expected, tmp_path):
    leftover = tmp_path / "out/data/.train-000001.parquet.elsewhere-17-0.cutmix-gen.tmp"
    check_goes_on(folder, tmp_path / "out", expected["parquet"])
    records(tmp_path / "out")[1].unlink()
    leftover.write_bytes(b"half")
    leftover.chmod(0)
    code, errors = run(folder, tmp_path / "out", prepare=obey_permissions)
    assert (code, errors) == (0, "")
    leftover.chmod(0o644)
    make_again = check_goes_on(folder, tmp_path / "out", expected["parquet"])
    assert make_again.new_shards == 0


def test_what_a_power_cut_left_is_made_again(folder, expected, tmp_path):
    output = tmp_path / "out"
    check_goes_on(folder, output, expected["parquet"])
    files = sorted((output / "data").iterdir())
    files[3].unlink()  # lost, with its record there
    files[5].write_bytes(files[5].read_bytes()[:-100])  # cut short
    files[6].write_bytes(b"")
    records(output)[7].write_bytes(b"")  # the record lost its content
    records(output)[8].unlink()  # a shard without its record,
    files[8].write_bytes(b"of another run")  # and stale
    report = check_goes_on(folder, output, expected["parquet"])
    assert report.new_shards == 5
    assert len(tree(output)) == len(expected["parquet"])
