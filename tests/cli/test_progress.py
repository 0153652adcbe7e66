from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import termios
import time
from dataclasses import fields
from datetime import UTC, datetime

import pytest

from cutmix_gen.cli import progress
from cutmix_gen.cli.progress import Progress, Rate, Standing
from tests.sets import make_folder


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_rate_looks_back_a_minute(clock):
    rate = Rate(clock)
    for second in range(1, 121):
        clock.now = second
        rate.add(100 if second <= 60 else 10)
    assert rate.per_second() == pytest.approx(10, rel=0.01)


def test_a_rate_does_not_swing_between_two_bursts(clock):
    rate = Rate(clock)
    for second in (10, 20, 30):
        clock.now = second
        rate.add(1000)
    for pause in (0, 4, 9.9):
        clock.now = 30 + pause
        assert rate.per_second() == pytest.approx(100)


def test_a_rate_falls_when_work_stands_still(clock):
    rate = Rate(clock)
    for second in (10, 20, 30):
        clock.now = second
        rate.add(1000)
    clock.now = 90
    assert rate.per_second() == pytest.approx(3000 / 80)


def test_a_rate_is_unknown_at_first(clock):
    rate = Rate(clock)
    clock.now = 50
    assert rate.per_second() == 0


def test_a_rate_of_very_many_keeps_few_marks_and_is_right(clock):
    rate = Rate(clock)
    for number in range(1, 30_001):
        clock.now = number / 500
        rate.add(2)
    assert len(rate._marks) < 650
    assert rate.per_second() == pytest.approx(1000, rel=0.01)


def test_nothing_is_counted_while_the_rate_is_looked_at(monkeypatch):
    together = []

    class Watched(Rate):
        looked_at = False

        def per_second(self):
            self.looked_at = True
            time.sleep(0.001)
            self.looked_at = False
            return 0.0

        def add(self, count):
            together.append(self.looked_at)
            super().add(count)

    monkeypatch.setattr(progress, "_TICK", 1e-5)
    monkeypatch.setattr(progress, "Rate", Watched)
    with Progress("shards") as shown:
        shown.start(200)
        for _ in range(100):
            shown.advance(1)
            time.sleep(0.001)
    assert together == [False] * 100


def test_there_is_a_line_a_minute_where_there_is_no_terminal(monkeypatch, capsys):
    monkeypatch.setattr(progress, "_LINE_EVERY", 0.05)
    monkeypatch.setattr(progress, "_TICK", 0.01)
    with Progress("samples") as shown:
        shown.start(2000, 0, "0/4 shards")
        time.sleep(0.1)
        shown.advance(500, "1/4 shards")
        time.sleep(0.1)
    out, err = capsys.readouterr()
    assert out == ""
    first, last = err.splitlines()[0], err.splitlines()[-1]
    assert "0% 0/2,000 samples" in first
    assert "25% 500/2,000 samples" in last
    assert "samples/s" in last
    assert last.endswith("left, 1/4 shards")
    assert len(err.splitlines()) <= 5


def test_a_short_command_writes_no_line(capsys):
    with Progress("samples") as shown:
        shown.say("Scanning")
        shown.start(1)
        shown.advance(1)
    assert capsys.readouterr() == ("", "")


def test_quiet_shows_nothing(monkeypatch, capsys):
    monkeypatch.setattr(progress, "_LINE_EVERY", 0.0)
    with Progress("samples", quiet=True) as shown:
        shown.start(1)
        shown.advance(1)
    assert capsys.readouterr() == ("", "")


def json_lines(text):
    """Return what lines of JSON say; each has the fields of a `Standing`, in their order."""
    lines = [json.loads(line) for line in text.splitlines()]
    assert {tuple(line) for line in lines} == {tuple(field.name for field in fields(Standing))}
    return lines


def test_json_is_a_line_a_second_and_one_at_the_end(monkeypatch, capsys):
    monkeypatch.setattr(progress, "_JSON_EVERY", 0.2)
    monkeypatch.setattr(progress, "_TICK", 0.01)
    with Progress("samples", "json", quiet=True) as shown:
        shown.say("Scanning")
        shown.start(2000, 500)
        for _ in range(5):
            time.sleep(0.1)
            shown.advance(300)
    out, err = capsys.readouterr()
    assert out == ""
    *lines, last = json_lines(err)
    assert 3 <= len(lines) <= 4
    assert (lines[0]["step"], lines[0]["of"], lines[0]["rate"]) == ("Scanning", None, 0.0)
    assert all(500 <= line["done"] < 2000 == line["of"] and not line["step"] for line in lines[1:])
    assert not any(line["finished"] for line in lines)
    assert (last["done"], last["of"], last["finished"]) == (2000, 2000, True)
    assert last["rate"] > 0
    times = [datetime.fromisoformat(line["time"]) for line in (*lines, last)]
    assert times == sorted(times)
    assert abs((datetime.now(UTC) - times[-1]).total_seconds()) < 60


