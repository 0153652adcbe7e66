from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cutmix_gen
from cutmix_gen.errors import UsageError

LAYOUTS = {
    "NHW": ("NHWC", lambda images: images),
    "NHWC": ("NHWC", lambda images: np.stack([images, images], axis=3)),
    "NHW1": ("NHWC", lambda images: images[:, :, :, None]),
    "NCHW": ("NCHW", lambda images: np.stack([images, images], axis=1)),
    "NHW, called NCHW": ("NCHW", lambda images: images),
}
"""How a batch of (N, H, W) becomes another layout, and what it is called then."""
PLANES = {
    "NHW": lambda mixed: [mixed],
    "NHWC": lambda mixed: [mixed[..., 0], mixed[..., 1]],
    "NHW1": lambda mixed: [mixed[..., 0]],
    "NCHW": lambda mixed: [mixed[:, 0], mixed[:, 1]],
    "NHW, called NCHW": lambda mixed: [mixed],
}


def _tell_tale(n: int, height: int, width: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """(n, height, width): every pixel of the batch has a value of its own."""
    images = np.arange(n * height * width).reshape(n, height, width)
    assert images.max() <= (255 if np.dtype(dtype) == np.uint8 else 65535)
    return images.astype(dtype)


def _owners(plane: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Which image each pixel of a mixed tell-tale batch comes from; it must come from its own place there."""
    values = plane.astype(np.int64)
    area = values.shape[1] * values.shape[2]
    np.testing.assert_array_equal(
        values % area, np.broadcast_to(np.arange(area).reshape(values.shape[1:]), values.shape)
    )
    return values // area


def _shares(owners: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """(N, N): how much of sample i image j owns."""
    n = len(owners)
    return np.stack([np.bincount(owner.ravel(), minlength=n) for owner in owners]) / owners[0].size


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_label_is_what_each_image_owns(layout: str, dtype: npt.DTypeLike) -> None:
    data_format, arrange = LAYOUTS[layout]
    images = arrange(_tell_tale(7, 5, 7, dtype))
    labels = [4, 0, 1, 1, 2, 3, 3]
    for seed in range(40):
        mixed, soft = cutmix_gen.cutmix(
            images, labels, num_classes=6, rng=np.random.default_rng(seed), data_format=data_format
        )
        assert (mixed.dtype, mixed.shape) == (images.dtype, images.shape)
        assert (soft.dtype, soft.shape) == (np.float32, (7, 6))
        planes = [_owners(plane) for plane in PLANES[layout](mixed)]
        for plane in planes:
            np.testing.assert_array_equal(plane, planes[0])
        shares = _shares(planes[0])
        np.testing.assert_array_equal(soft, (shares @ np.eye(6)[labels]).astype(np.float32))
        assert (np.count_nonzero(shares, axis=1) == 2).all(), "a sample shows itself and one other image"
        assert (shares.diagonal() > 0).all()


@given(
    n=st.integers(2, 9),
    height=st.integers(2, 60),
    width=st.integers(2, 60),
    alpha=st.sampled_from([0.1, 1.0, 5.0]),
    seed=st.integers(0, 2**32),
)
def test_it_works_for_any_size_and_any_number_of_images(
    n: int, height: int, width: int, alpha: float, seed: int
) -> None:
    images = _tell_tale(n, height, width, np.uint16)
    mixed, soft = cutmix_gen.cutmix(images, np.arange(n), num_classes=n, alpha=alpha, rng=np.random.default_rng(seed))
    shares = _shares(_owners(mixed))
    np.testing.assert_array_equal(soft, shares.astype(np.float32))
    assert (np.count_nonzero(shares, axis=1) == 2).all()


def test_what_a_donor_owns_is_one_box_and_each_sample_has_its_own() -> None:
    owners = _owners(cutmix_gen.cutmix(
        _tell_tale(9, 40, 50, np.float32), range(9), num_classes=9, rng=np.random.default_rng(0)
    )[0])  # fmt: skip
    boxes = []
    for number, owner in enumerate(owners):
        ys, xs = np.nonzero(owner != number)
        boxes.append((xs.min(), ys.min(), xs.max() + 1, ys.max() + 1))
        assert len(xs) == (boxes[-1][2] - boxes[-1][0]) * (boxes[-1][3] - boxes[-1][1])
    assert len(set(boxes)) == 9


def test_two_images_are_mixed_with_each_other() -> None:
    images = _tell_tale(2, 8, 6, np.uint8)
    mixed, soft = cutmix_gen.cutmix(images, [0, 1], num_classes=2, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(soft, _shares(_owners(mixed)).astype(np.float32))
    assert (soft > 0).all()


def test_soft_labels_are_mixed_by_what_each_image_owns() -> None:
    rng = np.random.default_rng(0)
    images, labels = _tell_tale(8, 12, 10, np.uint16), rng.dirichlet(np.ones(5), 8)
    mixed, soft = cutmix_gen.cutmix(images, labels, num_classes=5, rng=rng)
    assert soft.dtype == np.float32
    np.testing.assert_allclose(soft, _shares(_owners(mixed)) @ labels, atol=1e-7)
    np.testing.assert_allclose(soft.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.bool_])
def test_one_hot_labels_give_what_integers_give(dtype: npt.DTypeLike) -> None:
    images, labels = _tell_tale(7, 5, 7, np.uint8), [0, 1, 2, 2, 1, 0, 3]
    by_number, by_vector = (
        cutmix_gen.cutmix(images, given_labels, num_classes=4, rng=np.random.default_rng(1))
        for given_labels in (labels, np.eye(4)[labels].astype(dtype))
    )
    np.testing.assert_array_equal(by_number[0], by_vector[0])
    np.testing.assert_array_equal(by_number[1], by_vector[1])


def test_as_many_classes_as_images_and_integers_are_still_integers() -> None:
    _, soft = cutmix_gen.cutmix(np.zeros((3, 4, 4)), [2, 2, 2], num_classes=3, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(soft, [[0, 0, 1]] * 3)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint64])
def test_integers_of_any_kind_are_classes(dtype: npt.DTypeLike) -> None:
    labels = np.array([0, 1, 2], dtype)
    _, soft = cutmix_gen.cutmix(np.zeros((3, 4, 4)), labels, num_classes=3, rng=np.random.default_rng(0))
    assert (soft.argmax(axis=1) < 3).all()
    np.testing.assert_allclose(soft.sum(axis=1), 1, atol=1e-6)


def test_lists_are_taken_like_arrays() -> None:
    images = _tell_tale(5, 4, 6, np.int64)
    from_array, from_list = (
        cutmix_gen.cutmix(given_images, [0, 1, 2, 0, 1], num_classes=3, rng=np.random.default_rng(2))
        for given_images in (images, images.tolist())
    )
    np.testing.assert_array_equal(from_array[0], from_list[0])
    np.testing.assert_array_equal(from_array[1], from_list[1])


def test_whatever_numpy_can_turn_into_an_array_is_taken() -> None:
    class Tensor:
        """As a tensor of another library shows itself to NumPy."""

        def __init__(self, values: npt.NDArray[Any]) -> None:
            self._values = values

        def __array__(self, dtype: npt.DTypeLike = None, copy: bool | None = None) -> npt.NDArray[Any]:
            return np.array(self._values, dtype=dtype, copy=copy)

    images, labels = _tell_tale(4, 3, 5, np.float32), np.array([0, 1, 2, 0])
    mixed, soft = cutmix_gen.cutmix(Tensor(images), Tensor(labels), num_classes=3, rng=np.random.default_rng(0))
    assert mixed.dtype == np.float32
    np.testing.assert_array_equal(soft, (_shares(_owners(mixed)) @ np.eye(3)[labels]).astype(np.float32))


@pytest.mark.parametrize("writeable", [True, False])
def test_what_is_given_is_left_as_it_is(writeable: bool) -> None:
    images, labels = _tell_tale(6, 9, 7, np.uint16), np.eye(6)
    copies = images.copy(), labels.copy()
    images.flags.writeable = labels.flags.writeable = writeable
    mixed, soft = cutmix_gen.cutmix(images, labels, num_classes=6, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(images, copies[0])
    np.testing.assert_array_equal(labels, copies[1])
    assert not np.shares_memory(mixed, images)
    assert not np.shares_memory(soft, labels)
    assert mixed.flags.writeable
    assert soft.flags.writeable


def test_an_array_that_is_not_in_c_order_is_mixed_like_one_that_is() -> None:
    images = _tell_tale(5, 6, 8, np.uint8)
    expected, _ = cutmix_gen.cutmix(images, range(5), num_classes=5, rng=np.random.default_rng(0))
    found, _ = cutmix_gen.cutmix(np.asfortranarray(images), range(5), num_classes=5, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(found, expected)


def test_the_generator_decides_everything_and_moves_on() -> None:
    images, labels = _tell_tale(6, 9, 7, np.uint16), range(6)
    rng = np.random.default_rng(3)
    first, second = (cutmix_gen.cutmix(images, labels, num_classes=6, rng=rng) for _ in range(2))
    again = cutmix_gen.cutmix(images, labels, num_classes=6, rng=np.random.default_rng(3))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert (first[0] != second[0]).any()


def test_no_global_generator_is_touched() -> None:
    before = str(np.random.get_state())  # noqa: NPY002  it is the one to be left alone
    cutmix_gen.cutmix(np.zeros((3, 4, 4)), [0, 1, 2], num_classes=3, rng=np.random.default_rng(0))
    assert str(np.random.get_state()) == before  # noqa: NPY002


def test_a_large_alpha_draws_boxes_of_half_the_image_and_a_small_one_of_any_share() -> None:
    images, shares = np.zeros((400, 40, 40)), {}
    for alpha in (0.1, 1.0, 100.0):
        _, soft = cutmix_gen.cutmix(images, np.arange(400), num_classes=400, alpha=alpha, rng=np.random.default_rng(0))
        shares[alpha] = 1 - soft.diagonal()
    assert shares[1.0].mean() == pytest.approx(77 / 240, abs=0.05)
    assert shares[100.0].max() < 0.65
    assert shares[0.1].max() > 0.9


GOOD: dict[str, Any] = {
    "images": np.zeros((4, 6, 5, 3), np.uint8),
    "labels": [0, 1, 2, 2],
    "num_classes": 3,
    "rng": np.random.default_rng(0),
}


def _case(wrong: dict[str, Any]) -> str:
    """A name for the case, e.g. `labels (4, 4) float64`."""
    return ", ".join(
        f"{name} {value.shape} {value.dtype}" if isinstance(value, np.ndarray) else f"{name} {value!r:.20}"
        for name, value in wrong.items()
    )


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"data_format": "NHW"}, "data_format must be NHWC or NCHW"),
    ({"data_format": "nhwc"}, "data_format must be NHWC or NCHW"),
    ({"data_format": None}, "data_format must be NHWC or NCHW"),
    ({"images": np.zeros((4, 6))}, r"images must be of shape"),
    ({"images": np.zeros((4, 2, 6, 5, 3))}, r"images must be of shape"),
    ({"images": 7}, r"images must be of shape"),
    ({"images": []}, r"images must be"),
    ({"images": np.zeros((0, 6, 5)), "labels": np.zeros(0, int)}, "at least two"),
    ({"images": np.zeros((1, 6, 5)), "labels": [0]}, "at least two"),
    ({"images": np.zeros((4, 1, 1))}, "images must be large enough"),
    ({"images": np.zeros((4, 0, 5))}, "images must be large enough"),
    ({"images": [np.zeros((6, 5)), np.zeros((6, 5)), np.zeros((6, 4)), np.zeros((6, 5))]}, "images must be"),
    ({"images": [["a"] * 5] * 4}, "images must be"),
    ({"labels": [0, 1, 2]}, "labels must be"),
    ({"labels": [0, 1, 2, 3]}, "from 0 to 2, but they go from 0 to 3"),
    ({"labels": [0, 1, 2, -1]}, "from 0 to 2, but they go from -1 to 2"),
    ({"labels": [0.0, 1.0, 2.0, 2.0]}, "labels must be"),
    ({"labels": ["a", "b", "c", "c"]}, "labels must be"),
    ({"labels": 1}, "labels must be"),
    ({"labels": np.eye(4)}, "labels must be"),
    ({"labels": np.full((4, 3), "x")}, "labels must be"),
    ({"labels": [[1, 0, 0], [1, 0], [1, 0, 0], [1, 0, 0]]}, "labels must be"),
    ({"labels": np.ones((4, 3))}, "labels must"),
    ({"labels": np.full((4, 3), np.nan)}, "labels must"),
    ({"labels": [[2.0, -1.0, 0.0]] * 4}, "labels must"),
    ({"num_classes": 0}, "num_classes must be"),
    ({"num_classes": -1}, "num_classes must be"),
    ({"num_classes": 2.5}, "num_classes must be"),
    ({"num_classes": "three"}, "num_classes must be"),
    ({"alpha": 0}, "alpha must be a number above 0"),
    ({"alpha": -1.0}, "alpha must be a number above 0"),
    ({"alpha": float("nan")}, "alpha must be a number above 0"),
    ({"alpha": float("inf")}, "alpha must be a number above 0"),
    ({"alpha": "1"}, "alpha must be a number above 0"),
    ({"rng": 0}, "rng must be a numpy.random.Generator"),
    ({"rng": None}, "rng must be a numpy.random.Generator"),
    ({"rng": np.random.RandomState(0)}, "rng must be a numpy.random.Generator"),
]


@pytest.mark.parametrize(("wrong", "says"), WRONG, ids=[_case(wrong) for wrong, _ in WRONG])
def test_a_wrong_argument_is_a_usage_error_that_says_what_was_expected(wrong: dict[str, Any], says: str) -> None:
    arguments = {**GOOD, **wrong}
    with pytest.raises(UsageError, match=says):
        cutmix_gen.cutmix(arguments.pop("images"), arguments.pop("labels"), **arguments)
