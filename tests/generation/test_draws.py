from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutmix_gen.config import GenerateConfig
from cutmix_gen.generation import draws
from cutmix_gen.generation.draws import Draw, DrawKey
from cutmix_gen.mixing.fitting import FITS, whole
from cutmix_gen.mixing.ownership import ownership
from cutmix_gen.mixing.pairing import Census, Members
from cutmix_gen.mixing.strategies import STRATEGIES, LamLaw, Patch, PatchMask
from cutmix_gen.mixing.strategies.ricap import Ricap
from cutmix_gen.shapes import NO_BOX, Box, Size

KEY = DrawKey(run=1, copy=1, block=0, part=0)


def _config(**options: object) -> GenerateConfig:
    return GenerateConfig(source="photos", output="out", **options)


def draw_copy(config: GenerateConfig, key: DrawKey, sizes: list[Size | None]) -> list[Draw | str]:
    """Draw for images of three classes, all of them bases, whose most salient place is the middle."""
    return draws.draw_copy(config, key, sizes, _members(sizes), lambda *_: (0.5, 0.5))


def _members(sizes: list[Size | None]) -> Members:
    labels = np.arange(len(sizes), dtype=np.int32) % 3
    usable = np.array([size is not None for size in sizes])
    return Members(labels, usable, len(sizes), Census(np.bincount(labels, minlength=3)))


def _flips(draw: Draw) -> list[bool]:
    return [view.flip for view in draw.views]


def _facts(draw: Draw | str) -> tuple[object, ...]:
    """What a draw says, in values that can be compared whatever the strategy's mask is made of."""
    if isinstance(draw, str):
        return (draw,)
    return (draw.donors, *_own_facts(draw))


def _own_facts(draw: Draw) -> tuple[object, ...]:
    """What a draw says beside its donors."""
    return (_flips(draw), draw.strategy, draw.params, draw.mask.weights(), draw.mask.bounds())


@pytest.mark.parametrize("name", STRATEGIES)
@settings(max_examples=20)  # for each of many strategies
@given(n=st.integers(3, 24), bad=st.integers(0, 23), seed=st.integers(0, 2**63 - 1))
def test_an_unreadable_image_changes_nothing_for_samples_that_are_not_mixed_with_it(
    name: str, n: int, bad: int, seed: int
) -> None:
    bad %= n
    config = _config(strategy=(name, "patches:0.5" if name != "patches" else "cutmix:0.5"), hflip=0.5, seed=seed)
    sizes: list[Size | None] = [Size(20 + place, 30 - place) for place in range(n)]
    before = draw_copy(config, KEY, sizes)
    sizes[bad] = None
    after = draw_copy(config, KEY, sizes)
    assert after[bad] == "the image could not be read"
    for place in set(range(n)) - {bad}:
        old, new = before[place], after[place]
        assert isinstance(old, Draw)
        assert isinstance(new, Draw)
        assert _own_facts(new) == _own_facts(old)
        if bad not in old.donors:
            assert new.donors == old.donors


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_key_draws_the_same_again(name: str) -> None:
    config, sizes = _config(strategy=name, hflip=0.5), [Size(9, 7)] * 50
    first, again = (draw_copy(config, KEY, [*sizes]) for _ in range(2))
    assert [_facts(draw) for draw in first] == [_facts(draw) for draw in again]


def test_every_part_of_the_key_and_the_seed_makes_other_draws() -> None:
    config, sizes = _config(), [Size(90, 70)] * 20
    keys = [replace(KEY, **{part: 5}) for part in ("run", "copy", "block", "part")]
    copies = [draw_copy(config, key, [*sizes]) for key in (KEY, *keys)]
    copies.append(draw_copy(replace(config, seed=1), KEY, [*sizes]))
    assert len({str([_facts(draw) for draw in drawn]) for drawn in copies}) == len(copies)


def test_copy_0_of_block_1_and_copy_1_of_block_0_differ() -> None:
    sizes: list[Size | None] = [Size(90, 70)] * 20
    one, other = (
        draw_copy(_config(), DrawKey(run=1, copy=copy, block=block, part=0), sizes) for copy, block in ((0, 1), (1, 0))
    )
    for mine, theirs in zip(one, other, strict=True):
        assert isinstance(mine, Draw)
        assert isinstance(theirs, Draw)
        assert mine.params != theirs.params


