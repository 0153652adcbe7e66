from __future__ import annotations

import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutmix_gen.config import GenerateConfig
from cutmix_gen.dataset.plan import Plan
from cutmix_gen.generation.remaining import remaining
from tests.sets import make_folder


def plan(images: int, first_shard: int = 0, **options: object) -> Plan:
    return Plan(GenerateConfig(source=Path("src"), output=Path("out"), **options), images, 1, first_shard)


plans = st.builds(
    lambda images, samples, size, originals, first: plan(
        images, first, num_samples=samples, shard_size=size, originals=originals or not samples
    ),
    st.integers(1, 300),
    st.integers(0, 2000),
    st.integers(3, 200),
    st.booleans(),
    st.integers(0, 9),
)


@given(plans, st.integers(1, 5), st.randoms())
def test_what_is_left_and_what_is_there_are_the_whole_plan(made, slices, chance):
    shards = [shard for task in range(made.num_tasks) for shard in made.task(task).shards]
    assert [shard.number for shard in sorted(shards, key=lambda each: each.number)] == list(
        range(made.first_shard, made.first_shard + made.num_shards)
    )
    assert sum(shard.count for shard in shards) == made.num_samples
    done = {shard.number for shard in shards if chance.random() < 0.5}
    parts = [remaining(made, done, (number, slices)) for number in range(slices)]
    left = [shard for shard in shards if shard.number not in done]
    assert sum(part.shards.total() for part in parts) == len(left)
    assert sum(part.samples["original"] for part in parts) == sum(each.count for each in left if not each.copy)
    assert sum(part.samples["cutmix"] for part in parts) == sum(each.count for each in left if each.copy)
    tasks = {made.locate(shard.number)[0].number for shard in left}
    assert sorted(number for part in parts for number in part.tasks) == sorted(tasks)


@given(plans)
def test_a_shard_and_each_of_its_samples_lead_back_to_it(made):
    for number in range(made.num_tasks):
        task = made.task(number)
        for spec in task.shards:
            assert made.locate(spec.number)[1] == spec
            assert made.find(spec.copy, task.start)[1] == spec
            assert made.find(spec.copy, task.start + spec.count - 1)[1] == spec
            assert spec.count == task.stop - task.start or made.find(spec.copy, task.start + spec.count)[1] is None


def test_a_plan_of_a_hundred_million_samples_takes_no_memory():
    tracemalloc.start()
    left = remaining(plan(100_000, num_samples=10**8), set(), (0, 1))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert left.samples["cutmix"] == 10**8
    assert most < 1 << 20


@pytest.mark.parametrize("options", [["--dry-run"], []], ids=["dry-run", "run"])
@pytest.mark.parametrize(
    "asked",
    [["--num-samples", "1000000000"], ["--num-samples", "90000000", "--shard-size", "3"]],
    ids=["copies", "shards"],
)
def test_more_shards_or_copies_than_make_sense_are_refused_before_any_work(tmp_path, options, asked):
    folder = make_folder(tmp_path / "images", per_class=400 if "3" in asked else 10)
    command = [sys.executable, "-m", "cutmix_gen", "generate", str(folder), str(tmp_path / "out"), *asked, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    assert "There can be 100,000 copies and 10,000,000 shards at most" in done.stderr
    assert not (tmp_path / "out").exists()
