from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutmix_gen.errors import UsageError
from cutmix_gen.mixing.strategies import (
    STRATEGIES,
    LamLaw,
    Mask,
    Patch,
    PatchMask,
    SoftMask,
    Strategy,
    make_strategy,
    parse_strategies,
)
from cutmix_gen.mixing.strategies.cutmix import CutMix, CutMixParams
from cutmix_gen.mixing.strategies.patches import Patches, PatchesParams
from cutmix_gen.shapes import NO_BOX, Box, Size


def _variants() -> list[Strategy]:
    """Every strategy of the registry, as it comes, with each of its switches the other way, and some at their ends."""
    plain = [kind() for kind in STRATEGIES.values()]
    switched = [
        replace(strategy, **{option.name: not getattr(strategy, option.name)})
        for strategy in plain
        for option in fields(strategy)
        if isinstance(getattr(strategy, option.name), bool)
    ]
    others = [
        make_strategy(name, options)
        for name, options in (
            ("cutmix", {"min_ratio": 0.2, "max_ratio": 0.8}),
            ("patches", {"grid": 7}),
            ("multi", {"sources": 8}),
            ("gridmix", {"grid": 1}),
        )
    ]
    return plain + switched + others


def every_strategy(test: Callable[..., None]) -> Callable[..., None]:
    """Run a test over the registry; fewer examples for each, since there are many strategies."""
    few = settings(max_examples=20)(test) if hasattr(test, "hypothesis") else test
    return pytest.mark.parametrize("strategy", _variants(), ids=str)(few)


sizes = st.builds(Size, st.integers(2, 300), st.integers(2, 200)) | st.builds(
    Size, st.integers(2, 9), st.integers(2, 9)
)
laws = st.sampled_from([0.05, 0.3, 1.0, 4.0]).map(LamLaw)
seeds = st.integers(0, 2**32)

VISIBLE = 1 / 510
"""Half a level of 8 bit: a source that shows less anywhere does not show."""


def _masks(strategy: Strategy, size: Size, seed: int, law: LamLaw) -> list[Mask]:
    params = strategy.draw(np.random.default_rng(seed), 3, law)
    return [strategy.realise(one, size) for one in params]


def _plain(mask: Mask, values: list[float], dtype: npt.DTypeLike) -> list[npt.NDArray[Any]]:
    """One image for each source, base first, each of one value all over."""
    frames = [mask.size, *[mask.donor_size] * (mask.sources - 1)]
    return [np.full((frame.height, frame.width), value, dtype) for frame, value in zip(frames, values, strict=True)]


def _shows(mask: Mask) -> npt.NDArray[np.float64]:
    """How much of each pixel shows each source, told by the mixed image alone: (S, H, W)."""
    shows = []
    for one_hot in np.eye(mask.sources):
        base, *donors = _plain(mask, one_hot.tolist(), np.float64)
        shows.append(mask.mix(base, donors))
    return np.stack(shows)


def _smallest_box(shown: npt.NDArray[np.bool_]) -> Box:
    ys, xs = np.nonzero(shown)
    if not len(xs):
        return NO_BOX
    return Box(int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1)


def _places(size: Size) -> npt.NDArray[np.uint16]:
    """An image whose every pixel is the number of its place."""
    return np.arange(size.area, dtype=np.uint16).reshape(size.height, size.width)


@every_strategy
@given(size=sizes, seed=seeds, law=laws)
def test_a_mask_has_the_size_and_the_sources_that_it_was_asked_for(
    strategy: Strategy, size: Size, seed: int, law: LamLaw
) -> None:
    for mask in _masks(strategy, size, seed, law):
        assert mask.size == size
        assert mask.sources == strategy.sources
        assert _shows(mask).shape == (strategy.sources, size.height, size.width)
        np.testing.assert_allclose(_shows(mask).sum(axis=0), 1, atol=1e-12)


