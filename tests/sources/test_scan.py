from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutmix_gen.dataset.records import Source
from cutmix_gen.dataset.source_index import SourceIndex, write_index
from cutmix_gen.errors import SourceError
from cutmix_gen.sources import scan as source
from cutmix_gen.sources import walk
from cutmix_gen.sources.scan import fingerprint, scan
from cutmix_gen.sources.shard_sources import scan_source
from tests.benchmarks import scale
from tests.dataset.test_source_index import made_scan
from tests.permissions import obey_permissions


def tree(root, *paths):
    """Make files (`a/b.png`), each as many bytes long as its path; a path that ends with a slash is a folder."""
    for path in paths:
        place = os.path.join(os.fsencode(root), path if isinstance(path, bytes) else path.encode())  # noqa: PTH118
        os.makedirs(place if place.endswith(b"/") else os.path.dirname(place), exist_ok=True)  # noqa: PTH103, PTH120
        if not place.endswith(b"/"):
            with open(place, "wb") as file:  # noqa: PTH123
                file.write(b"x" * len(path))
    return root


def test_classes_and_images_are_sorted(tmp_path):
    found = scan(tree(tmp_path, "owl/2.png", "cat/b.png", "owl/10.png", "cat/a.png", "Zebra/z.png", "cat/C.png"))
    assert found.classes == ("Zebra", "cat", "owl")
    assert list(found.paths) == [b"Zebra/z.png", b"cat/C.png", b"cat/a.png", b"cat/b.png", b"owl/10.png", b"owl/2.png"]
    assert found.labels.tolist() == [0, 1, 1, 1, 2, 2]
    assert found.sizes.tolist() == [len(path) for path in found.paths]
    assert found.passed_over == {}
    assert len(found) == 6


def test_the_order_in_which_files_were_made_does_not_matter(tmp_path):
    names = [f"{folder}/{number}.png" for folder in "ba" for number in (3, 1, 2)]
    one, two = scan(tree(tmp_path / "one", *names)), scan(tree(tmp_path / "two", *reversed(names)))
    assert list(one.paths) == list(two.paths)
    assert fingerprint(one) == fingerprint(two)


def test_images_may_lie_deeper(tmp_path):
    found = scan(tree(tmp_path, "cat/1.png", "cat/deep/er/2.png", "cat/deep/3.png", "dog/x/4.png"))
    assert list(found.paths) == [b"cat/1.png", b"cat/deep/3.png", b"cat/deep/er/2.png", b"dog/x/4.png"]
    assert found.classes == ("cat", "dog")


@settings(max_examples=100, deadline=None)
@given(
    names=st.sets(
        st.lists(st.text("-.0a/\u00e9", min_size=1, max_size=3), min_size=1, max_size=4).map("/".join), max_size=12
    )
)
def test_paths_are_sorted_by_all_of_their_bytes(tmp_path_factory, names):
    """A folder sorts among its neighbours with a slash after its name, which stands between a full stop and 0."""
    root = tmp_path_factory.mktemp("tree")
    paths = {b"cat/" + name.strip("/").encode() + b"x.png" for name in names} | {b"cat/1.png", b"cat/a/1.png"}
    paths = {path for path in paths if b"//" not in path and b"/." not in path}
    tree(root, *paths)
    assert list(scan(root).paths) == sorted(paths)


@pytest.mark.parametrize("extension", sorted(extension.decode() for extension in walk.EXTENSIONS))
def test_extensions_count_in_any_case(tmp_path, extension):
    names = [f"cat/1.{extension}", f"cat/2.{extension.upper()}", f"cat/3.{extension.title()}"]
    assert len(scan(tree(tmp_path, *names))) == 3


def test_hidden_files_and_folders_are_passed_over_and_counted(tmp_path):
    found = scan(tree(tmp_path, "cat/1.png", "cat/2.png", "cat/._1.png", "cat/.cache/3.png", ".git/4.png", ".DS_Store"))
    assert list(found.paths) == [b"cat/1.png", b"cat/2.png"]
    assert found.classes == ("cat",)
    assert sum(found.passed_over.values()) == found.passed_over["hidden"] == 4


def test_what_has_no_images_name_is_passed_over_and_counted(tmp_path):
    found = scan(
        tree(tmp_path, "cat/1.png", "cat/2.png", "cat/notes.txt", "cat/none", "cat/Thumbs.db", "cat/3.png.bak")
    )
    assert list(found.paths) == [b"cat/1.png", b"cat/2.png"]
    assert found.passed_over == {"not an image by its name": 4}


