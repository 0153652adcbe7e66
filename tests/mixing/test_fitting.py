from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutmix_gen.mixing.fitting import (
    FITS,
    TRIES,
    CenterCrop,
    Chance,
    Fit,
    Fitting,
    Letterbox,
    RandomResizedCrop,
    Stretch,
    reduction,
    whole,
)
from cutmix_gen.shapes import Box, Size

RANDOM_CROP = RandomResizedCrop((0.08, 1.0), (3 / 4, 4 / 3))
EVERY_FIT: list[Fit] = [RANDOM_CROP if kind is RandomResizedCrop else kind() for kind in FITS.values()]

every_fit = pytest.mark.parametrize("fit", EVERY_FIT, ids=lambda fit: fit.name)
sizes = st.builds(Size, st.integers(1, 3000), st.integers(1, 2000))
seeds = st.integers(0, 2**32)


def _chance(seed: int) -> Chance:
    return np.random.default_rng(seed).random((TRIES, 4)).tolist()


def _is_inside(box: Box, size: Size) -> bool:
    return 0 <= box.x1 < box.x2 <= size.width and 0 <= box.y1 < box.y2 <= size.height


@every_fit
@given(size=sizes, frame=sizes, seed=seeds)
def test_every_fit_uses_a_part_of_the_image_for_a_place_in_the_frame(
    fit: Fit, size: Size, frame: Size, seed: int
) -> None:
    fitting = fit.fit(size, frame, _chance(seed))
    assert _is_inside(fitting.crop, size)
    assert _is_inside(fitting.place, frame)
    assert FITS[fit.name] is type(fit)


@every_fit
@given(size=sizes, seed=seeds)
def test_every_fit_without_chance_keeps_an_image_that_has_the_size(fit: Fit, size: Size, seed: int) -> None:
    if not fit.is_random:
        assert fit.fit(size, size, _chance(seed)) == Fitting(whole(size), whole(size))


@every_fit
@given(size=sizes, frame=sizes)
def test_only_a_random_fit_looks_at_chance(fit: Fit, size: Size, frame: Size) -> None:
    if not fit.is_random:
        assert fit.fit(size, frame, ()) == fit.fit(size, frame, _chance(0))


@given(size=sizes, frame=sizes)
def test_a_center_crop_is_as_large_as_the_shape_of_the_frame_allows(size: Size, frame: Size) -> None:
    fitting = CenterCrop().fit(size, frame, ())
    assert fitting.place == whole(frame)
    crop = fitting.crop
    assert crop.width == size.width or crop.height == size.height
    assert abs(crop.width - max(1, min(size.width, size.height * frame.width / frame.height))) <= 0.5
    assert abs(crop.height - max(1, min(size.height, size.width * frame.height / frame.width))) <= 0.5


@given(size=sizes, frame=sizes)
def test_a_center_crop_leaves_as_much_on_either_side(size: Size, frame: Size) -> None:
    crop = CenterCrop().fit(size, frame, ()).crop
    assert (size.width - crop.x2) - crop.x1 in (0, 1)
    assert (size.height - crop.y2) - crop.y1 in (0, 1)


@pytest.mark.parametrize(
    ("size", "frame", "crop"),
    [
        (Size(500, 375), Size(224, 224), Box(62, 0, 437, 375)),
        (Size(375, 500), Size(224, 224), Box(0, 62, 375, 437)),
        (Size(100, 50), Size(20, 40), Box(37, 0, 62, 50)),
        (Size(50, 100), Size(40, 20), Box(0, 37, 50, 62)),
        (Size(1, 1000), Size(1000, 1), Box(0, 499, 1, 500)),
    ],
)
def test_a_center_crop_is_what_one_works_out_by_hand(size: Size, frame: Size, crop: Box) -> None:
    assert CenterCrop().fit(size, frame, ()).crop == crop


@given(size=sizes, frame=sizes)
def test_stretch_uses_the_whole_image_for_the_whole_frame(size: Size, frame: Size) -> None:
    assert Stretch().fit(size, frame, ()) == Fitting(whole(size), whole(frame))


@given(size=sizes, frame=sizes)
def test_a_letterbox_shows_the_whole_image_in_its_shape_in_the_middle(size: Size, frame: Size) -> None:
    fitting = Letterbox().fit(size, frame, ())
    place = fitting.place
    assert fitting.crop == whole(size)
    assert place.width == frame.width or place.height == frame.height
    assert abs(place.width - max(1, min(frame.width, frame.height * size.width / size.height))) <= 0.5 + 1e-9
    assert abs(place.height - max(1, min(frame.height, frame.width * size.height / size.width))) <= 0.5 + 1e-9
    assert (frame.width - place.x2) - place.x1 in (0, 1)
    assert (frame.height - place.y2) - place.y1 in (0, 1)


