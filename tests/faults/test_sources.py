"""Sources that change between the scan and the moment when they are read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cutmix_gen import GenerateConfig
from cutmix_gen.checking import verify
from cutmix_gen.generation.begin import begin
from tests.faults.runs import make, records, wait_for
from tests.sets import finish, make_folder, rows, start, tree


@pytest.fixture
def begun(tmp_path) -> tuple[Path, Path, Path]:
    """Return a folder of images, a set that was begun with it and has no shard yet, and one of the images."""
    folder = make_folder(tmp_path / "images", per_class=40, size=(48, 32))
    output = tmp_path / "out"
    begin(GenerateConfig(source=folder, output=output, copies=2, shard_size=20))
    return folder, output, folder / "class-1/0007.jpg"


def vanish(image: Path) -> str:
    image.unlink()
    return "the file is gone since it was scanned"


def grow(image: Path) -> str:
    size = image.stat().st_size
    with image.open("ab") as file:
        file.write(b"more")
    return f"the file has more bytes than the {size} that it had when it was scanned"


def shrink(image: Path) -> str:
    size = image.stat().st_size
    image.write_bytes(image.read_bytes()[:-9])
    return f"the file has {size - 9} bytes, {size} that it had when it was scanned"


def become_folder(image: Path) -> str:
    image.unlink()
    image.mkdir()
    return "no regular file"


def become_broken_link(image: Path) -> str:
    image.unlink()
    image.symlink_to("nowhere.jpg")
    return "the file is gone since it was scanned"


def be_garbled(image: Path) -> str:
    image.write_bytes(bytes(image.stat().st_size))  # the same size: the decoder finds it
    return r"\S"  # in the decoder's words


@pytest.mark.parametrize("change", [vanish, grow, shrink, become_folder, become_broken_link, be_garbled])
def test_a_source_that_changed_is_skipped_with_its_reason(begun, change):
    folder, output, image = begun
    reason = change(image)
    report = make(folder, output)
    assert report.exit_code == 3
    assert {skip.path for skip in report.skipped} == {"class-1/0007.jpg"}
    assert all(re.search(reason, skip.reason) for skip in report.skipped)
    assert verify(output, deep=True).ok
    assert len(rows(output)) == 3 * 119


def test_only_the_samples_of_the_lost_source_are_others(begun, tmp_path):
    folder, output, image = begun
    make(folder, tmp_path / "expected")
    before = rows(tmp_path / "expected")
    image.unlink()
    make(folder, output)
    after = rows(output)
    changed = {key for key, row in before.items() if after.get(key) != row}
    block = {key.rpartition("-")[2] for key in changed}
    assert 1 <= len(block) <= 20


def test_another_content_of_the_same_size_is_taken_as_it_is(begun):
    folder, output, image = begun
    one, other = image.read_bytes(), image.with_name("0008.jpg").read_bytes()
    size = max(len(one), len(other))
    image.write_bytes(one.ljust(size, b"\0"))
    begin(GenerateConfig(source=folder, output=output, copies=2, shard_size=20, overwrite=True))
    image.write_bytes(other.ljust(size, b"\0"))  # decodes, to what was not there when it was scanned
    assert make(folder, output).exit_code == 0
    assert verify(output, deep=True).ok


def test_without_its_sources_a_run_does_not_begin(begun, tmp_path):
    folder, output, _ = begun
    folder.rename(tmp_path / "unmounted")
    errors = finish(start("generate", folder, output, "--copies", "2", "--shard-size", "20"), 2)
    assert errors == f"Error: SRC must be a folder of class folders, but there is no folder {folder}.\n"


@pytest.mark.parametrize("leave_mount_point", [True, False])
def test_sources_that_go_out_of_reach_stop_the_run_and_none_is_skipped(begun, tmp_path, leave_mount_point):
    folder, output, _ = begun
    make(folder, tmp_path / "expected")
    process = start("generate", folder, output, "--copies", "2", "--shard-size", "20", "--jobs", "2")
    wait_for(lambda: len(records(output)) > 2)
    folder.rename(tmp_path / "unmounted")
    if leave_mount_point:
        folder.mkdir()
    errors = finish(process, 1)
    assert errors.startswith(f"Error: SRC must stay in reach while the run is at work, but {folder} cannot be read")
    assert errors.count("\n") == 1, errors
    if leave_mount_point:
        folder.rmdir()
    (tmp_path / "unmounted").rename(folder)
    assert make(folder, output).exit_code == 0
    assert tree(output) == tree(tmp_path / "expected")