def test_a_file_that_is_called_like_an_extension_has_none(tmp_path):
    assert list(scan(tree(tmp_path, "cat/1.png", "cat/2.png", "cat/png")).paths) == [b"cat/1.png", b"cat/2.png"]


def test_files_beside_the_class_folders_are_passed_over_and_counted(tmp_path):
    found = scan(tree(tmp_path, "cat/1.png", "cat/2.png", "README.md", "stray.png"))
    assert list(found.paths) == [b"cat/1.png", b"cat/2.png"]
    assert found.passed_over == {"not in a class folder": 2}


def test_links_are_followed(tmp_path):
    tree(tmp_path, "src/cat/1.png", "src/cat/2.png", "elsewhere/3.png", "elsewhere/4.png")
    (tmp_path / "src/dog").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "src/cat/linked.png").symlink_to(tmp_path / "elsewhere/3.png")
    found = scan(tmp_path / "src")
    assert list(found.paths) == [b"cat/1.png", b"cat/2.png", b"cat/linked.png", b"dog/3.png", b"dog/4.png"]
    assert found.sizes[2] == len("elsewhere/3.png")


@pytest.mark.parametrize("target", [".", "../cat", "deep/.."])
def test_a_link_to_the_folder_it_lies_in_is_passed_over_and_counted(tmp_path, target):
    tree(tmp_path, "cat/1.png", "cat/deep/2.png")
    (tmp_path / "cat/again").symlink_to(target)
    found = scan(tmp_path)
    assert list(found.paths) == [b"cat/1.png", b"cat/deep/2.png"]
    assert found.passed_over == {"link in a circle": 1}


def test_links_into_each_other_end(tmp_path):
    tree(tmp_path, "cat/one/1.png", "cat/two/2.png")
    (tmp_path / "cat/one/there").symlink_to("../two")
    (tmp_path / "cat/two/back").symlink_to("../one")
    found = scan(tmp_path)
    assert {b"cat/one/1.png", b"cat/two/2.png"} <= set(found.paths)
    assert found.passed_over["link in a circle"] >= 2


@pytest.mark.parametrize("target", ["..", "../..", "../../.."])
def test_a_link_to_a_folder_above_the_classes_is_passed_over_and_counted(tmp_path, target):
    tree(tmp_path, "sets/train/cat/1.png", "sets/train/dog/2.png")
    (tmp_path / "sets/train/cat/up").symlink_to(target)
    found = scan(tmp_path / "sets/train")
    assert list(found.paths) == [b"cat/1.png", b"dog/2.png"]
    assert found.passed_over == {"link in a circle": 1}


@pytest.mark.parametrize("name", ["loop", "loop.png"])
def test_a_link_to_itself_is_passed_over_and_counted(tmp_path, name):
    tree(tmp_path, "cat/1.png", "cat/2.png")
    (tmp_path / "cat" / name).symlink_to(name)
    found = scan(tmp_path)
    assert list(found.paths) == [b"cat/1.png", b"cat/2.png"]
    assert sum(found.passed_over.values()) == 1


def test_a_link_to_itself_beside_the_class_folders_is_passed_over_and_counted(tmp_path):
    tree(tmp_path, "cat/1.png", "cat/2.png")
    (tmp_path / "loop").symlink_to("loop")
    assert scan(tmp_path).passed_over == {"not in a class folder": 1}


def test_broken_links_and_special_files_are_passed_over_and_counted(tmp_path):
    tree(tmp_path, "cat/1.png", "cat/2.png")
    (tmp_path / "cat/gone.png").symlink_to("nowhere")
    os.mkfifo(tmp_path / "cat/pipe.png")
    found = scan(tmp_path)
    assert list(found.paths) == [b"cat/1.png", b"cat/2.png"]
    assert found.passed_over == {"broken link or special file": 2}


def test_names_may_have_dots_spaces_and_any_unicode(tmp_path):
    names = ["c. a t/a.b.c.png", "c. a t/ .png", "c. a t/x .jpg", "猫😀/ü.png", "猫😀/Ω≈ç√.png", "a\nb/'\".png"]
    found = scan(tree(tmp_path, *names))
    assert set(found.paths) == {name.encode() for name in names}
    assert found.classes == ("a\nb", "c. a t", "猫😀")


