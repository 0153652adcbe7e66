from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutmix_gen.mixing.permutation import Permutation


def _permutation(n: int, seed: int) -> Permutation:
    return Permutation(n, np.random.SeedSequence(seed, spawn_key=(1,)))


def test_it_is_a_permutation_of_any_small_number_of_things() -> None:
    for n in range(1, 301):
        assert sorted(_permutation(n, n)(0, n).tolist()) == list(range(n))


@pytest.mark.parametrize("n", [1000, 4096, 4097, 65_535, 65_536, 65_537])
def test_it_is_a_permutation_of_many_things(n: int) -> None:
    order = _permutation(n, 7)(0, n)
    assert order.dtype == np.int64
    np.testing.assert_array_equal(np.sort(order), np.arange(n))


def test_a_part_of_a_hundred_million_things_takes_no_time_and_no_memory() -> None:
    n = 10**8
    part = _permutation(n, 3)(n - 1000, n)
    assert len(set(part.tolist())) == 1000
    assert part.min() >= 0
    assert part.max() < n


@given(data=st.data(), n=st.integers(1, 3000), seed=st.integers(0, 2**63 - 1))
def test_any_part_is_the_same_as_in_the_whole(data: st.DataObject, n: int, seed: int) -> None:
    start = data.draw(st.integers(0, n))
    stop = data.draw(st.integers(start, n))
    permutation = _permutation(n, seed)
    np.testing.assert_array_equal(permutation(start, stop), permutation(0, n)[start:stop])


def test_another_seed_gives_another_order_and_the_same_seed_the_same() -> None:
    orders = {tuple(_permutation(100, seed)(0, 100).tolist()) for seed in range(200)}
    assert len(orders) == 200
    assert tuple(_permutation(100, 5)(0, 100).tolist()) in orders


@pytest.mark.parametrize("n", [2, 3, 16, 21])
def test_each_thing_stands_at_each_place_equally_often(n: int, looks_uniform: Callable[[npt.ArrayLike], bool]) -> None:
    counts = np.zeros((n, n))
    for seed in range(1500):
        counts[np.arange(n), _permutation(n, seed)(0, n)] += 1
    for place in range(n):
        assert looks_uniform(counts[place])
        assert looks_uniform(counts[:, place])


def test_each_two_things_are_in_one_block_equally_often() -> None:
    n, block, rounds = 50, 10, 1500
    together = np.zeros((n, n))
    for seed in range(rounds):
        block_of = np.empty(n, int)
        block_of[_permutation(n, seed)(0, n)] = np.arange(n) // block
        together += block_of[:, None] == block_of[None, :]
    chance = (block - 1) / (n - 1)
    deviation = (together[np.triu_indices(n, 1)] - rounds * chance) / np.sqrt(rounds * chance * (1 - chance))
    assert np.abs(deviation).max() < 5.5
    assert abs(deviation.std() - 1) < 0.1


def test_neighbours_in_the_folder_are_not_neighbours_in_the_order() -> None:
    n = 20_000
    order = _permutation(n, 0)(0, n)
    steps = np.abs(np.diff(order))
    assert abs(steps.mean() / (n / 3) - 1) < 0.03
    assert np.count_nonzero(steps == 1) < 20
