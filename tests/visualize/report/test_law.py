from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cutmix_gen.config import GenerateConfig
from cutmix_gen.dataset.records import LAM_BINS
from cutmix_gen.generation.draws import Draw, DrawKey, draw_copy
from cutmix_gen.mixing.pairing import Census, Members
from cutmix_gen.mixing.strategies import STRATEGIES
from cutmix_gen.shapes import Size
from cutmix_gen.visualize.report import expected_lam as law
from cutmix_gen.visualize.report.expected_lam import Expected, Source, expected_histogram


@pytest.fixture(autouse=True)
def fewer_draws(monkeypatch):
    monkeypatch.setattr(law, "_DRAWS", 2000)


CONFIG = GenerateConfig(source=Path("in"), output=Path("out"), mode="RGB", image_format="png", codec="pillow")
SIZES = [Size(48, 32), Size(40, 40), Size(30, 56)]
SAMPLES = 400


def source_of(config: GenerateConfig, samples: int = SAMPLES) -> Source:
    (weighted,) = config.strategies
    return Source(config, Counter({weighted.strategy.name: samples}), SIZES, [(0.5, 0.5), (0.1, 0.9)])


def law_of(config: GenerateConfig, samples: int = SAMPLES) -> Expected:
    return expected_histogram([source_of(config, samples)], 0)


def drawn_by_generate(config: GenerateConfig) -> list[float]:
    labels = np.zeros(SAMPLES, np.int32)
    members = Members(labels, np.ones(SAMPLES, bool), SAMPLES, Census(np.bincount(labels)))
    sizes = [SIZES[place % 3] for place in range(SAMPLES)]

    def focus(place: int, *_: object) -> tuple[float, float]:
        return (0.5, 0.5) if place % 2 else (0.1, 0.9)

    draws = draw_copy(config, DrawKey(1, 1, 0, 0), sizes, members, focus)
    return [draw.owned.weights[0] for draw in draws if isinstance(draw, Draw)]


def histogram(lam: list[float]) -> list[int]:
    return np.histogram(np.float32(lam), LAM_BINS, (0.0, 1.0))[0].tolist()


def assert_follows(config: GenerateConfig) -> None:
    found = histogram(drawn_by_generate(config))
    expected = law_of(config, sum(found))
    assert expected.outside(found) == [], list(zip(found, expected.counts, expected.margins, strict=True))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_generate_draws_follows_the_law(strategy):
    assert_follows(replace(CONFIG, strategy=(strategy,)))


@pytest.mark.parametrize(
    "changes",
    [
        {"alpha": 0.3, "size": "48"},
        {"size": "40", "fit": "letterbox"},
        {"size": "40", "fit": "random-resized-crop", "scale": "0.2,1"},
        {"lam_range": "0.4,0.7"},
        {"strategy": ("patches",), "mix_option": ("grid=2",), "stratify": True},
        {"mix_option": ("min_ratio=0.3", "max_ratio=0.5")},
    ],
    ids=str,
)
def test_the_law_takes_the_options_into_account(changes):
    assert_follows(replace(CONFIG, **changes))


def test_mixup_at_alpha_1_has_a_flat_law():
    expected = law_of(replace(CONFIG, strategy=("mixup",)))
    assert np.abs(np.array(expected.counts) - SAMPLES / LAM_BINS).max() < 12
    assert expected.draws == 2000


def test_a_box_that_is_not_clipped_breaks_the_law():
    flat = np.random.default_rng(0).random(SAMPLES).tolist()  # the drawn lam in place of the realised one
    assert len(law_of(CONFIG).outside(histogram(flat))) >= 5


def test_the_counts_are_those_of_all_samples_and_each_run_has_its_part():
    narrow = source_of(replace(CONFIG, lam_range="0.9,0.95"), 100)
    expected = expected_histogram([source_of(replace(CONFIG, strategy=("mixup",)), 100), narrow], 0)
    assert sum(expected.counts) == pytest.approx(200)
    assert expected.counts[18] == pytest.approx(105, abs=4)


def test_the_same_seed_gives_the_same_law():
    assert law_of(CONFIG) == law_of(CONFIG)
