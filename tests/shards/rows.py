"""Rows for tests of the shard formats, and writing and comparing them."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import numpy as np

from cutmix_gen.mixing.labels import dominant_class, soft_labels
from cutmix_gen.shards import ShardFormat
from cutmix_gen.shards.rows import Rows, RowSchema
from tests.images import file_of, noise

PLAIN = RowSchema(("cat", "dog", "owl"), 2, True, "png")
SPARSE = RowSchema(("cat", "dog", "owl"), 2, False, "png")
THREE = RowSchema(tuple(f"class {number}" for number in range(12)), 3, True, "jpg")
SCHEMAS = {"two sources": PLAIN, "no dense labels": SPARSE, "three sources, some padded": THREE}

PATHS = ["cat/a b.jpg", "dog/.../x.y.png", "owl/Überflug 猫😀.png", r"dog/\xff\\.jpg", 'cat/"quoted", {braces}.png']
"""Sources with names that a format might trip over, as `path_text` writes them."""


def make_rows(schema: RowSchema, n: int, first: int = 0) -> Rows:
    """Return n samples, every third an original, every fifth of two sources where there may be three."""
    rng = np.random.default_rng(first)
    index = rng.integers(0, len(schema.classes), (n, schema.sources)).astype(np.int32)
    weight = rng.dirichlet(np.ones(schema.sources), n).round(3)
    number = np.arange(first, first + n)
    if schema.sources > 2:
        weight[number % 5 == 0, 2:] = 0
    synthetic = number % 3 > 0
    weight[~synthetic] = np.eye(1, schema.sources)
    weight[:, 0] = 1 - weight[:, 1:].sum(axis=1)
    unused = weight == 0
    index[unused] = np.broadcast_to(index[:, :1], index.shape)[unused]
    boxes = rng.integers(0, 99, (n, schema.sources - 1, 4)).astype(np.int32)
    boxes[unused[:, 1:]] = 0
    used = (~unused).sum(axis=1)
    extension = {"jpg": "JPEG"}.get(schema.extension, schema.extension.upper())
    drawn = np.where(synthetic, rng.random(n), 1.0)
    return Rows(
        key=[f"0001-{int(mixed):03d}-{place:09d}" for place, mixed in zip(number, synthetic, strict=True)],
        image=[file_of(noise(6, 5, seed=place), extension) for place in number.tolist()],
        label=dominant_class(index, weight),
        soft_label=soft_labels(index, weight, len(schema.classes), 0.0) if schema.dense else None,
        label_index=index,
        label_weight=weight.astype(np.float32),
        synthetic=synthetic,
        strategy=["cutmix" if mixed else "original" for mixed in synthetic],
        lam=weight[:, 0].astype(np.float32),
        lam_drawn=drawn.astype(np.float32),
        sources=[[PATHS[(row + donor) % len(PATHS)] for donor in range(count)] for row, count in enumerate(used)],
        boxes=boxes,
        recipe=[json.dumps({"size": [6, 5], "number": place}) for place in number.tolist()],
    )


def joined(parts: list[Rows]) -> Rows:
    """Return the rows of several parts as one."""
    columns = {field.name: [getattr(part, field.name) for part in parts] for field in fields(Rows)}
    return Rows(**{name: _concatenated(values) for name, values in columns.items()})


def _concatenated(values):
    if values[0] is None:
        return None
    if isinstance(values[0], list):
        return [item for value in values for item in value]
    return np.concatenate(values)


def write_shard(shard_format: ShardFormat, path: Path, schema: RowSchema, *parts: Rows) -> Path:
    """Write a shard, one call of `write` for each part."""
    writer = shard_format.open_writer(path, schema)
    for part in parts:
        writer.write(part)
    writer.close()
    return path


def assert_same_rows(found: Rows, expected: Rows) -> None:
    """Assert that two lots of rows have the same values, and arrays of the same type."""
    for field in fields(Rows):
        one, two = getattr(found, field.name), getattr(expected, field.name)
        if isinstance(two, np.ndarray):
            assert one.dtype == two.dtype, field.name
            np.testing.assert_array_equal(one, two, field.name, strict=True)
        else:
            assert one == two, field.name