@every_strategy
@given(size=sizes, seed=seeds, law=laws)
def test_the_shares_are_the_pixels_that_each_source_owns(
    strategy: Strategy, size: Size, seed: int, law: LamLaw
) -> None:
    for mask in _masks(strategy, size, seed, law):
        shows, shares = _shows(mask), mask.shares()
        if isinstance(mask, SoftMask):
            np.testing.assert_allclose(shares, shows.sum(axis=(1, 2)), atol=1e-9 * size.area)
        else:
            np.testing.assert_array_equal(shares, shows.sum(axis=(1, 2)))
        np.testing.assert_array_equal(mask.weights(), shares / size.area)
        assert sum(mask.weights()) == pytest.approx(1, abs=1e-12)


@every_strategy
@given(data=st.data(), size=sizes, seed=seeds, law=laws)
def test_the_shares_within_a_part_are_the_pixels_there(
    strategy: Strategy, data: st.DataObject, size: Size, seed: int, law: LamLaw
) -> None:
    x1, y1 = data.draw(st.integers(0, size.width - 1)), data.draw(st.integers(0, size.height - 1))
    x2, y2 = data.draw(st.integers(x1 + 1, size.width)), data.draw(st.integers(y1 + 1, size.height))
    for mask in _masks(strategy, size, seed, law):
        inside = _shows(mask)[:, y1:y2, x1:x2].sum(axis=(1, 2))
        np.testing.assert_allclose(mask.shares(Box(x1, y1, x2, y2)), inside, atol=1e-9 * size.area)


@every_strategy
@given(size=sizes, seed=seeds, law=laws)
def test_the_bounds_are_the_smallest_boxes_that_hold_what_each_donor_owns(
    strategy: Strategy, size: Size, seed: int, law: LamLaw
) -> None:
    for mask in _masks(strategy, size, seed, law):
        assert mask.bounds() == [_smallest_box(donor >= VISIBLE) for donor in _shows(mask)[1:]]


@every_strategy
@given(size=sizes, seed=seeds, law=laws)
def test_every_box_lies_inside_the_image(strategy: Strategy, size: Size, seed: int, law: LamLaw) -> None:
    for mask in _masks(strategy, size, seed, law):
        assert len(mask.bounds()) == strategy.sources - 1
        for box in mask.bounds():
            assert 0 <= box.x1 <= box.x2 <= size.width
            assert 0 <= box.y1 <= box.y2 <= size.height


@every_strategy
@given(size=sizes, seed=seeds, law=laws)
def test_a_mask_is_wasted_where_nothing_shows_of_the_base_or_of_any_donor(
    strategy: Strategy, size: Size, seed: int, law: LamLaw
) -> None:
    for mask in _masks(strategy, size, seed, law):
        base, *donors = (source.max() >= VISIBLE for source in _shows(mask))
        assert mask.is_wasted() == (not base or not any(donors))


