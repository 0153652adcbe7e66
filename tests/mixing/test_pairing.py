from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutmix_gen.mixing.pairing import PAIRINGS, Census, Members, RandomPairing

masks = st.lists(st.booleans(), min_size=1, max_size=40).map(np.array)
seeds = st.integers(0, 2**32)


def _members(usable: npt.NDArray[np.bool_]) -> Members:
    """Images of three classes, all of them bases."""
    labels = np.arange(len(usable), dtype=np.int32) % 3
    return Members(labels, usable, len(usable), Census(np.bincount(labels, minlength=3)))


def _pairs(seed: int | np.random.Generator, usable: npt.NDArray[np.bool_], donors: int) -> npt.NDArray[np.int64]:
    return RandomPairing().pair(np.random.default_rng(seed), _members(usable), donors)


@given(usable=masks, donors=st.integers(1, 4), seed=seeds)
def test_no_image_is_paired_with_itself_or_with_a_bad_one(
    usable: npt.NDArray[np.bool_], donors: int, seed: int
) -> None:
    pairs = _pairs(seed, usable, donors)
    assert pairs.shape == (len(usable), donors)
    if usable.sum() < 2:
        assert (pairs == -1).all()
        return
    assert (pairs[~usable] == -1).all()
    assert usable[pairs[usable]].all()
    assert (pairs != np.arange(len(usable))[:, None]).all()


@given(usable=masks, donors=st.integers(1, 4), seed=seeds)
def test_every_image_is_a_donor_as_often_as_a_base(usable: npt.NDArray[np.bool_], donors: int, seed: int) -> None:
    pairs = _pairs(seed, usable, donors)
    if usable.sum() >= 2:
        for column in pairs.T:
            assert sorted(column[usable].tolist()) == np.flatnonzero(usable).tolist()


@given(n=st.integers(2, 40), donors=st.integers(1, 4), seed=seeds)
def test_the_donors_of_a_sample_are_all_different_where_there_are_enough(n: int, donors: int, seed: int) -> None:
    for row in _pairs(seed, np.ones(n, bool), donors):
        assert len(set(row.tolist())) == min(donors, n - 1)


@pytest.mark.parametrize("usable", [[True], [False], [False, True, False], [False, False]])
def test_with_fewer_than_two_usable_images_nobody_has_a_donor(usable: list[bool]) -> None:
    assert (_pairs(0, np.array(usable), 2) == -1).all()


def test_two_images_are_each_others_donors_however_many_are_asked_for() -> None:
    assert _pairs(0, np.ones(2, bool), 3).tolist() == [[1, 1, 1], [0, 0, 0]]


@given(n=st.integers(3, 40), bad=st.integers(0, 39), seed=seeds)
def test_a_bad_image_changes_the_donor_of_its_neighbour_on_the_ring_and_of_no_other(
    n: int, bad: int, seed: int
) -> None:
    bad %= n
    usable = np.ones(n, bool)
    before = _pairs(seed, usable, 1)[:, 0]
    usable[bad] = False
    after = _pairs(seed, usable, 1)[:, 0]
    neighbour = int(np.flatnonzero(before == bad)[0])
    assert set(np.flatnonzero(before != after).tolist()) == {bad, neighbour}
    assert after[neighbour] == before[bad]


@given(n=st.integers(5, 40), bad=st.integers(0, 39), donors=st.integers(2, 3), seed=seeds)
def test_with_several_donors_a_bad_image_changes_those_that_it_was_to_be_mixed_with_only(
    n: int, bad: int, donors: int, seed: int
) -> None:
    bad %= n
    usable = np.ones(n, bool)
    before = _pairs(seed, usable, donors)
    usable[bad] = False
    after = _pairs(seed, usable, donors)
    for place in range(n):
        if place != bad and bad not in before[place]:
            assert after[place].tolist() == before[place].tolist()


def test_every_ordered_pair_is_equally_likely(looks_uniform: Callable[[npt.ArrayLike], bool]) -> None:
    n, donors, rng = 7, 2, np.random.default_rng(1)
    counts = np.zeros((donors, n, n))
    for _ in range(6000):
        for donor, column in enumerate(_pairs(rng, np.ones(n, bool), donors).T):
            counts[donor, np.arange(n), column] += 1
    for donor in range(donors):
        for base in range(n):
            assert looks_uniform(np.delete(counts[donor, base], base))


def test_every_ordered_pair_of_usable_images_is_equally_likely(looks_uniform: Callable[[npt.ArrayLike], bool]) -> None:
    usable = np.array([True, False, True, True, False, True, True])
    good, rng = np.flatnonzero(usable), np.random.default_rng(2)
    counts = np.zeros((7, 7))
    for _ in range(4000):
        counts[good, _pairs(rng, usable, 1)[good, 0]] += 1
    for base in good:
        assert looks_uniform(counts[base, good[good != base]])


@pytest.mark.parametrize("name", PAIRINGS)
def test_every_pairing_of_a_seed_is_the_same_again_and_of_the_next_seed_another(name: str) -> None:
    usable = np.ones(50, bool)
    first, again, other = (
        PAIRINGS[name]().pair(np.random.default_rng(seed), _members(usable), 2) for seed in (5, 5, 6)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("name", PAIRINGS)
def test_a_bad_image_changes_nothing_that_is_drawn_after_the_pairs(name: str) -> None:
    next_draws = []
    for bad in (None, 3):
        rng, usable = np.random.default_rng(0), np.ones(20, bool)
        usable[[] if bad is None else [bad]] = False
        PAIRINGS[name]().pair(rng, _members(usable), 1)
        next_draws.append(rng.random())
    assert next_draws[0] == next_draws[1]


@pytest.mark.parametrize("name", PAIRINGS)
@given(usable=masks, donors=st.integers(1, 3), seed=seeds)
def test_no_pairing_gives_an_image_itself_or_a_bad_one(
    name: str, usable: npt.NDArray[np.bool_], donors: int, seed: int
) -> None:
    pairs = PAIRINGS[name]().pair(np.random.default_rng(seed), _members(usable), donors)
    assert pairs.shape == (len(usable), donors)
    for base in np.flatnonzero(usable):
        for donor in pairs[base]:
            assert donor == -1 or (donor != base and usable[donor])


@pytest.mark.parametrize("name", PAIRINGS)
@given(n=st.integers(8, 40), bad=st.integers(0, 39), donors=st.integers(1, 3), seed=seeds)
def test_with_every_pairing_a_bad_image_changes_nothing_for_those_that_it_is_not_mixed_with(
    name: str, n: int, bad: int, donors: int, seed: int
) -> None:
    bad %= n
    usable = np.ones(n, bool)
    before = PAIRINGS[name]().pair(np.random.default_rng(seed), _members(usable), donors)
    usable[bad] = False
    after = PAIRINGS[name]().pair(np.random.default_rng(seed), _members(usable), donors)
    for place in range(n):
        if place != bad and bad not in before[place]:
            assert after[place].tolist() == before[place].tolist()
