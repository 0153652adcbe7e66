from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutmix_gen.errors import OutputError, UsageError
from cutmix_gen.sources.read import read_source, source_path
from cutmix_gen.storage import (
    AtomicFile,
    local,
    new_folder,
    one_at_a_time,
    parse_place,
    path_bytes,
    path_text,
    put_bytes,
    put_new,
    remove_leftovers,
    sha256,
    stamps,
)

names = st.binary(min_size=1).map(lambda name: name.replace(b"\0", b"").replace(b"/", b"")).filter(bool)


@given(name=st.one_of(names, st.lists(st.sampled_from([b"\\", b"\xff", b"x41", b"x", b"\\xff", b"a"])).map(b"".join)))
def test_any_name_without_nul_and_slash_survives_as_text(name):
    text = path_text(name)
    assert path_bytes(text) == name
    assert text.encode("utf-8").decode("utf-8") == text


@given(parts=st.lists(names, min_size=1, max_size=4))
def test_a_path_keeps_its_slashes(parts):
    text = path_text(b"/".join(parts))
    assert text.count("/") == len(parts) - 1
    assert [path_bytes(part) for part in text.split("/")] == parts


@given(text=st.text(st.characters(exclude_characters="\0\\", exclude_categories=["Cs"])))
def test_a_name_that_is_text_without_a_backslash_stays_as_it_is(text):
    assert path_text(text.encode()) == text


@given(one=names, two=names)
def test_two_names_never_become_one_text(one, two):
    assert (path_text(one) == path_text(two)) == (one == two)


@pytest.mark.parametrize(
    "name", [b"caf\xe9.jpg", "café 猫😀.jpg".encode(), b"back\\slash.jpg", b"\\xff\xff\\.jpg", b"a.b c"]
)
def test_a_source_of_any_name_is_read_below_its_root(tmp_path, name):
    folder = os.path.join(os.fsencode(tmp_path), b"cl\xff")  # noqa: PTH118  no text
    os.mkdir(folder)  # noqa: PTH102
    with open(os.path.join(folder, name), "wb") as file:  # noqa: PTH118, PTH123
        file.write(b"content")
    assert read_source(tmp_path, path_text(b"cl\xff/" + name)) == b"content"
    assert source_path(tmp_path, b"cl\xff/" + name) == os.fsencode(tmp_path) + b"/cl\xff/" + name


def test_a_file_appears_under_its_name_when_it_is_committed(tmp_path):
    file = AtomicFile(tmp_path / "data" / "shard")
    file.temporary.write_bytes(b"whole")
    assert not file.path.exists()
    file.commit()
    assert file.path.read_bytes() == b"whole"
    assert os.listdir(file.path.parent) == ["shard"]  # noqa: PTH208


def test_a_committed_file_takes_the_place_of_the_one_before(tmp_path):
    (tmp_path / "card").write_bytes(b"old")
    file = AtomicFile(tmp_path / "card")
    file.temporary.write_bytes(b"new")
    assert (tmp_path / "card").read_bytes() == b"old"
    file.commit()
    assert (tmp_path / "card").read_bytes() == b"new"


def test_a_discarded_file_leaves_nothing(tmp_path):
    file = AtomicFile(tmp_path / "shard")
    file.temporary.write_bytes(b"half")
    file.discard()
    file.discard()
    assert list(tmp_path.iterdir()) == []


def test_discarding_after_the_commit_changes_nothing(tmp_path):
    file = AtomicFile(tmp_path / "shard")
    file.temporary.write_bytes(b"whole")
    file.commit()
    file.discard()
    assert (tmp_path / "shard").read_bytes() == b"whole"


def test_a_temporary_file_is_hidden_and_beside_its_place(tmp_path):
    file = AtomicFile(tmp_path / "data" / "train-000001.parquet")
    assert file.temporary.parent == file.path.parent
    assert file.temporary.name.startswith(".")


def test_only_the_first_of_two_new_files_gets_the_name(tmp_path):
    for content, first in ((b"one", True), (b"two", False)):
        file = AtomicFile(tmp_path / "0001.json")
        file.temporary.write_bytes(content)
        assert file.commit_new() is first
        file.discard()
    assert (tmp_path / "0001.json").read_bytes() == b"one"
    assert len(list(tmp_path.iterdir())) == 1


def test_putting_a_new_file_tells_whether_it_was_written(tmp_path):
    assert put_new(tmp_path / "run", b"one")
    assert not put_new(tmp_path / "run", b"two")
    assert (tmp_path / "run").read_bytes() == b"one"


def test_putting_bytes_makes_the_folders_above(tmp_path):
    put_bytes(tmp_path / "a" / "b" / "c", b"content")
    assert (tmp_path / "a" / "b" / "c").read_bytes() == b"content"


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "no space left on device. Make room on the disk"),
        (errno.EDQUOT, "quota exceeded. Make room, or have your quota raised"),
        (errno.EROFS, "read-only file system. Give another folder"),
        (errno.EMFILE, "too many open files. Have the limit on open files raised"),
        (errno.EIO, "input/output error. Look after the disk"),
    ],
)
def test_a_failed_commit_says_why_and_leaves_nothing_behind(tmp_path, monkeypatch, number, remedy):
    def full(_handle):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=f"record must be written, but that failed: .*{remedy}"):
        put_bytes(tmp_path / "record", b"content")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_flushed_before_it_gets_its_name(tmp_path, monkeypatch):
    flushed = []
    real = os.fsync

    def fsync(handle):
        flushed.append((os.readlink(f"/proc/self/fd/{handle}"), (tmp_path / "record").exists()))  # noqa: PTH115
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    file = AtomicFile(tmp_path / "record")
    file.temporary.write_bytes(b"content")
    file.commit()
    assert flushed == [(str(file.temporary), False), (str(tmp_path), True)]


