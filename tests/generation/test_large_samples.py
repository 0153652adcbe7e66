"""What a run was allowed to make with --max-pixels, all that read the set read too.

No image of 250 million pixels is made for it: here the limit that holds without --max-pixels is a low one.
"""

from __future__ import annotations

from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cutmix_gen import GenerateConfig, codecs, generate, open_dataset, relabel
from cutmix_gen.checking import Replays, verify
from cutmix_gen.checking.replay import Replayer
from cutmix_gen.codecs import MOST_PIXELS
from cutmix_gen.errors import RecipeError, SetError
from cutmix_gen.exports.loaders.set_facts import set_facts
from cutmix_gen.visualize.explain import draw_replay
from cutmix_gen.visualize.grid import Choice, draw_grid
from cutmix_gen.visualize.preview import draw_preview
from cutmix_gen.visualize.report import write_report
from cutmix_gen.visualize.report.tiles import make_tiles
from tests.sets import make_folder

KEY = "0001-001-000000003"


@pytest.fixture(autouse=True)
def low_limit(monkeypatch):
    monkeypatch.setattr(codecs.make_codec, "__defaults__", (700,))
    monkeypatch.setattr(make_tiles, "__defaults__", (700,))


def config(folder: Path, output: Path, **options) -> GenerateConfig:
    return GenerateConfig(source=folder, output=output, image_format="jpeg", backend="serial", **options)


@pytest.fixture(params=[{"size": "keep"}, {"size": "40x30"}, {"size": "40x30", "max_pixels": 770}], ids=str)
def made(request, tmp_path) -> Path:
    folder = make_folder(tmp_path / "images", per_class=6)
    generate(config(folder, tmp_path / "out", **{"max_pixels": 5000} | request.param))
    return tmp_path / "out"


def test_every_reader_takes_samples_as_large_as_the_run_was_allowed_to_make_them(made, tmp_path, monkeypatch):
    dataset = open_dataset(made)
    assert {image.shape[0] * image.shape[1] for image, _, _ in dataset} <= {768, 1200}
    assert verify(made, deep=True, jobs=1, replays=Replays(4, 0, None)).ok
    replayer = Replayer(made)
    assert replayer.replay(replayer.dataset.find(KEY)).same
    assert draw_replay(replayer, KEY).height > 256
    assert draw_grid(made, Choice(keys=(KEY,))).height > 24
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 300)
    assert set_facts(made).size.area in (768, 1200)
    assert write_report(made, tmp_path / "page.html", 0) > 1000
    assert relabel(dataset.row(20).recipe, (0, 0, 8, 8)).sum() == pytest.approx(1)


def test_a_preview_shows_them_too(tmp_path):
    folder = make_folder(tmp_path / "images", per_class=6)
    assert draw_preview(config(folder, folder, max_pixels=5000), 2, 2).skipped == []


def test_a_sample_beyond_what_its_run_was_allowed_is_damaged(made, monkeypatch):
    monkeypatch.setattr(GenerateConfig, "max_sample_pixels", 700)
    with pytest.raises(SetError, match="allows"):
        open_dataset(made)[0]
    with pytest.raises((SetError, RecipeError), match="allows"):
        write_report(made, made.parent / "page.html", 0)
    assert {each.kind for each in verify(made, deep=True, jobs=1).problems} == {"shard"}


def recipe_of(side: int) -> dict[str, Any]:
    box = [0, 0, side, side]
    view = {"crop": box, "place": box, "flip": False}
    return {
        "run": 1, "strategy": "cutmix", "options": {}, "params": {"lam": 0.75, "x": 0.5, "y": 0.5},
        "size": [side, side], "views": [view, view], "labels": [0, 1], "num_classes": 2, "smoothing": 0.0,
    }  # fmt: skip


def test_relabel_which_knows_no_set_takes_as_many_pixels_as_any_run_may_be_allowed():
    largest = isqrt(MOST_PIXELS)
    np.testing.assert_allclose(relabel(recipe_of(largest), (0, 0, largest, largest)), [0.75, 0.25], atol=1e-4)
    with pytest.raises(RecipeError, match="a size of 31623 x 31623 px"):
        relabel(recipe_of(largest + 1), (0, 0, 4, 4))
