"""Whole runs over folders that hold odd, broken and hostile images."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cutmix_gen import GenerateConfig, generate
from cutmix_gen.checking import verify
from cutmix_gen.codecs import MAX_PIXELS
from cutmix_gen.dataset.ledger import Ledger
from cutmix_gen.dataset.manifest import Manifest
from cutmix_gen.errors import TooManyFailuresError, UsageError
from cutmix_gen.sources import images
from cutmix_gen.sources.read import read_source
from tests import corpus
from tests.images import file_of, noise
from tests.permissions import obey_permissions
from tests.sets import finish, make_folder, rows, start, tree

WITH_PEAK = """
import atexit, re, sys
from pathlib import Path
from cutmix_gen.cli import main
status = Path("/proc/self/status")
atexit.register(lambda: print(int(re.search(r"VmHWM:\\s+(\\d+)", status.read_text())[1]) >> 10, file=sys.stderr))
main()
"""
"""The program, which says at the end how many MB it had at most: `getrusage` counts what its parent had too."""

FIXED = ("--size", "24x20", "--mode", "RGB", "--image-format", "png", "--max-failures", "100%", "--copies", "2")


def config(source, output, **options):
    options = {"backend": "serial", "max_failures": "100%", **options}
    return GenerateConfig(source=source, output=output, **options)


def mixed_folder(root: Path, files: corpus.Files) -> Path:
    """Write files among good images."""
    make_folder(root, per_class=30)
    for name, data in files.items():
        (root / "class-1" / name).write_bytes(data)
    return root


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory) -> tuple[Path, Path]:
    """Return two folders: with everything that cannot be read, and with good images of the same names."""
    root = tmp_path_factory.mktemp("spoilt")
    names = corpus.unreadable()
    good = {name: file_of(noise(30, 22, seed=number), "PNG") for number, name in enumerate(names)}
    return mixed_folder(root / "bad", names), mixed_folder(root / "good", good)


@pytest.mark.parametrize("codec", ["pillow", "turbo"])
def test_a_run_over_all_that_is_broken_skips_just_that_and_says_nothing_else(spoilt, tmp_path, codec):
    bad, good = spoilt
    command = [sys.executable, "-W", "error", "-c", WITH_PEAK, "generate"]
    options = [*FIXED, "--codec", codec, "--backend", "serial"]
    done = subprocess.run([*command, bad, tmp_path / "out", *options], capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert int(done.stderr) < 400, "only the peak of memory is written to standard error, and it is small"
    count = len(corpus.unreadable())
    assert f"Could not read {count} source images" in done.stdout
    assert f"Because of them {3 * count} samples of the plan were not made." in done.stdout

    finish(start("generate", good, tmp_path / "good", *options), 0)
    found, expected = rows(tmp_path / "out"), rows(tmp_path / "good")
    assert len(found) == len(expected) - 3 * count
    names = {f"class-1/{name}" for name in corpus.unreadable()}
    for key, row in expected.items():
        if not names & set(row["sources"]):
            assert found[key] == row
    assert not any(names & set(row["sources"]) for row in found.values())
    assert verify(tmp_path / "out", deep=True, jobs=1).ok


def test_each_skip_is_in_the_record_in_info_and_in_the_summary(spoilt, tmp_path):
    report = generate(config(spoilt[0], tmp_path / "out", size="24x20"))
    names = {f"class-1/{name}" for name in corpus.unreadable()}
    assert {skip.path for skip in report.skipped} == names
    recorded = {skip.path for record in Ledger(Manifest(tmp_path / "out")).records() for skip in record.skipped}
    assert recorded == names
    facts = json.loads(finish_output("info", tmp_path / "out", "--json"))
    assert {skip["path"]: skip["reason"] for skip in facts["skipped"]} == {
        skip.path: skip.reason for skip in report.skipped
    }
    assert f"Could not read {len(names)} source images" in finish_output("info", tmp_path / "out")


def finish_output(*arguments) -> str:
    process = start(*arguments)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return output


def test_a_run_that_is_mostly_broken_stops_with_the_first_few_reasons(spoilt, tmp_path):
    with pytest.raises(TooManyFailuresError) as caught:
        generate(config(spoilt[0], tmp_path / "out", max_failures="1"))
    lines = str(caught.value).splitlines()
    assert sum(line.startswith("  class-1/") and ": " in line for line in lines) == 5
    assert "more than --max-failures allows (1)" in lines[0]
    assert "--max-failures 23 or more" in lines[-1]


def test_odd_images_are_read_and_those_of_several_pictures_are_counted(tmp_path):
    folder = mixed_folder(tmp_path / "images", corpus.readable())
    report = generate(config(folder, tmp_path / "out", copies=2))
    assert not report.skipped
    assert report.animated == len(corpus.animations())
    of_copies = {record.copy: 0 for record in Ledger(Manifest(tmp_path / "out")).records()}
    for record in Ledger(Manifest(tmp_path / "out")).records():
        of_copies[record.copy] += record.animated
    assert of_copies == dict.fromkeys(range(3), report.animated)
    assert json.loads(finish_output("info", tmp_path / "out", "--json"))["animated"] == report.animated
    text = f"Of {report.animated} source files with several pictures the first was taken."
    assert text in finish_output("info", tmp_path / "out")


def test_max_pixels_is_part_of_a_run_unless_it_is_the_default(tmp_path):
    folder = make_folder(tmp_path / "images", per_class=10)
    Image.fromarray(noise(40, 30)).save(folder / "class-0/large.png")
    report = generate(config(folder, tmp_path / "out", max_pixels=1199))
    assert [skip.path for skip in report.skipped] == ["class-0/large.png"]
    assert not generate(config(folder, tmp_path / "all", max_pixels=1200)).skipped
    with pytest.raises(UsageError, match="--max-pixels 1199 there, 1200 now"):
        generate(config(folder, tmp_path / "out", max_pixels=1200))
    one, two = config(folder, tmp_path), config(folder, tmp_path, max_pixels=MAX_PIXELS)
    assert one.digest() == two.digest() != replace(one, max_pixels=5).digest()


@pytest.mark.parametrize("value", [0, -1, 10**10, "many", 1.5, True])
def test_max_pixels_is_a_number_within_reason(value):
    with pytest.raises((UsageError, TypeError), match=r"max-pixels|supported between"):
        GenerateConfig(source=Path("a"), output=Path("b"), max_pixels=value)


def test_a_file_beyond_all_reason_is_skipped_before_it_is_read(tmp_path):
    folder = make_folder(tmp_path / "images", per_class=10)
    with (folder / "class-0/huge.png").open("wb") as file:
        file.truncate(5 << 30)  # takes no room on the disk
    report = generate(config(folder, tmp_path / "out"))
    assert [skip.path for skip in report.skipped] == ["class-0/huge.png"]
    assert "the file has 5,368,709,120 bytes, more than" in report.skipped[0].reason


@pytest.mark.parametrize(("extension", "width"), [("jpeg", 65_501), ("webp", 16_384)])
def test_an_image_with_a_longer_side_than_the_sets_format_has_is_a_skip(tmp_path, extension, width):
    folder = make_folder(tmp_path / "images", per_class=10)
    Image.new("RGB", (width, 2)).save(folder / "class-0/long.png")
    report = generate(config(folder, tmp_path / "out", image_format=extension))
    assert [skip.reason for skip in report.skipped] == [f"{width} x 2 px are more than {extension} can hold"]


@pytest.mark.parametrize("options", [{}, {"fit": "random-resized-crop", "size": "20x20"}, {"strategy": "resizemix"}])
def test_pixels_beyond_the_memory_budget_are_decoded_again_and_change_nothing(tmp_path, monkeypatch, options):
    folder = make_folder(tmp_path / "images", per_class=20)
    for number in range(6):
        Image.fromarray(noise(200, 150, seed=number)).save(folder / f"class-1/large-{number}.png")
    options = {"copies": 2, "hflip": 0.5, **options}
    generate(config(folder, tmp_path / "held", **options))
    monkeypatch.setattr(images, "_HELD_BYTES", 100_000)
    generate(config(folder, tmp_path / "out", **options))
    assert tree(tmp_path / "out") == tree(tmp_path / "held")


SPECIAL = {
    "a pipe": os.mkfifo,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a folder": lambda path: path.mkdir(),
    "a link to itself": lambda path: path.symlink_to(path.name),
}


@pytest.mark.parametrize("kind", SPECIAL)
def test_what_is_no_regular_file_is_never_read(tmp_path, kind):
    folder = make_folder(tmp_path / "images", per_class=10)
    SPECIAL[kind](folder / "class-0/special.png")
    report = generate(config(folder, tmp_path / "out"))
    assert report.samples == 60
    assert sum(report.passed_over.values()) == (kind != "a folder")


@pytest.mark.parametrize("kind", SPECIAL)
def test_what_is_no_regular_file_any_more_since_the_scan_is_a_skip(tmp_path, kind):
    folder = make_folder(tmp_path / "images", per_class=10)
    generate(config(folder, tmp_path / "out"))
    (tmp_path / "out/data/train-000000.parquet").unlink()
    (folder / "class-0/0003.jpg").unlink()
    SPECIAL[kind](folder / "class-0/0003.jpg")
    report = generate(config(folder, tmp_path / "out"))
    assert [skip.path for skip in report.skipped] == ["class-0/0003.jpg"]


READ_ONE = """
import sys
from pathlib import Path
from cutmix_gen import GenerateConfig
from cutmix_gen.sources.images import Images
from cutmix_gen.dataset.records import Source
config = GenerateConfig(source=Path(sys.argv[1]), output=Path("out"))
config = config.resolved(mode="RGB", codec="pillow", image_format="jpeg", dense_labels="always")
Images(config).load(Source("class-0/0003.jpg", 0, 100))
"""


def test_sources_that_are_closed_while_the_run_is_at_work_stop_it(tmp_path):
    folder = make_folder(tmp_path / "images", per_class=10)
    folder.chmod(0)
    command = [sys.executable, "-c", READ_ONE, folder]
    done = subprocess.run(command, preexec_fn=obey_permissions, capture_output=True, text=True, check=False)
    folder.chmod(0o700)
    assert "StorageError: SRC must stay in reach" in done.stderr
    assert "cannot be read any more: permission denied. Bring it back" in done.stderr


def test_of_a_file_that_grows_no_more_is_read_than_it_had(tmp_path):
    (tmp_path / "grown.png").write_bytes(bytes(10_000))
    assert len(read_source(tmp_path, "grown.png", 100)) == 101


@pytest.mark.parametrize("path", ["../secret.png", "class/../../secret.png", "/etc/secret.png", "class/..", "a\0b"])
def test_a_path_that_leads_out_of_the_sources_is_not_opened(tmp_path, path):
    (tmp_path / "secret.png").write_bytes(b"secret")
    (tmp_path / "images/class").mkdir(parents=True)
    with pytest.raises(OSError, match="leads out of SRC"):
        read_source(tmp_path / "images", path)


def test_reasons_have_neither_addresses_nor_places_of_this_machine():
    for error, reason in (
        (OSError(13, "Permission denied", b"/home/somebody/secret.jpg"), "PermissionError: Permission denied"),
        (ValueError("cannot read <_io.BytesIO object at 0x7f0123456789>"), "ValueError: cannot read <_io.BytesIO>"),
        (MemoryError(), "MemoryError"),
        (KeyError("\x1b[2J\n"), r"KeyError: '\x1b[2J\n'"),
        (SyntaxError("bad\x07\n"), r"SyntaxError: bad\x07\n"),
        (TypeError("x" * 1000), "TypeError: " + "x" * 189 + "..."),
    ):
        assert images.reason_of(error) == reason


def test_noise_counts_as_no_image(tmp_path):
    folder = make_folder(tmp_path / "images", per_class=10)
    rng = np.random.default_rng(0)
    for number in range(20):
        (folder / f"class-0/noise-{number}.jpg").write_bytes(rng.bytes(2000))
    assert len(generate(config(folder, tmp_path / "out")).skipped) == 20