def test_json_says_that_a_command_failed(capsys):
    with pytest.raises(ZeroDivisionError), Progress("samples", "json"):
        1 / 0  # noqa: B018
    assert [line["finished"] for line in json_lines(capsys.readouterr().err)] == [False]


@pytest.mark.parametrize("engine", ["serial", "loky", "threading"])
def test_json_of_a_run_says_samples_shards_and_skips_with_every_engine_and_slice(folder, tmp_path, engine):
    options = ("generate", folder, tmp_path / "out", "--shard-size", "10", "--max-failures", "1", "--backend", engine)
    for part, code, samples, shards, skips in (("0/2", 0, 30, 4, 0), ("1/2", 3, 62, 8, 1)):
        last = last_line(*options, "-j", "2", "--slice", part, code=code)
        assert (last["unit"], last["done"], last["of"]) == ("samples", samples, samples)
        assert (last["shards"], last["skips"]) == (shards, skips)


def last_line(*command, code=0):
    """Run a command with JSON and without a summary; return its last line."""
    arguments = [sys.executable, "-m", "cutmix_gen", *map(str, command), "--progress", "json", "--quiet"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    *lines, last = json_lines(done.stderr)
    assert last["finished"]
    assert not any(line["finished"] for line in lines)
    return last


def test_json_of_the_other_commands(tmp_path):
    folder, output = make_folder(tmp_path / "images", per_class=10), tmp_path / "out"
    assert json_lines(run(folder, output, "--progress", "json", "--dry-run", "-j", "1")[1])[-1]["finished"]
    last_line("generate", folder, output, "--shard-size", "10", "--backend", "serial")
    for command in (
        ("verify", output),
        ("export", output, tmp_path / "records", "--format", "tfrecord"),
        ("convert", output, tmp_path / "tars", "--format", "webdataset"),
    ):
        last = last_line(*command, "-j", "1")
        assert (last["unit"], last["done"], last["of"], last["shards"]) == ("shards", 6, 6, 6)
    last = last_line("verify", output, "-j", "1", "--replay", "5")
    assert (last["unit"], last["done"], last["of"], last["shards"]) == ("checks", 11, 11, None)


def test_none_shows_nothing(monkeypatch, capsys):
    monkeypatch.setattr(progress, "_LINE_EVERY", 0.0)
    with Progress("samples", "none") as shown:
        shown.start(1)
        shown.advance(1)
    assert capsys.readouterr() == ("", "")


def run(folder, output, *options, on_terminal=False):
    """Run `generate`; return its standard output and what it wrote to standard error."""
    command = [sys.executable, "-m", "cutmix_gen", "generate", str(folder), str(output), *options]
    if not on_terminal:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout, done.stderr
    parent, child = pty.openpty()
    termios.tcsetwinsize(child, (24, 120))
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=child, text=True, check=True)
    os.close(child)
    shown = b""
    try:
        while piece := os.read(parent, 1 << 16):
            shown += piece
    except OSError:  # how a terminal ends
        pass
    os.close(parent)
    return done.stdout, shown.decode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = make_folder(tmp_path_factory.mktemp("source") / "images", per_class=10)
    (folder / "class-0/bad.jpg").write_bytes(b"not an image")
    return folder


OPTIONS = ("--backend", "serial", "--max-failures", "1")


def run_with_a_skip(folder, output, *options):
    with pytest.raises(subprocess.CalledProcessError) as failed:
        run(folder, output, *OPTIONS, *options)
    assert failed.value.returncode == 3
    return failed.value.stdout, failed.value.stderr


def test_a_terminal_sees_the_steps_then_samples_shards_and_skips(tmp_path):
    folder = make_folder(tmp_path / "images", per_class=10)
    out, shown = run(folder, tmp_path / "out", "--backend", "serial", on_terminal=True)
    assert "Made 60 samples" in out
    assert f"Scanning {folder}" in shown
    assert "100% |" in shown
    assert "60/60 samples" in shown
    assert "2/2 shards, 0 skipped" in shown


def test_quiet_says_nothing_but_skips_still_make_the_exit_code(folder, tmp_path):
    assert run_with_a_skip(folder, tmp_path / "out", "--quiet") == ("", "")


def test_verbose_says_each_step_on_standard_error(folder, tmp_path):
    out, err = run_with_a_skip(folder, tmp_path / "out", "--verbose")
    assert "Made 60 samples" in out
    for step in ("Scanning", "Planning for 31 images of 3 classes", "lacks 2 of its 2", "Committed data/train-000000"):
        assert step in err
    assert "Committed" not in out
