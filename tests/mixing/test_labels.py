from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutmix_gen.mixing.labels import class_weight, dominant_class, soft_labels

NUM_CLASSES = 5


@st.composite
def owned(draw: st.DrawFn) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Classes of the sources of some samples, and how many pixels each source owns, every one out of as many."""
    sources, n = draw(st.integers(2, 4)), draw(st.integers(1, 8))
    area = draw(st.integers(4, 90_000))
    cuts = st.lists(st.integers(0, area), min_size=sources - 1, max_size=sources - 1)
    counts = [np.diff([0, *sorted(draw(cuts)), area]) for _ in range(n)]
    classes = st.lists(st.integers(0, NUM_CLASSES - 1), min_size=sources, max_size=sources)
    return np.array([draw(classes) for _ in range(n)], np.int32), np.array(counts)


def _shares(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    return counts / counts.sum(axis=1, keepdims=True)


def _totals(index: npt.NDArray[np.int32], counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Pixels of each class, in whole numbers."""
    totals = np.zeros((len(index), NUM_CLASSES), np.int64)
    for row, (classes, pixels) in enumerate(zip(index, counts, strict=True)):
        np.add.at(totals[row], classes, pixels)
    return totals


@given(owned(), st.floats(0, 0.99))
def test_a_soft_label_sums_to_one(
    samples: tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]], smoothing: float
) -> None:
    index, counts = samples
    dense = soft_labels(index, _shares(counts), NUM_CLASSES, smoothing)
    assert dense.dtype == np.float32
    assert dense.shape == (len(index), NUM_CLASSES)
    assert (dense >= 0).all()
    np.testing.assert_allclose(dense.sum(axis=1, dtype=float), 1, atol=3e-7)


@given(owned())
def test_a_soft_label_is_the_share_of_the_pixels_of_each_class(
    samples: tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]],
) -> None:
    index, counts = samples
    expected = _totals(index, counts) / counts.sum(axis=1, keepdims=True)
    np.testing.assert_array_max_ulp(soft_labels(index, _shares(counts), NUM_CLASSES), expected.astype(np.float32), 1)


@given(owned(), st.floats(0, 0.99))
def test_smoothing_keeps_its_part_for_all_classes_alike(
    samples: tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]], smoothing: float
) -> None:
    index, counts = samples
    plain = _totals(index, counts) / counts.sum(axis=1, keepdims=True)
    expected = (1 - smoothing) * plain + smoothing / NUM_CLASSES
    np.testing.assert_allclose(soft_labels(index, _shares(counts), NUM_CLASSES, smoothing), expected, atol=1e-7)


@given(owned())
def test_the_dominant_class_has_most_pixels_and_on_a_tie_the_first_source_wins(
    samples: tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]],
) -> None:
    index, counts = samples
    totals = _totals(index, counts)
    expected = [max(classes, key=row.__getitem__) for classes, row in zip(index, totals, strict=True)]
    found = dominant_class(index, _shares(counts))
    assert found.dtype == np.int64
    assert found.tolist() == expected


@given(st.integers(2, 90_000).flatmap(lambda area: st.tuples(st.just(area), st.integers(1, area - 1))))
def test_one_class_in_both_roles_gives_a_one_hot_label(pixels: tuple[int, int]) -> None:
    area, donor = pixels
    weight = np.array([[(area - donor) / area, donor / area]])
    index = np.array([[3, 3]], np.int32)
    assert soft_labels(index, weight, NUM_CLASSES).tolist() == [[0, 0, 0, 1, 0]]
    assert dominant_class(index, weight).tolist() == [3]


@pytest.mark.parametrize("classes", [(1, 4), (4, 1)])
def test_a_tie_goes_to_the_base(classes: tuple[int, int]) -> None:
    assert dominant_class(np.array([classes], np.int32), np.array([[0.5, 0.5]])).tolist() == [classes[0]]


def test_a_tie_of_shares_that_add_up_with_rounding_goes_to_the_base() -> None:
    # 0.1 + 0.2 is a little more than 0.3 in floating point.
    index, weight = np.array([[1, 2, 2, 0]], np.int32), np.array([[0.3, 0.1, 0.2, 0.4 - 1e-9]])
    weight[0, 3] = 0.3
    assert dominant_class(index, weight).tolist() == [1]


def test_two_donors_of_one_class_add_up() -> None:
    index, weight = np.array([[0, 2, 2]], np.int32), np.array([[0.4, 0.35, 0.25]])
    np.testing.assert_allclose(soft_labels(index, weight, NUM_CLASSES), [[0.4, 0, 0.6, 0, 0]], atol=1e-7)
    assert dominant_class(index, weight).tolist() == [2]


def test_a_donor_of_the_class_of_the_base_adds_to_it() -> None:
    index, weight = np.array([[1, 2, 1]], np.int32), np.array([[0.3, 0.45, 0.25]])
    np.testing.assert_allclose(soft_labels(index, weight, NUM_CLASSES), [[0, 0.55, 0.45, 0, 0]], atol=1e-7)
    assert dominant_class(index, weight).tolist() == [1]


@given(owned())
def test_the_mass_of_the_classes_is_the_sum_of_the_labels(
    samples: tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]],
) -> None:
    index, counts = samples
    mass = class_weight(index, _shares(counts), NUM_CLASSES)
    assert mass.shape == (NUM_CLASSES,)
    expected = (_totals(index, counts) / counts.sum(axis=1, keepdims=True)).sum(axis=0)
    np.testing.assert_allclose(mass, expected, atol=1e-9)
