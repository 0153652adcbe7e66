"""Several processes at work in one folder."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from cutmix_gen.dataset.manifest import Manifest
from cutmix_gen.errors import SetError
from cutmix_gen.exports import EXPORTS
from cutmix_gen.exports.export import export_set
from tests.faults.runs import OPTIONS, check_whole, make, records, wait_for
from tests.sets import finish, kill_group, start, tree


def both(*commands: tuple[object, ...]) -> list[tuple[int, str]]:
    """Run commands at the same time; return the exit code and the errors of each."""
    processes = [start(*command) for command in commands]
    said = [process.communicate(timeout=120)[1] for process in processes]
    return list(zip([process.returncode for process in processes], said, strict=True))


@pytest.mark.parametrize("shards", ["webdataset"])
def test_the_same_command_twice_at_once_makes_the_set_once(folder, expected, shards, tmp_path):
    command = ("generate", folder, tmp_path / "out", *OPTIONS, "--format", shards)
    assert both(command, command) == [(0, ""), (0, "")]
    assert tree(tmp_path / "out") == expected[shards]


def test_of_two_different_runs_at_once_one_is_refused(folder, expected, tmp_path):
    command = ("generate", folder, tmp_path / "out", *OPTIONS)
    done = both(command, (*command, "--seed", "1"))
    assert sorted(code for code, _ in done) in ([0, 1], [0, 2])
    errors = max(errors for _, errors in done)
    assert "Give --append to add to it, --overwrite to replace it, or another folder." in errors
    if done[0][0] == 0:
        assert tree(tmp_path / "out") == expected["parquet"]
    else:
        make(folder, tmp_path / "other", seed=1)
        assert tree(tmp_path / "out") == tree(tmp_path / "other")


def test_overwrite_is_refused_while_another_run_is_at_work(folder, expected, tmp_path):
    process = start("generate", folder, tmp_path / "out", *OPTIONS)
    wait_for(lambda: records(tmp_path / "out"))
    kill_group(process, signal.SIGSTOP)  # it is at work for as long as this takes
    errors = finish(start("generate", folder, tmp_path / "out", *OPTIONS, "--seed", "1", "--overwrite"), 1)
    assert "must not be replaced while another process makes or adds to the set there" in errors
    kill_group(process, signal.SIGCONT)
    assert finish(process, 0) == ""
    assert tree(tmp_path / "out") == expected["parquet"]


def test_overwrite_after_a_kill_waits_for_the_workers_that_are_left(folder, tmp_path):
    process = start("generate", folder, tmp_path / "out", *OPTIONS)
    wait_for(lambda: len(records(tmp_path / "out")) > 4)
    process.kill()  # its workers live a little longer
    make(folder, tmp_path / "out", seed=1, overwrite=True)
    process.communicate()
    make(folder, tmp_path / "expected", seed=1)
    assert tree(tmp_path / "out") == tree(tmp_path / "expected")


def test_the_same_overwriting_command_twice_at_once_replaces_the_set(folder, expected, tmp_path):
    make(folder, tmp_path / "out", seed=1)
    command = ("generate", folder, tmp_path / "out", *OPTIONS, "--overwrite")
    assert both(command, command) == [(0, ""), (0, "")]
    assert tree(tmp_path / "out") == expected["parquet"]


def test_overwrite_leaves_the_files_of_others_and_says_so(folder, expected, tmp_path):
    make(folder, tmp_path / "out", seed=1, split="holiday.000001")
    theirs = ("data/holiday-000001.parquet", "data/train-000099.parquet", "data/notes.txt")
    for name in theirs:
        (tmp_path / "out" / name).write_bytes(b"of the user")
    errors = finish(start("generate", folder, tmp_path / "out", *OPTIONS, "--overwrite"), 0)
    assert f"they stay: {', '.join(sorted(theirs))}." in errors
    found = tree(tmp_path / "out")
    assert {name: found.pop(name) for name in theirs}.keys() == set(theirs)
    assert found == expected["parquet"]


@pytest.mark.parametrize("name", ["data", ".cutmix_gen", ".cutmix_gen/shards"])
def test_a_run_writes_and_deletes_nothing_through_a_link(folder, tmp_path, name):
    make(folder, tmp_path / "out", seed=1)
    (tmp_path / "out" / name).rename(tmp_path / "outside")
    (tmp_path / "out" / name).symlink_to(tmp_path / "outside")
    (tmp_path / "outside/train-000099.parquet").write_bytes(b"of the user")
    before = tree(tmp_path)
    for options in (("--overwrite",), ("--append",), ("--seed", "1")):
        errors = finish(start("generate", folder, tmp_path / "out", *OPTIONS, *options), 1)
        assert f"{name} must be a folder, but it is a link to" in errors
    errors = finish(start("finalize", tmp_path / "out"), 1)
    assert f"{name} must be a folder, but it is a link to" in errors
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", ["data", ".cutmix_gen"])
def test_a_new_set_is_not_begun_through_a_link(folder, tmp_path, name):
    for place in ("outside", "out"):
        (tmp_path / place).mkdir()
    (tmp_path / "out" / name).symlink_to(tmp_path / "outside")
    errors = finish(start("generate", folder, tmp_path / "out", *OPTIONS), 1)
    assert f"{name} must be a folder, but it is a link to" in errors
    assert tree(tmp_path) == {}


def test_a_set_may_lie_behind_a_link(folder, expected, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    make(folder, tmp_path / "out", seed=1)
    make(folder, tmp_path / "out", overwrite=True)
    assert tree(tmp_path / "disk") == expected["parquet"]


@pytest.mark.parametrize("seeds", [("1", "1"), ("1", "2")])
def test_two_appending_runs_at_once_add_what_each_asked_for(folder, tmp_path, seeds):
    make(folder, tmp_path / "out", copies=1)
    command = ("generate", folder, tmp_path / "out", *OPTIONS, "--append", "--no-originals")
    done = both(*[(*command, "--seed", seed) for seed in seeds])
    assert [code for code, _ in done] == [0, 0], done
    runs = Manifest(tmp_path / "out").runs()
    assert {str(run.config["seed"]) for run in runs[1:]} == set(seeds)
    assert len(runs) == 1 + len(set(seeds))
    numbers = [int(path.stem) for path in records(tmp_path / "out")]
    assert numbers == list(range(36 + 36 * len(set(seeds))))


def test_two_runs_over_different_sources_keep_their_indexes_apart(folder, expected, tmp_path):
    make(folder, tmp_path / "out")
    other = tmp_path / "images"
    other.mkdir()
    for label in range(3):
        (other / f"class-{label}").symlink_to(folder / f"class-{2 - label}")
    (tmp_path / "out/.cutmix_gen/dataset.json").rename(tmp_path / "dataset.json")
    # As a process finds it that looked a moment before the first one began.
    with pytest.raises(SetError, match=r"holds other files"):
        make(other, tmp_path / "out")
    (tmp_path / "dataset.json").rename(tmp_path / "out/.cutmix_gen/dataset.json")
    check_whole(tmp_path / "out", expected["parquet"])


@pytest.mark.parametrize("is_there", [False, True], ids=["new", "empty"])
@pytest.mark.parametrize("form", EXPORTS)
def test_of_two_exports_at_once_one_is_whole_and_the_other_says_why_not(folder, tmp_path, form, is_there):
    make(folder, tmp_path / "out")
    export_set(tmp_path / "out", tmp_path / "expected", form, jobs=1)
    (tmp_path / "new").mkdir() if is_there else None
    command = ("export", tmp_path / "out", tmp_path / "new", "--format", form, "--jobs", "2")
    done = both(command, command, command)
    assert sorted(code for code, _ in done) == [0, 1, 1], done
    for code, errors in done:
        assert code == 0 or "is being filled by another process" in errors or "FOLDER must be new or empty" in errors
    assert tree(tmp_path / "new") == tree(tmp_path / "expected")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["expected", "new", "out"]


def test_an_export_after_a_kill_is_whole(folder, tmp_path):
    make(folder, tmp_path / "out")
    command = ("export", tmp_path / "out", tmp_path / "new", "--format", "imagefolder", "--jobs", "2")
    process = start(*command)
    wait_for(lambda: list(tmp_path.glob(".new.*.cutmix-gen.tmp/train/*/*.jpg")))
    process.kill()  # its workers live a little longer
    assert not (tmp_path / "new").exists()
    assert finish(start(*command), 0) == ""
    process.communicate()
    export_set(tmp_path / "out", tmp_path / "expected", "imagefolder", jobs=1)
    assert tree(tmp_path / "new") == tree(tmp_path / "expected")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["expected", "new", "out"]


def test_the_same_conversion_twice_at_once_makes_the_set_once(folder, expected, tmp_path):
    make(folder, tmp_path / "out")
    command = ("convert", tmp_path / "out", tmp_path / "new", "--format", "webdataset", "--jobs", "2")
    assert [code for code, _ in both(command, command)] == [0, 0]
    assert tree(tmp_path / "new") == expected["webdataset"]


def test_of_the_conversions_of_two_sets_at_once_one_is_refused(folder, tmp_path):
    seeds = (0, 1)
    for seed in seeds:
        make(folder, tmp_path / f"out{seed}", seed=seed)
    done = both(*(("convert", tmp_path / f"out{seed}", tmp_path / "new", "--format", "webdataset") for seed in seeds))
    assert sorted(code for code, _ in done) == [0, 1], done
    assert "holds another set" in max(errors for _, errors in done)
    made = next(seed for seed, (code, _) in zip(seeds, done, strict=True) if code == 0)
    make(folder, tmp_path / "expected", seed=made, format="webdataset")
    assert tree(tmp_path / "new") == tree(tmp_path / "expected")


HOLDER = """
import pathlib, sys
from cutmix_gen.dataset.manifest import Manifest
with Manifest(pathlib.Path(sys.argv[1])).beginning():
    print(flush=True)
    sys.stdin.read()
"""


def test_a_process_that_was_killed_while_it_began_a_run_keeps_nobody_out(folder, expected, tmp_path):
    command = [sys.executable, "-c", HOLDER, tmp_path / "out"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        assert len(list((tmp_path / "out/.cutmix_gen").iterdir())) == 1
        process.kill()
    make(folder, tmp_path / "out")
    assert tree(tmp_path / "out") == expected["parquet"]