WRITER = """
import pathlib, sys
from cutmix_gen.storage import AtomicFile
AtomicFile(pathlib.Path(sys.argv[1])).temporary.write_bytes(b"half")
print("written", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def writer(tmp_path):
    """Return another process that is in the middle of writing a file."""
    command = [sys.executable, "-c", WRITER, tmp_path / "train-000001.parquet"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"written\n"
        yield process
        process.kill()


def test_what_a_killed_process_left_is_removed(tmp_path, writer):
    writer.kill()
    writer.wait()
    assert len(list(tmp_path.iterdir())) == 1
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_a_living_process_writes_is_left_alone(tmp_path, writer):
    assert writer.poll() is None
    before = list(tmp_path.iterdir())
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == before


def test_what_this_process_writes_is_left_alone(tmp_path):
    file = AtomicFile(tmp_path / "shard")
    file.temporary.write_bytes(b"whole")
    remove_leftovers(tmp_path)
    file.commit()
    assert (tmp_path / "shard").read_bytes() == b"whole"


@pytest.mark.parametrize("target", ["nothing", "file"])
def test_nothing_is_made_through_a_link_that_lies_where_a_lock_or_a_temporary_file_goes(tmp_path, monkeypatch, target):
    (tmp_path / "file").write_bytes(b"of the user")
    folder = tmp_path / "set"
    folder.mkdir()
    monkeypatch.setattr(local, "unique", lambda: "1-2")
    temporary = folder / local.temporary_name("record")
    for name in (".one.cutmix-gen.tmp", ".set.one.cutmix-gen.tmp", temporary.name):
        (folder / name).symlink_to(tmp_path / target)
    for made in (one_at_a_time(folder), new_folder(folder)):
        with pytest.raises(OutputError, match=r"set.* must be written, but that failed: .* Remove the link"), made:
            pass
    with pytest.raises(OutputError, match=r"record must be written, but that failed: .* Remove what lies in its way"):
        put_bytes(folder / "record", b"content")
    remove_leftovers(folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "set"]
    assert (tmp_path / "file").read_bytes() == b"of the user"


def test_a_hard_link_that_lies_where_a_temporary_file_goes_is_not_written_to(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"of the user")
    monkeypatch.setattr(local, "unique", lambda: "1-2")
    (tmp_path / local.temporary_name("record")).hardlink_to(tmp_path / "file")
    with pytest.raises(OutputError, match="file exists"):
        put_bytes(tmp_path / "record", b"content")
    assert (tmp_path / "file").read_bytes() == b"of the user"


@pytest.mark.parametrize("name", ["x" * 255, "\u732b" * 85, "x" * 63 + "\u732b"])
def test_a_name_may_be_as_long_as_the_disk_takes_it(tmp_path, name):
    put_bytes(tmp_path / name, b"content")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_name_that_is_too_long_is_an_error_in_words(tmp_path):
    with pytest.raises(OutputError, match="Give a shorter name"):
        put_bytes(tmp_path / ("x" * 256), b"content")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [".hidden", "data.tmp", ".x.tmp", "train-000001.parquet"])
def test_files_of_others_are_left_alone(tmp_path, name):
    (tmp_path / name).write_bytes(b"of the user")
    remove_leftovers(tmp_path)
    assert (tmp_path / name).exists()


def test_there_is_nothing_to_remove_in_a_folder_that_is_not_there(tmp_path):
    remove_leftovers(tmp_path / "none")


def test_a_hash_is_that_of_the_content(tmp_path):
    (tmp_path / "shard").write_bytes(b"content" * 100_000)
    assert sha256(tmp_path / "shard") == hashlib.sha256(b"content" * 100_000).hexdigest()


def test_a_file_that_goes_while_its_folder_is_listed_hides_no_other(tmp_path, monkeypatch):
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(b"12345")
    with os.scandir(tmp_path) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    (tmp_path / "b").unlink()

    class Listing(list):
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    monkeypatch.setattr("cutmix_gen.storage.os.scandir", lambda _: Listing(found))
    assert {name: stamp.size for name, stamp in stamps(tmp_path).items()} == {"a": 5, "c": 5}


@pytest.mark.parametrize(
    "text",
    ["", "a\x00b", "\ud800", "x" * 5000, "x/" * 1000, "file:///a%00b", Path("a\x00b"), 7, None, b"x", ["x"], 10**5000],
    ids=lambda text: type(text).__name__,
)
def test_what_no_file_system_takes_for_a_path_is_refused(text):
    with pytest.raises(UsageError) as error:
        parse_place(text)
    assert len(str(error.value)) < 300