def test_a_round_draws_other_numbers_than_the_rounds_before_and_than_other_keys() -> None:
    keys = [DrawKey(run, copy, block, part) for run in (1, 2) for copy in (0, 1) for block in (0, 1) for part in (0, 1)]
    first = {float(key.generator(seed, round_).random()) for key in keys for seed in (0, 1) for round_ in (0, 1, 2)}
    assert len(first) == len(keys) * 2 * 3


@pytest.mark.parametrize("name", STRATEGIES)
@settings(max_examples=20)  # for each of many strategies
@given(
    sizes=st.lists(st.builds(Size, st.integers(2, 40), st.integers(2, 40)), min_size=2, max_size=30),
    alpha=st.sampled_from([0.02, 0.2, 1.0]),
)
def test_no_sample_is_wasted_and_none_is_mixed_with_itself(name: str, sizes: list[Size], alpha: float) -> None:
    law = {"alpha": alpha} if STRATEGIES[name]().uses_law else {}
    for place, draw in enumerate(draw_copy(_config(strategy=name, **law), KEY, [*sizes])):
        assert isinstance(draw, Draw)
        assert not draw.mask.is_wasted()
        assert draw.mask.size == sizes[place]
        assert place not in draw.donors
        assert len(draw.donors) == draw.strategy.sources - 1
        assert len(draw.views) == draw.strategy.sources
        assert draw.owned.weights == draw.mask.weights()
        assert draw.owned.boxes == draw.mask.bounds()


_MANY_SOURCES = {"multi": ("sources=6",)}
"""Options with which several donors may cover the whole base."""


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("name", STRATEGIES)
@settings(max_examples=12)  # for each of many pairs
@given(
    target=st.sampled_from(["keep", "2", "2x9", "3x2", "5", "9x7"]),
    sizes=st.lists(st.builds(Size, st.integers(2, 40), st.integers(2, 40)), min_size=8, max_size=30),
    seed=st.integers(0, 2**32),
)
def test_base_and_donors_both_own_something_of_every_sample(
    name: str, fit: str, target: str, sizes: list[Size], seed: int
) -> None:
    law = {"alpha": 0.2} if STRATEGIES[name]().uses_law else {}
    options = _MANY_SOURCES.get(name, ())
    config = _config(strategy=name, mix_option=options, fit=fit if target != "keep" else "center-crop", **law)
    config = replace(config, size=target, seed=seed)
    copy = draws.CopyDraws(config, KEY, [*sizes], _members([*sizes]), lambda *_: (0.5, 0.5))
    shares = [weights[0] for boxed in copy.boxes() for weights in boxed.weights.tolist()]
    for draw in map(copy.draw, range(len(sizes))):
        if isinstance(draw, Draw):
            shares.append(draw.owned.weights[0])
            assert any(box != NO_BOX for box in draw.owned.boxes)
        else:  # bars so wide that no cut of these images shows both
            assert fit == "letterbox"
            assert draw.endswith(f"is too small for the strategy '{name}'")
    lam = np.array(shares, np.float32)
    assert ((lam > 0) & (lam < 1)).all()


@pytest.mark.parametrize("size", [Size(8, 8), Size(3, 2)])
def test_four_images_of_which_the_base_has_no_pixel_are_drawn_again(size: Size) -> None:
    drawn = draw_copy(_config(strategy="ricap", size=f"{size.width}x{size.height}"), KEY, [size] * 400)
    first = [Ricap().realise(params, size) for params in Ricap().draw(KEY.generator(0, 1), 400, LamLaw(1.0))]
    hidden = [place for place, mask in enumerate(first) if not mask.weights()[0] and max(mask.weights()) < 1]
    assert hidden
    for place, (mask, draw) in enumerate(zip(first, drawn, strict=True)):
        assert isinstance(draw, Draw)
        assert draw.owned.weights[0] > 0
        if 0 < mask.weights()[0] < 1:
            assert draw.mask.weights() == mask.weights(), place  # what was right stays


def test_a_donor_so_small_that_lam_would_be_written_as_1_is_drawn_again() -> None:
    size = Size(6000, 6000)
    for mask, is_wasted in (
        (PatchMask(size, 2, (Patch(1, Box(0, 0, 1, 1), 0, 0),)), True),
        (PatchMask(size, 2, (Patch(1, Box(0, 0, 2, 1), 0, 0),)), False),
    ):
        assert mask.is_wasted() == is_wasted == (np.float32(mask.weights()[0]) == 1)
        assert ownership(mask, [whole(size), whole(size)]).is_wasted == is_wasted