@given(
    size=st.builds(Size, st.integers(50, 3000), st.integers(50, 2000)),
    scale=st.tuples(st.floats(0.05, 0.5), st.floats(0.5, 1)),
    aspect=st.tuples(st.floats(0.3, 1), st.floats(1, 3)),
    seed=seeds,
)
def test_a_random_crop_keeps_to_its_bounds_of_area_and_aspect_where_the_image_allows(
    size: Size, scale: tuple[float, float], aspect: tuple[float, float], seed: int
) -> None:
    crop = RandomResizedCrop(scale, aspect).fit(size, Size(224, 224), _chance(seed)).crop
    # A side is rounded to whole pixels: allow half a pixel on either.
    low = (crop.width - 0.5) / (crop.height + 0.5)
    high = (crop.width + 0.5) / (crop.height - 0.5)
    fits_shape = low <= aspect[1] + 1e-9 and high >= aspect[0] - 1e-9
    fits_area = (crop.width - 0.5) * (crop.height - 0.5) <= scale[1] * size.area + 1e-6 and (crop.width + 0.5) * (
        crop.height + 0.5
    ) >= scale[0] * size.area - 1e-6
    is_the_centre = crop.width == size.width or crop.height == size.height
    assert (fits_shape and fits_area) or is_the_centre


def test_a_random_crop_follows_the_law_of_torchvision(looks_uniform: Callable[[npt.ArrayLike], bool]) -> None:
    size, wide = Size(1000, 1000), RandomResizedCrop((0.1, 0.4), (0.5, 2.0))
    crops = [wide.fit(size, Size(8, 8), _chance(seed)).crop for seed in range(4000)]
    area = np.array([crop.area / size.area for crop in crops])
    aspect = np.log([crop.width / crop.height for crop in crops]) / math.log(2)
    # A crop of these bounds always fits, so nothing is drawn again: both are uniform.
    assert looks_uniform(np.histogram(area, 10, (0.1, 0.4))[0])
    assert looks_uniform(np.histogram(aspect, 10, (-1, 1))[0])
    across = np.array([crop.x1 / (size.width - crop.width) for crop in crops])
    down = np.array([crop.y1 / (size.height - crop.height) for crop in crops])
    assert looks_uniform(np.histogram(across, 10, (0, 1))[0])
    assert looks_uniform(np.histogram(down, 10, (0, 1))[0])


def test_a_random_crop_reaches_every_edge() -> None:
    size, small = Size(8, 6), RandomResizedCrop((0.2, 0.5), (0.8, 1.25))
    crops = [small.fit(size, Size(8, 8), _chance(seed)).crop for seed in range(400)]
    assert {crop.x1 for crop in crops} >= {0}
    assert {crop.y1 for crop in crops} >= {0}
    assert {crop.x2 for crop in crops} >= {8}
    assert {crop.y2 for crop in crops} >= {6}


@pytest.mark.parametrize(("size", "aspect"), [(Size(1000, 10), 4 / 3), (Size(10, 1000), 3 / 4)])
def test_an_image_that_no_crop_fits_shows_its_centre_in_the_nearest_shape(size: Size, aspect: float) -> None:
    crop = RandomResizedCrop((0.9, 1.0), (3 / 4, 4 / 3)).fit(size, Size(224, 224), _chance(0)).crop
    assert min(crop.width, crop.height) == 10
    assert crop.width / crop.height == pytest.approx(aspect, abs=0.06)
    assert abs(crop.x1 - (size.width - crop.x2)) <= 1
    assert abs(crop.y1 - (size.height - crop.y2)) <= 1


@given(crop=sizes, place=sizes)
def test_a_reduced_crop_stays_twice_as_large_as_its_place(crop: Size, place: Size) -> None:
    factor = reduction(
        Fitting(Box(7, 9, 7 + crop.width, 9 + crop.height), Box(3, 1, 3 + place.width, 1 + place.height))
    )
    assert factor in (1, 2, 4, 8)

    def is_allowed(times: int) -> bool:
        return crop.width / times >= 2 * place.width and crop.height / times >= 2 * place.height

    assert factor == 1 or is_allowed(factor)
    assert factor == 8 or not is_allowed(2 * factor)