@every_strategy
@given(size=sizes, seed=seeds, law=laws, dtype=st.sampled_from([np.uint8, np.uint16]))
def test_the_mixed_image_shows_each_source_where_and_as_strongly_as_the_mask_says(
    strategy: Strategy, size: Size, seed: int, law: LamLaw, dtype: npt.DTypeLike
) -> None:
    for mask in _masks(strategy, size, seed, law):
        top = np.iinfo(dtype).max
        values = [top - source * (top // 8) for source in range(mask.sources)]
        expected = np.tensordot(values, _shows(mask), 1)
        gray = _plain(mask, values, dtype)
        colour = [np.repeat(image[:, :, None], 3, axis=2) for image in gray]
        for images in (gray, colour):
            mixed = mask.mix(images[0], images[1:])
            assert mixed.dtype == dtype
            assert mixed.shape == images[0].shape
            # Half a level: rounded once. Where one source shows alone that is its own value.
            planes = np.moveaxis(mixed, 2, 0) if mixed.ndim == 3 else mixed[None]
            assert np.abs(planes - expected).max() <= 0.5 + 1e-6
        for image, value in zip([*gray, *colour], values * 2, strict=True):
            assert (image == value).all(), "mixing must not write to a source"


@pytest.mark.parametrize("strategy", [CutMix(), CutMix(0.2, 0.8), Patches(), Patches(grid=7)], ids=str)
@given(size=sizes, seed=seeds, law=laws)
def test_each_pixel_stays_in_its_place(strategy: Strategy, size: Size, seed: int, law: LamLaw) -> None:
    for mask in _masks(strategy, size, seed, law):
        places = _places(size)
        mixed = mask.mix(places, [places])
        assert mixed.dtype == np.uint16
        assert mixed is not places
        np.testing.assert_array_equal(mixed, places)


def _texture(frame: Size, seed: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (frame.height, frame.width, 3), np.uint8)


@every_strategy
@given(size=sizes, seed=seeds, law=laws)
def test_params_that_went_through_json_give_the_same_mask(
    strategy: Strategy, size: Size, seed: int, law: LamLaw
) -> None:
    drawn: list[Any] = [*strategy.draw(np.random.default_rng(seed), 2, law), strategy.fallback()]
    for params in drawn:
        again = type(strategy).params(**json.loads(json.dumps(params._asdict())))
        assert again._fields[0] == "lam"
        mask, same = strategy.realise(params, size), strategy.realise(again, size)
        assert mask.donor_size == same.donor_size
        assert (mask.weights(), mask.bounds()) == (same.weights(), same.bounds())
        base = _texture(mask.size, 0)
        donors = [_texture(mask.donor_size, donor) for donor in range(1, mask.sources)]
        np.testing.assert_array_equal(mask.mix(base, donors), same.mix(base, donors))


@every_strategy
@given(seed=seeds)
def test_a_seed_draws_the_same_again_and_its_neighbour_does_not(strategy: Strategy, seed: int) -> None:
    first, again, other = (
        json.dumps([params._asdict() for params in strategy.draw(np.random.default_rng(s), 5, LamLaw(1.0))])
        for s in (seed, seed, seed + 1)
    )
    assert first == again
    assert first != other


@every_strategy
@given(n=st.integers(0, 20))
def test_as_many_are_drawn_as_asked_for_and_each_its_own(strategy: Strategy, n: int) -> None:
    drawn = strategy.draw(np.random.default_rng(n), n, LamLaw(1.0))
    assert len(drawn) == n
    assert all(isinstance(params, type(strategy).params) for params in drawn)
    assert len({json.dumps(params._asdict()) for params in drawn}) == n


@every_strategy
@given(size=sizes)
def test_the_fallback_is_never_wasted(strategy: Strategy, size: Size) -> None:
    mask = strategy.realise(strategy.fallback(), size)
    assert not mask.is_wasted()
    assert sum(source.max() >= VISIBLE for source in _shows(mask)) > 1


@every_strategy
def test_options_make_the_same_strategy_again(strategy: Strategy) -> None:
    options = json.loads(json.dumps(strategy.options()))
    assert make_strategy(strategy.name, options) == strategy
    assert STRATEGIES[strategy.name] is type(strategy)
    assert strategy.reference


# The box of CutMix, against its paper and the authors' code.

SHAPES = [Size(32, 32), Size(33, 20), Size(20, 33), Size(224, 150)]


def _by_the_paper(rng: np.random.Generator, n: int, alpha: float, size: Size) -> npt.NDArray[np.float64]:
    """Lam of n samples by equation 2 of Yun et al. (2019), odd sides kept."""
    side = np.sqrt(1 - rng.beta(alpha, alpha, n))
    area = np.ones(n)
    for length in (size.width, size.height):
        cut = (length * side).astype(int)
        first = rng.integers(0, length, n) - cut // 2
        area *= np.minimum(first + cut, length) - np.maximum(first, 0)
    return 1 - area / size.area


def _distance(left: npt.NDArray[np.float64], right: npt.NDArray[np.float64]) -> float:
    """Kolmogorov-Smirnov: the largest distance of two empirical distribution functions."""
    values = np.concatenate([left, right])
    ranks = [np.searchsorted(np.sort(sample), values, "right") / len(sample) for sample in (left, right)]
    return float(np.abs(ranks[0] - ranks[1]).max())


@pytest.mark.parametrize("size", SHAPES, ids=str)
@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_lam_follows_the_law_of_the_paper(alpha: float, size: Size) -> None:
    n = 8000
    drawn = CutMix().draw(np.random.default_rng(1), n, LamLaw(alpha))
    lam = np.array([CutMix().realise(params, size).weights()[0] for params in drawn])
    # The limit that one of a million pairs of samples of one law passes (Smirnov 1939).
    limit = math.sqrt(-math.log(1e-6 / 2) / 2) * math.sqrt(2 / n)
    assert _distance(lam, _by_the_paper(np.random.default_rng(2), n, alpha, size)) < limit


def test_the_patch_owns_a_third_on_average_and_not_the_half_that_was_drawn() -> None:
    size, drawn = Size(224, 224), CutMix().draw(np.random.default_rng(3), 8000, LamLaw(1.0))
    share = np.mean([CutMix().realise(params, size).weights()[1] for params in drawn])
    # With u = 1 - lam uniform: the mean of (sqrt(u) - u / 4)^2, what clipping leaves, is 77 / 240.
    assert share == pytest.approx(77 / 240, abs=0.015)
    assert np.mean([1 - params.lam for params in drawn]) == pytest.approx(0.5, abs=0.015)


def _rand_bbox(width: int, height: int, lam: float, cx: int, cy: int) -> Box:
    """The box of clovaai/CutMix-PyTorch, train.py, whose draws of the centre are given."""
    cut_rat = np.sqrt(1.0 - lam)
    cut_w, cut_h = int(width * cut_rat), int(height * cut_rat)
    return Box(
        int(np.clip(cx - cut_w // 2, 0, width)),
        int(np.clip(cy - cut_h // 2, 0, height)),
        int(np.clip(cx + cut_w // 2, 0, width)),
        int(np.clip(cy + cut_h // 2, 0, height)),
    )


@given(size=sizes, lam=st.floats(0, 1), x=st.floats(0, 1, exclude_max=True), y=st.floats(0, 1, exclude_max=True))
def test_the_box_is_the_published_one_and_keeps_the_odd_column_and_row(
    size: Size, lam: float, x: float, y: float
) -> None:
    (box,) = (patch.box for patch in CutMix().realise(CutMixParams(lam, x, y), size).patches)
    cx, cy = math.floor(x * size.width), math.floor(y * size.height)
    published = _rand_bbox(size.width, size.height, lam, cx, cy)
    width, height = (int(side * math.sqrt(1 - lam)) for side in (size.width, size.height))
    if width % 2 == 0:
        assert (box.x1, box.x2) == (published.x1, published.x2)
    if height % 2 == 0:
        assert (box.y1, box.y2) == (published.y1, published.y2)
    # Undo the clipping: the side is whole, odd or even.
    assert box.x2 == min(cx - width // 2 + width, size.width)
    assert box.y2 == min(cy - height // 2 + height, size.height)
    assert (box.x1, box.y1) == (published.x1, published.y1)


@pytest.mark.parametrize("size", SHAPES, ids=str)
def test_boxes_of_odd_and_of_even_sides_occur_at_every_edge_and_at_none(size: Size) -> None:
    boxes = [mask.bounds()[0] for seed in range(500) for mask in _masks(CutMix(), size, seed, LamLaw(1.0))]
    for at_edge in (
        [box for box in boxes if box.x1 == 0],
        [box for box in boxes if box.y1 == 0],
        [box for box in boxes if box.x2 == size.width],
        [box for box in boxes if box.y2 == size.height],
        [box for box in boxes if box.x1 > 0 and box.y1 > 0 and box.x2 < size.width and box.y2 < size.height],
    ):
        assert len(at_edge) > 100
        assert {box.width % 2 for box in at_edge} == {0, 1}
        assert {box.height % 2 for box in at_edge} == {0, 1}


def test_the_centre_is_any_pixel_equally_often(looks_uniform: Callable[[npt.ArrayLike], bool]) -> None:
    size, lam = Size(9, 7), 1 - (1.5 / 7) ** 2  # a box of one pixel
    drawn = CutMix().draw(np.random.default_rng(4), 12_000, LamLaw(1.0))
    boxes = [CutMix().realise(params._replace(lam=lam), size).bounds()[0] for params in drawn]
    assert {(box.width, box.height) for box in boxes} == {(1, 1)}
    assert looks_uniform(np.bincount([box.y1 * size.width + box.x1 for box in boxes], minlength=size.area))


# Patches.


@pytest.mark.parametrize("grid", [2, 3, 4, 8])
@given(lam=st.floats(0, 1), seed=seeds, shuffle=st.booleans())
def test_the_donor_takes_its_rounded_share_of_the_cells(grid: int, lam: float, seed: int, shuffle: bool) -> None:
    strategy = Patches(grid=grid, shuffle=shuffle)
    params = strategy.draw(np.random.default_rng(seed), 1, LamLaw(1.0))[0]._replace(lam=lam)
    cells = strategy.realise(params, Size(5 * grid, 3 * grid)).shares()[1] / 15
    assert cells == min(max(round(grid * grid * (1 - lam)), 1), grid * grid - 1)


@given(grid=st.integers(2, 9), size=sizes, seed=seeds)
def test_cells_are_of_one_size_give_or_take_a_pixel(grid: int, size: Size, seed: int) -> None:
    strategy = Patches(grid=grid)
    params = strategy.draw(np.random.default_rng(seed), 1, LamLaw(1.0))[0]
    columns, rows = min(grid, size.width), min(grid, size.height)
    for patch in strategy.realise(params, size).patches:
        assert patch.box.width in (size.width // columns, -(-size.width // columns))
        assert patch.box.height in (size.height // rows, -(-size.height // rows))


@pytest.mark.parametrize("size", [Size(40, 24), Size(3, 50), Size(50, 2)], ids=str)
def test_each_cell_is_taken_equally_often(size: Size, looks_uniform: Callable[[npt.ArrayLike], bool]) -> None:
    strategy, corners = Patches(), np.zeros((size.height, size.width))
    for params in strategy.draw(np.random.default_rng(6), 4000, LamLaw(1.0)):
        # One cell for each sample: cells of one sample exclude each other, which chi-square does not allow for.
        (patch,) = strategy.realise(params._replace(lam=1.0), size).patches
        corners[patch.box.y1, patch.box.x1] += 1
    taken = corners[corners > 0]
    assert len(taken) == min(4, size.width) * min(4, size.height)
    assert looks_uniform(taken)


@given(grid=st.integers(2, 6), size=sizes, seed=seeds)
def test_shuffle_keeps_who_owns_what(grid: int, size: Size, seed: int) -> None:
    strategy = Patches(grid=grid, shuffle=True)
    params = strategy.draw(np.random.default_rng(seed), 1, LamLaw(1.0))[0]
    shuffled = strategy.realise(params, size)
    plain = Patches(grid=grid).realise(PatchesParams(params.lam, params.cells, []), size)
    np.testing.assert_array_equal(shuffled.shares(), plain.shares())
    np.testing.assert_array_equal(_shows(shuffled), _shows(plain))


@given(grid=st.integers(2, 6), cell=st.builds(Size, st.integers(1, 9), st.integers(1, 9)), seed=seeds)
def test_shuffle_takes_whole_cells_of_the_donor_each_once(grid: int, cell: Size, seed: int) -> None:
    size = Size(grid * cell.width, grid * cell.height)
    strategy = Patches(grid=grid, shuffle=True)
    params = strategy.draw(np.random.default_rng(seed), 1, LamLaw(1.0))[0]
    mask = strategy.realise(params, size)
    cells = np.arange(grid * grid, dtype=np.uint16).reshape(grid, grid).repeat(cell.height, 0).repeat(cell.width, 1)
    is_base, is_donor = _shows(mask) == 1
    from_cell = mask.mix(np.full_like(cells, 9999), [cells])[is_donor]
    _, counts = np.unique(from_cell, return_counts=True)
    assert (counts == cell.area).all()
    places = _places(size)
    moved = mask.mix(places, [places])
    np.testing.assert_array_equal(moved[is_base], places[is_base])


def test_shuffle_takes_cells_from_any_place_equally_often(looks_uniform: Callable[[npt.ArrayLike], bool]) -> None:
    strategy, size, counts = Patches(grid=3, shuffle=True), Size(3, 3), np.zeros((9, 9))
    for params in strategy.draw(np.random.default_rng(8), 9000, LamLaw(1.0)):
        mask = strategy.realise(params._replace(lam=1.0), size)
        (patch,) = mask.patches
        counts[patch.box.y1 * 3 + patch.box.x1, patch.y * 3 + patch.x] += 1
    assert looks_uniform(counts)


# A mask of several patches.

boxes = st.builds(
    lambda x, y, width, height: Box(x, y, x + width, y + height),
    *(st.integers(0, 20), st.integers(0, 12), st.integers(0, 12), st.integers(0, 9)),
)


@given(st.lists(st.tuples(st.integers(0, 3), boxes), max_size=6))
def test_patches_that_overlap_count_once(patches: list[tuple[int, Box]]) -> None:
    size = Size(32, 21)
    mask = PatchMask(size, 4, tuple(Patch(source, box, box.x1, box.y1) for source, box in patches))
    owner = np.zeros((21, 32), int)
    for source, box in patches:
        owner[box.y1 : box.y2, box.x1 : box.x2] = source
    assert mask.shares().tolist() == np.bincount(owner.ravel(), minlength=4).tolist()
    assert mask.bounds() == [_smallest_box(owner == source) for source in (1, 2, 3)]
    base, *donors = _plain(mask, [0, 1, 2, 3], np.uint8)
    np.testing.assert_array_equal(mask.mix(base, donors), owner)


# Names, weights and options as the command line has them.


def test_weights_become_probabilities() -> None:
    chosen = parse_strategies(["cutmix:3", "patches"], ["grid=5", "shuffle=yes"])
    assert chosen == [(CutMix(), 0.75), (Patches(grid=5, shuffle=True), 0.25)]


@pytest.mark.parametrize(
    ("names", "options", "says"),
    [
        (["cutmx"], [], "Did you mean 'cutmix'"),
        ([""], [], "There is no strategy ''"),
        ([], [], "No strategy is given"),
        (["cutmix", "cutmix:2"], [], "given twice"),
        (["cutmix:0"], [], "from 0.000001 to"),
        (["cutmix:-1"], [], "from 0.000001 to"),
        (["cutmix:nan"], [], "from 0.000001 to"),
        (["cutmix:inf"], [], "from 0.000001 to"),
        (["cutmix:"], [], "from 0.000001 to"),
        (["cutmix:much"], [], "from 0.000001 to"),
        (["cutmix"], ["grid=4"], "no option 'grid'"),
        (["patches"], ["grid"], "KEY=VALUE"),
        (["patches"], ["grid=four"], "whole number"),
        (["patches"], ["grid=2.5"], "whole number"),
        (["patches"], ["grid=1"], "from 2 to 32"),
        (["patches"], ["grid=65"], "from 2 to 32"),
        (["patches"], ["shuffle=perhaps"], "true or false"),
    ],
)
def test_what_does_not_fit_is_told(names: list[str], options: list[str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse_strategies(names, options)


def test_every_strategy_is_there_under_its_own_name() -> None:
    for name, kind in STRATEGIES.items():
        assert kind.name == name
        assert parse_strategies([name], []) == [(kind(), 1.0)]
