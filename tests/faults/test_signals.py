"""Runs that are asked to stop."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from tests.faults.runs import OPTIONS, check_goes_on, check_whole, make, records, temporary_files, wait_for
from tests.sets import finish, kill_group, start, tree

MESSAGE = "Error: Interrupted. What is committed stays; the same command goes on from there.\n"


@pytest.mark.parametrize(
    ("send", "number"),
    [
        (os.kill, signal.SIGTERM),
        (os.killpg, signal.SIGINT),
        (os.killpg, signal.SIGTERM),
        (os.killpg, signal.SIGHUP),
    ],
)
def test_a_run_that_is_asked_to_stop_ends_with_130_and_one_message(folder, expected, tmp_path, number, send):
    process = start("generate", folder, tmp_path / "out", *OPTIONS)
    wait_for(lambda: len(records(tmp_path / "out")) > 3)
    send(process.pid, number)
    assert finish(process, 130) == MESSAGE
    assert temporary_files(tmp_path / "out") == []
    check_whole(tmp_path / "out", expected["parquet"])
    check_goes_on(folder, tmp_path / "out", expected["parquet"])


def test_asked_while_the_workers_start_a_run_says_nothing_but_the_message(folder, slow, tmp_path):
    chance = random.Random(5)
    for number in range(40 if slow else 4):
        process = start("generate", folder, tmp_path / f"{number}", *OPTIONS, "--size", "400")
        wait_for((tmp_path / f"{number}/.cutmix_gen/runs/0001.json").exists)
        time.sleep(chance.uniform(0, 0.4))
        kill_group(process, (signal.SIGINT, signal.SIGTERM)[number % 2])
        assert finish(process, 130) == MESSAGE


def test_asked_twice_a_run_ends_at_once(folder, expected, slow, tmp_path):
    chance = random.Random(6)
    for number in range(20 if slow else 2):
        output = tmp_path / f"{number}"
        process = start("generate", folder, output, *OPTIONS)
        wait_for((output / ".cutmix_gen/runs/0001.json").exists)
        time.sleep(chance.uniform(0, 0.3))
        kill_group(process, signal.SIGINT)
        time.sleep(chance.uniform(0, 0.1))
        kill_group(process, signal.SIGINT)
        _, errors = process.communicate(timeout=120)
        # In its last moments Python does what the system does with a signal: to a shell both are 130.
        assert process.returncode in (130, -signal.SIGINT)
        assert "Interrupted" in errors
        assert "Traceback" not in errors
        check_whole(output, expected["parquet"])
    check_goes_on(folder, output, expected["parquet"])


LATE = {
    "returned": """
import time
from cutmix_gen.cli import main
try:
    main(prog_name="cutmix-gen")
finally:
    print("late", flush=True)
    time.sleep(0.5)
""",
    "exiting": """
import atexit, time
from cutmix_gen.cli import main
atexit.register(lambda: (print("late", flush=True), time.sleep(0.5)))
main(prog_name="cutmix-gen")
""",
}
"""Programs that take their time when the command has ended."""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(("arguments", "code"), [(["strategies"], 0), (["info", "nowhere"], 1)])
@pytest.mark.parametrize("program", LATE)
def test_a_signal_after_the_end_of_a_command_changes_nothing(program, number, arguments, code):
    with subprocess.Popen(
        [sys.executable, "-c", LATE[program], *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        while process.stdout.readline() != "late\n":
            assert process.poll() is None
        process.send_signal(number)
        errors = finish(process, code)
    assert errors.count("\n") == code
    assert "Traceback" not in errors


def test_a_run_that_is_asked_to_stop_about_its_end_is_finished_or_goes_on(folder, expected, slow, tmp_path):
    chance = random.Random(8)
    output = tmp_path / "out"
    make(folder, output)
    for _ in range(60 if slow else 6):
        (output / "README.md").unlink()
        process = start("generate", folder, output, *OPTIONS)
        wait_for((output / "README.md").exists)
        time.sleep(chance.uniform(0, 0.2))
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) in [(0, ""), (130, MESSAGE)]
    assert tree(output) == expected["parquet"]


def test_a_run_under_nohup_outlives_its_terminal(folder, expected, tmp_path):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does for what it starts
    try:
        process = start("generate", folder, tmp_path / "out", *OPTIONS)
    finally:
        signal.signal(signal.SIGHUP, before)
    wait_for(lambda: records(tmp_path / "out"))
    kill_group(process, signal.SIGHUP)
    assert finish(process, 0) == ""
    check_goes_on(folder, tmp_path / "out", expected["parquet"])