def test_names_need_not_be_text(tmp_path):
    found = scan(tree(tmp_path, b"c\xff/\xfe.png", b"c\xff/back\\slash.png", b"d\\xff/1.png"))
    assert list(found.paths) == [b"c\xff/back\\slash.png", b"c\xff/\xfe.png", b"d\\xff/1.png"]
    assert found.classes == (r"c\xff", r"d\\xff")


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Train", "VAL"), ("training", "validation"), ("test",)])
def test_a_folder_of_splits_is_refused_with_the_remedy(tmp_path, names):
    tree(tmp_path, *(f"{name}/cat/{number}.png" for name in names for number in range(2)))
    with pytest.raises(SourceError, match=r"splits.*not classes.*Give one of them as SRC") as error:
        scan(tmp_path)
    assert any(str(tmp_path / name) in str(error.value) for name in names)


def test_classes_that_are_named_like_splits_are_taken_where_they_hold_images(tmp_path):
    assert scan(tree(tmp_path, "test/1.png", "train/2.png")).classes == ("test", "train")


def test_a_folder_of_images_without_class_folders_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(SourceError, match=r"sub-folder for each class.*images directly in it.*Move"):
        scan(tree(tmp_path, "1.png", "2.png"))


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(SourceError, match="sub-folder for each class"):
        scan(tmp_path)


def test_class_folders_without_images_are_refused_with_what_was_passed_over(tmp_path):
    with pytest.raises(SourceError, match=r"no image was found in its 2 class folders; passed over: 1 not an image"):
        scan(tree(tmp_path, "cat/", "dog/notes.txt"))


def test_a_single_image_is_refused_by_its_name(tmp_path):
    with pytest.raises(SourceError, match=r"at least two images.*one image \(cat/only\.png\)"):
        scan(tree(tmp_path, "cat/only.png", "dog/"))


def test_two_images_are_enough(tmp_path):
    assert len(scan(tree(tmp_path, "cat/1.png", "cat/2.png"))) == 2


@pytest.mark.parametrize(("name", "what"), [("none", "there is no folder .*none"), ("file.txt", "file.txt is a file")])
def test_a_folder_that_is_none_is_refused_by_its_name(tmp_path, name, what):
    (tmp_path / "file.txt").write_text("no folder")
    with pytest.raises(SourceError, match=what):
        scan(tmp_path / name)


def test_the_index_of_a_real_folder_leads_back_to_the_files(tmp_path):
    root = tree(tmp_path / "src", "cat/1.png", b"cat/\xff.png", "dog/deep/2.png")
    write_index(scan(root), tmp_path / "runs" / "0001.arrow")
    rows = SourceIndex(tmp_path / "runs" / "0001.arrow", [2, 1]).rows(np.array([2, 0, 1]))
    assert rows == [Source("dog/deep/2.png", 1, 14), Source("cat/1.png", 0, 9), Source(r"cat/\xff.png", 0, 9)]


def test_the_fingerprint_is_that_of_the_content_and_not_of_the_place(tmp_path):
    root = tree(tmp_path / "one", "cat/1.png", "dog/2.png")
    shutil.copytree(root, tmp_path / "two")
    assert fingerprint(scan(root)) == fingerprint(scan(tmp_path / "two"))


@pytest.mark.parametrize("batch", [1, 3, 7, 100])
def test_the_fingerprint_does_not_depend_on_the_pieces_in_which_it_is_taken(monkeypatch, batch):
    scanned = made_scan(7)
    whole = hashlib.sha256(b"\0".join(scanned.paths) + scanned.labels.tobytes() + scanned.sizes.tobytes())
    monkeypatch.setattr(source, "_PIECE", batch)
    assert fingerprint(scanned) == whole.hexdigest()


def test_the_fingerprint_changes_with_a_path_a_size_or_a_class():
    scanned = made_scan(6)
    paths, labels, sizes = [*scanned.paths[:-1], b"other"], scanned.labels.copy(), scanned.sizes.copy()
    labels[0] += 1
    sizes[3] += 1
    fewer = replace(scanned, paths=scanned.paths[:-1], labels=scanned.labels[:-1], sizes=scanned.sizes[:-1])
    changed = [replace(scanned, paths=paths), replace(scanned, labels=labels), replace(scanned, sizes=sizes), fewer]
    assert len({fingerprint(each) for each in [scanned, *changed]}) == 5


def test_the_fingerprint_changes_when_a_file_is_renamed_grows_or_moves(tmp_path):
    root = tree(tmp_path, "cat/1.png", "cat/2.png", "dog/3.png")
    seen = {fingerprint(scan(root))}
    (root / "cat/1.png").rename(root / "cat/0.png")
    seen.add(fingerprint(scan(root)))
    (root / "cat/2.png").write_bytes(b"longer than it was")
    seen.add(fingerprint(scan(root)))
    (root / "dog/3.png").rename(root / "cat/3.png")
    seen.add(fingerprint(scan(root)))
    assert len(seen) == 4


