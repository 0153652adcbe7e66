"""Where `-o` leads: files, links, devices, pipes, standard output."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from cutmix_gen import GenerateConfig, generate
from cutmix_gen.cli import main
from tests.images import pixels_in
from tests.sets import make_folder, tree

KEY = "0001-001-000000003"
COMMANDS = {
    "report": ("report", "OUT"),
    "grid": ("grid", "OUT", "--rows", "1", "--columns", "2"),
    "preview": ("preview", "SRC", "--rows", "1", "--columns", "2", "--size", "16"),
    "replay": ("replay", "OUT", KEY),
    "loader": ("loader", "OUT", "--framework", "numpy"),
    "strategies": ("strategies", "SRC"),
}
PICTURES = ("grid", "preview", "replay", "strategies")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("made")
    make_folder(root / "images", per_class=4, size=(16, 16))
    generate(GenerateConfig(source=root / "images", output=root / "out", backend="serial"))
    return root


def words(made: Path, name: str, output: object) -> list[str]:
    places = {"OUT": str(made / "out"), "SRC": str(made / "images")}
    return [*(places.get(word, word) for word in COMMANDS[name]), "-o", str(output)]


def run(made: Path, name: str, output: object):
    return CliRunner().invoke(main, words(made, name, output))


def file_name(name: str) -> str:
    return "made.png" if name in PICTURES else "made.txt"


def check_content(name: str, data: bytes) -> None:
    if name in PICTURES:
        assert pixels_in(data).size
    else:
        assert b"</html>" in data if name == "report" else b"import numpy" in data


@pytest.fixture
def full(tmp_path) -> Path:
    """Return a device that is always full: one that may be lost where it can be."""
    if os.geteuid():
        return Path("/dev/full")
    os.mknod(tmp_path / "full", 0o666 | stat.S_IFCHR, os.makedev(1, 7))
    return tmp_path / "full"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_device_is_written_to_and_not_replaced(made, tmp_path, full, name):
    (tmp_path / "link.png").symlink_to(full)
    for place in (full, tmp_path / "link.png"):
        result = run(made, name, place)
        assert result.exit_code == 1
        assert f"{place} must be written, but that failed: no space left on device." in result.stderr
    assert stat.S_ISCHR(full.stat().st_mode)
    assert (tmp_path / "link.png").is_symlink()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_pipe_gets_all_of_it_and_stays(made, tmp_path, name):
    os.mkfifo(tmp_path / "pipe")
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    result = run(made, name, tmp_path / "pipe")
    reader.join(timeout=30)
    assert result.exit_code == 0, result.output
    check_content(name, read[0])
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("is_there", [True, False], ids=["file", "nothing"])
def test_a_link_stays_and_what_it_names_is_replaced(made, tmp_path, name, is_there):
    (tmp_path / "deep").mkdir()
    target, link = tmp_path / "deep" / file_name(name), tmp_path / f"link-{file_name(name)}"
    if is_there:
        target.write_bytes(b"before")
        (tmp_path / "before").hardlink_to(target)
    link.symlink_to(target.relative_to(tmp_path))
    result = run(made, name, link)
    assert result.exit_code == 0, result.output
    assert link.is_symlink()
    check_content(name, target.read_bytes())
    assert not is_there or (tmp_path / "before").read_bytes() == b"before"  # a new file, renamed
    assert len(list(tmp_path.rglob("*"))) == 3 + is_there


@pytest.mark.parametrize("name", COMMANDS)
def test_a_folder_and_what_lies_nowhere_are_refused_before_any_work(made, tmp_path, name):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "link.png").symlink_to(tmp_path / "nowhere/made.png")
    for place, message in (
        (tmp_path / "folder.png", "-o must be a file, but"),
        (tmp_path / "nowhere/made.png", "There is no folder"),
        (tmp_path / "link.png", "There is no folder"),
    ):
        result = run(made, name, place)
        assert result.exit_code == 2
        assert message in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.png", "link.png"]


@pytest.mark.parametrize("name", ["report", "loader"])
@pytest.mark.parametrize("place", ["data/train-000001.parquet", "README.md", ".cutmix_gen/dataset.json", "data/x"])
def test_the_files_of_the_set_are_not_overwritten(made, tmp_path, name, place):
    before = tree(made)
    (tmp_path / "link").symlink_to(made / "out")
    for root in (made / "out", tmp_path / "link"):
        result = run(made, name, root / place)
        assert result.exit_code == 2
        assert "lies among the files of the set" in result.stderr
    assert tree(made) == before


def process(made: Path, name: str, output: str, stdout) -> subprocess.Popen:
    command = [sys.executable, "-m", "cutmix_gen", *words(made, name, output)]
    return subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE)


@pytest.mark.parametrize(("name", "output"), [("loader", "-"), ("replay", "/dev/stdout"), ("report", "/dev/fd/1")])
def test_standard_output_has_what_was_made_and_nothing_else(made, tmp_path, name, output):
    with process(made, name, output, subprocess.PIPE) as done:
        printed, said = done.communicate(timeout=60)
    assert done.returncode == 0, said
    check_content(name, printed)
    assert b"Wrote /dev/" in said
    with (tmp_path / "file").open("ab") as file:
        file.write(b"before")
        file.flush()
        with process(made, name, output, file) as done:
            done.communicate(timeout=60)
        file.write(b"after")
    assert (tmp_path / "file").read_bytes() == b"before" + printed + b"after"


@pytest.mark.parametrize("name", ["grid", "loader"])
def test_standard_output_that_nobody_reads_ends_the_command_without_a_word(made, name):
    reader, writer = os.pipe()
    os.close(reader)
    with process(made, name, "-", writer) as done:
        os.close(writer)
        assert done.communicate(timeout=60)[1] == b""
    assert done.returncode == 128 + 13


def test_standard_output_that_is_full_is_an_error_in_words(made):
    with Path("/dev/full").open("wb") as full, process(made, "loader", "-", full) as done:
        said = done.communicate(timeout=60)[1]
    assert done.returncode == 1
    assert b"/dev/stdout must be written, but that failed: no space left on device." in said
