"""The samples that a configuration stands for stay the same from version to version, whatever is made faster."""

from __future__ import annotations

import hashlib
import io
import json

import numpy as np
import pytest
from PIL import Image

from cutmix_gen import GenerateConfig, generate
from cutmix_gen.dataset.manifest import Manifest
from cutmix_gen.mixing.recipe import parse_recipe
from cutmix_gen.mixing.strategies import STRATEGIES
from cutmix_gen.shards import SHARD_FORMATS, shard_format


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder of PNG images whose pixels follow from their numbers."""
    root = tmp_path_factory.mktemp("source") / "images"
    for number in range(150):
        (root / f"class-{number % 3}").mkdir(parents=True, exist_ok=True)
        width, height = 9 + number % 7, 8 + number % 5
        pixels = np.arange(width * height * 3, dtype=np.uint32) * (2 * number + 7) % 251
        Image.fromarray(pixels.astype(np.uint8).reshape(height, width, 3)).save(
            root / f"class-{number % 3}/{number}.png"
        )
    return root


def digest_of(output, shards):
    """Return the SHA-256 over every field of every sample, with the pixels in the place of the encoded images."""
    digest = hashlib.sha256()
    schema = Manifest(output).read_set().schema
    for path in sorted((output / "data").iterdir()):
        for rows in shard_format(shards).read(path, schema):
            for place, key in enumerate(rows.key):
                with Image.open(io.BytesIO(rows.image[place])) as image:
                    digest.update(np.asarray(image).tobytes())
                digest.update(f"{key} {rows.label[place]} {rows.strategy[place]} {rows.sources[place]}".encode())
                digest.update(rows.recipe[place].encode())
                for column in (rows.soft_label, rows.label_index, rows.label_weight, rows.boxes):
                    digest.update(column[place].tobytes())
    return digest.hexdigest()[:16]


OPTIONS = {
    "plain": ({}, "267fe8184aabf46f"),
    "fixed": ({"size": "12x10", "copies": 2.5, "hflip": 0.5, "interpolation": "nearest"}, "12e59ffcdfd7243c"),
    "mixed": ({"strategy": ("cutmix", "patches", "multi", "gridmix:2", "mixup"), "alpha": 0.4}, "ad988a810daa927a"),
    "paired": (
        {"pairing": "balanced", "fit": "letterbox", "stratify": True, "lam_range": "0.1,0.9"},
        "1c62951b23c0870e",
    ),
}
"""Settings, and the digest of what they stand for. A change here is a change of every set that people have."""


@pytest.mark.parametrize("shards", SHARD_FORMATS)
@pytest.mark.parametrize("name", OPTIONS)
def test_the_samples_are_those_of_the_first_version(folder, tmp_path, name, shards):
    options, expected = OPTIONS[name]
    config = GenerateConfig(
        source=folder, output=tmp_path / "out", format=shards, backend="serial", codec="pillow", **options
    )
    generate(config)
    assert digest_of(tmp_path / "out", shards) == expected


def test_recipes_are_plain_json_without_blanks(folder, tmp_path):
    generate(GenerateConfig(source=folder, output=tmp_path / "out", strategy=tuple(STRATEGIES), backend="serial"))
    schema = Manifest(tmp_path / "out").read_set().schema
    for path in sorted((tmp_path / "out/data").iterdir()):
        for rows in shard_format("parquet").read(path, schema):
            for text in rows.recipe:
                assert json.dumps(json.loads(text), separators=(",", ":")) == text
                parse_recipe(text)
