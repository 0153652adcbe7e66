"""Runs that are asked to stop."""

from __future__ import annotations

import os
import random
import signal
import time

import pytest

from tests.faults.runs import OPTIONS, check_goes_on, check_whole, records, temporary_files, wait_for
from tests.sets import finish, kill_group, start

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