def test_a_sample_is_drawn_again_before_the_fallback_serves() -> None:
    sizes: list[Size | None] = [Size(32, 32)] * 300
    drawn = draw_copy(_config(alpha=0.2), KEY, sizes)
    assert len({draw.params for draw in drawn if isinstance(draw, Draw)}) == 300


@pytest.mark.parametrize("name", ["cutmix", "patches"])
def test_an_image_of_one_pixel_gives_the_reason(name: str) -> None:
    one, two = draw_copy(_config(strategy=name), KEY, [Size(1, 1), Size(8, 8)])
    assert one == f"an image of 1 x 1 px is too small for the strategy '{name}'"
    assert isinstance(two, Draw)


@pytest.mark.parametrize("sizes", [[Size(8, 8)], [None, Size(8, 8), None]])
def test_an_image_without_another_gives_the_reason(sizes: list[Size | None]) -> None:
    for size, draw in zip(sizes, draw_copy(_config(), KEY, sizes), strict=True):
        no_partner = "there is no other readable image to mix it with in its block"
        assert draw == (no_partner if size else "the image could not be read")


def _share(ok: list[bool], chance: float) -> bool:
    """Whether so many hits are what five standard deviations allow."""
    return abs(np.mean(ok) - chance) <= 5 * np.sqrt(chance * (1 - chance) / len(ok))


def test_strategies_are_drawn_by_their_weights() -> None:
    config = _config(strategy=("cutmix:3", "patches:1"))
    drawn = draw_copy(config, KEY, [Size(32, 20)] * 4000)
    names = [draw.strategy.name for draw in drawn if isinstance(draw, Draw)]
    assert _share([name == "cutmix" for name in names], 0.75)
    assert set(names) == {"cutmix", "patches"}


@pytest.mark.parametrize("chance", [0.0, 0.2, 1.0])
def test_each_image_is_mirrored_with_its_probability_and_by_itself(chance: float) -> None:
    drawn = draw_copy(_config(hflip=chance), KEY, [Size(32, 20)] * 4000)
    flips = [_flips(draw) for draw in drawn if isinstance(draw, Draw)]
    assert _share([base for base, _ in flips], chance)
    assert _share([donor for _, donor in flips], chance)
    assert _share([base and donor for base, donor in flips], chance**2)


def test_what_is_drawn_does_not_depend_on_the_size() -> None:
    small, large = (draw_copy(_config(), KEY, [size] * 40) for size in (Size(40, 30), Size(400, 300)))
    same = [
        a.params == b.params for a, b in zip(small, large, strict=True) if isinstance(a, Draw) == isinstance(b, Draw)
    ]
    assert np.mean(same) > 0.9  # but for the few that are wasted at one size only


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"hflip": 0.5},
        {"lam_range": "0.2,0.7"},
        {"strategy": ("mixup", "cutmix:2", "resizemix"), "hflip": 0.5},
        {"pairing": "cross-class"},
        {"fit": "stretch", "stratify": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("size", ["32", "6x3", "2x4"])
def test_samples_drawn_by_arrays_are_those_drawn_one_by_one(options: dict[str, Any], size: str) -> None:
    config = _config(size=size, **options)
    sizes: list[Size | None] = [Size(20 + place % 3, 30) for place in range(300)]
    sizes[7] = sizes[90] = None
    copy = draws.CopyDraws(config, KEY, sizes, _members(sizes), lambda *_: (0.5, 0.5))
    boxed = copy.boxes()
    assert 0 < sum(len(each.places) for each in boxed) < len(sizes)
    for each in boxed:
        for number, place in enumerate(each.places.tolist()):
            draw = copy.draw(place)
            assert isinstance(draw, Draw)
            assert draw.strategy == each.strategy
            assert draw.params == each.params[number]
            assert draw.donors[:1] == [each.donors[number]]
            assert draw.views == each.views[number]
            assert draw.mask.size == each.frame
            assert draw.owned.boxes == [tuple(each.boxes[number])]
            assert draw.owned.weights == each.weights[number].tolist()


@pytest.mark.parametrize(
    "options", [{"size": "keep"}, {"size": "8", "fit": "letterbox"}, {"size": "8", "fit": "random-resized-crop"}]
)
def test_samples_whose_images_do_not_all_fill_one_frame_are_drawn_one_by_one(options: dict[str, Any]) -> None:
    sizes: list[Size | None] = [Size(20 + place % 3, 30) for place in range(30)]
    assert not draws.CopyDraws(_config(**options), KEY, sizes, _members(sizes), lambda *_: (0.5, 0.5)).boxes()