def test_the_benchmark_of_very_many_sources_plans_and_finds_a_task(tmp_path):
    for part in ("plan", "task"):
        scale.PARTS[part](100_001, tmp_path)


@pytest.mark.parametrize("images", [2, 999, 1000, 1001, 100_001])
def test_the_benchmark_counts_its_classes_as_it_names_them(images):
    labels = np.arange(images) * scale.CLASSES // images
    assert scale.class_counts(images) == np.bincount(labels, minlength=scale.CLASSES).tolist()


def test_a_class_without_an_image_counts_and_is_warned_of(tmp_path, caplog):
    tree(tmp_path, "a/1.png", "a/2.png", "b/", "c/notes.txt")
    assert scan(tmp_path).classes == ("a", "b", "c")
    assert "2 class folders hold no image, but count as classes: b, c." in caplog.text
    caplog.clear()
    tree(tmp_path, "b/1.png")
    scan(tmp_path)
    assert "One class folder holds no image, but counts as a class: c." in caplog.text
    tree(tmp_path, "c/1.png")
    caplog.clear()
    scan(tmp_path)
    assert not caplog.text


@pytest.mark.parametrize(
    ("closed", "mode", "named"),
    [("cat", 0o000, "cat"), ("cat/deep", 0o000, "cat/deep"), ("cat", 0o400, "cat/"), ("", 0o000, "")],
)
def test_a_folder_that_cannot_be_read_stops_the_scan_with_the_remedy(tmp_path, closed, mode, named):
    root = tree(tmp_path / "src", "cat/1.png", "cat/2.png", "dog/3.png", "cat/deep/4.png")
    (root / closed).chmod(mode)
    command = [sys.executable, "-m", "cutmix_gen", "generate", root, tmp_path / "out"]
    done = subprocess.run(command, preexec_fn=obey_permissions, capture_output=True, text=True, check=False)
    (root / closed).chmod(0o700)
    assert done.returncode == 2
    where = re.escape(str(root / named))
    expected = (
        rf"All of SRC must be readable, but {where}\S* cannot be looked into: permission denied\. Make it readable"
    )
    assert re.search(expected, done.stderr), done.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_gone_since_its_name_was_read_stops_the_scan_with_the_remedy(tmp_path, monkeypatch):
    tree(tmp_path, "cat/1.png", "cat/2.png", "dog/3.png")
    listed = walk.Walk.images

    def images_of_a_folder_that_goes(self, name, limit=None):
        if name == b"dog":
            shutil.rmtree(tmp_path / "dog")
        return listed(self, name, limit)

    monkeypatch.setattr(walk.Walk, "images", images_of_a_folder_that_goes)
    with pytest.raises(SourceError, match=r"dog cannot be looked into: no such file or directory\. It was there a mom"):
        scan_source(tmp_path)


def test_a_file_that_is_gone_since_its_name_was_read_counts_as_a_broken_link(tmp_path, monkeypatch):
    tree(tmp_path, "cat/1.png", "cat/2.png", "dog/3.png", "dog/4.png")
    is_image_name = walk._is_image_name

    def goes(name):
        if name == b"3.png":
            (tmp_path / "dog/3.png").unlink()
        return is_image_name(name)

    monkeypatch.setattr(walk, "_is_image_name", goes)
    found = scan_source(tmp_path)
    assert list(found.paths) == [b"cat/1.png", b"cat/2.png", b"dog/4.png"]
    assert found.passed_over == {"broken link or special file": 1}


def test_folders_deeper_than_a_path_can_tell_are_refused_in_few_words(tmp_path):
    root = tree(tmp_path / "src", "cat/1.png", "cat/2.png")
    here = os.open(root / "cat", os.O_RDONLY)
    for _ in range(25):
        os.mkdir("d" * 200, dir_fd=here)
        deeper = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(here)
    with pytest.raises(SourceError, match=r"file name too long\. Bring what lies so deep further up") as caught:
        scan_source(root)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("command", ["generate", "preview"])
def test_a_link_to_itself_is_no_folder(tmp_path, command):
    (tmp_path / "src").symlink_to("src")
    options = ["-o", tmp_path / "x.png"] if command == "preview" else [tmp_path / "out"]
    arguments = [sys.executable, "-m", "cutmix_gen", command, tmp_path / "src", *options]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "there is no folder" in done.stderr
