"""End to end and pixel exact: every pixel of a source tells which image and which place it is from."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest
from PIL import Image

from cutmix_gen import GenerateConfig, generate
from cutmix_gen.mixing.strategies import STRATEGIES, SoftMask
from cutmix_gen.shapes import Size

Row = dict[str, Any]
Array = npt.NDArray[Any]
CLASSES = ("ant", "bee", "cow")


@dataclass(frozen=True)
class TellTale:
    """A way to write the number of an image and the place in it into a pixel, and to read it off again."""

    mode: str
    span: int
    """Pixels that an image has at most."""

    def image(self, number: int, width: int, height: int) -> Array:
        ys, xs = np.mgrid[:height, :width]
        if self.mode == "RGB":
            return np.stack([np.full_like(ys, number), ys, xs], axis=2).astype(np.uint8)
        values = number * self.span + ys * width + xs
        dtype = np.uint8 if self.mode == "L" else np.uint16
        assert width * height <= self.span
        assert values.max() <= np.iinfo(dtype).max
        return values.astype(dtype)

    def number(self, pixels: Array) -> Array:
        return pixels[:, :, 0] if self.mode == "RGB" else pixels // self.span

    def place(self, pixels: Array) -> Array:
        """Row by row, as `np.arange` would number them; of an image that was not resized."""
        if self.mode == "RGB":
            return pixels[:, :, 1].astype(int) * pixels.shape[1] + pixels[:, :, 2]
        return pixels % self.span


@dataclass(frozen=True)
class Folder:
    root: Path
    tell_tale: TellTale
    numbers: dict[str, int]
    """Path under the folder to the number that its pixels tell."""

    def generate(self, out: Path, **options: Any) -> list[Row]:
        """Make a set, and return all that a reader without this package finds in it."""
        given = {"copies": 4, "shard_size": 10, "backend": "serial", **options}
        report = generate(GenerateConfig(source=self.root, output=out, **given))
        rows = list(READERS[given.get("format", "parquet")](out))
        assert not report.skipped
        assert len(rows) == report.samples == len(self.numbers) * 5
        return rows


def _folder(root: Path, tell_tale: TellTale, sizes: list[tuple[int, int]]) -> Folder:
    numbers = {}
    for number, (width, height) in enumerate(sizes):
        path = f"{CLASSES[number % 3]}/{number:03d}.png"
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(tell_tale.image(number, width, height)).save(root / path)
        numbers[path] = number
    return Folder(root, tell_tale, numbers)


def _from_parquet(out: Path) -> Iterator[Row]:
    for path in sorted((out / "data").glob("*.parquet")):
        for row in pq.read_table(path).to_pylist():
            row["pixels"] = np.asarray(Image.open(BytesIO(row["image"]["bytes"])))
            yield row


def _from_webdataset(out: Path) -> Iterator[Row]:
    for path in sorted((out / "data").glob("*.tar")):
        members: dict[str, dict[str, bytes]] = {}
        with tarfile.open(path) as tar:
            for member in tar:
                key, kind = member.name.split(".", 1)
                data = tar.extractfile(member)
                assert data
                members.setdefault(key, {})[kind] = data.read()
        for key, sample in members.items():
            row: Row = json.loads(sample["json"])
            assert row["key"] == key
            row["label"] = int(sample["cls"])
            row["soft_label"] = np.load(BytesIO(sample["soft.npy"])).tolist()
            row["pixels"] = np.asarray(Image.open(BytesIO(sample["png"])))
            yield row


READERS = {"parquet": _from_parquet, "webdataset": _from_webdataset}


def _assert_label_is_what_the_pixels_tell(row: Row, folder: Folder) -> None:
    owner = folder.tell_tale.number(row["pixels"])
    numbers = [folder.numbers[path] for path in row["sources"]]
    assert set(np.unique(owner).tolist()) <= set(numbers)
    assert len(set(numbers)) == len(numbers), "an image is mixed with itself"

    counts = [int((owner == number).sum()) for number in numbers]
    assert sum(counts) == owner.size
    classes = [number % 3 for number in numbers]
    padding = len(row["label_weight"]) - len(numbers)
    weights = np.array([count / owner.size for count in counts] + [0] * padding, np.float32)
    assert row["label_weight"] == weights.tolist()
    assert row["lam"] == weights.tolist()[0]
    assert row["label_index"] == classes + classes[:1] * padding

    totals = np.bincount(classes, weights=counts, minlength=3)
    assert row["soft_label"] == (totals / owner.size).astype(np.float32).tolist()
    assert row["label"] == max(classes, key=totals.__getitem__)

    boxes = [_smallest_box(owner == number) for number in numbers[1:]]
    assert row["boxes"] == boxes + [[0, 0, 0, 0]] * (len(row["label_weight"]) - 1 - len(boxes))

    if row["synthetic"]:
        assert len(numbers) >= 2
        assert max(counts) < owner.size, "a sample that equals an original"
    else:
        assert (numbers, row["lam"], row["lam_drawn"], row["strategy"]) == (numbers[:1], 1, 1, "original")


def _smallest_box(shown: Array) -> list[int]:
    ys, xs = np.nonzero(shown)
    return [int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1] if len(xs) else [0, 0, 0, 0]


def _assert_pixels_are_in_their_places(row: Row, folder: Folder, owners: str) -> None:
    """`owners` is `all`, or `base` where a donor's pixels are moved or resized."""
    height, width = row["pixels"].shape[:2]
    flips = [view["flip"] for view in json.loads(row["recipe"])["views"]]
    owner, found = folder.tell_tale.number(row["pixels"]), folder.tell_tale.place(row["pixels"])
    for path, flip in list(zip(row["sources"], flips, strict=True))[: None if owners == "all" else 1]:
        places = np.arange(width * height).reshape(height, width)
        shown = owner == folder.numbers[path]
        np.testing.assert_array_equal(found[shown], (places[:, ::-1] if flip else places)[shown])


RGB = TellTale("RGB", 256 * 256)
ALL_DIFFERENT = [
    (24, 17),
    (31, 40),
    *((9 + 5 * i, 60 - 4 * i) for i in range(10)),
    *((7 + i, 50 + i) for i in range(12)),
]
ALIKE = [(24, 17)] * 24

MIXES: dict[str, dict[str, Any]] = {
    "cutmix": {"strategy": "cutmix"},
    "patches": {"strategy": "patches"},
    "patches, shuffled": {"strategy": "patches", "mix_option": ("grid=3", "shuffle=true")},
    "both": {"strategy": ("cutmix", "patches:2"), "hflip": 0.5},
}


@pytest.mark.parametrize("fit", ["center-crop", "stretch"])
@pytest.mark.parametrize("mix", MIXES)
def test_labels_are_exact_where_every_image_keeps_a_size_of_its_own(tmp_path: Path, mix: str, fit: str) -> None:
    assert len(set(ALL_DIFFERENT)) == len(ALL_DIFFERENT)
    assert all(width != height for width, height in ALL_DIFFERENT)
    folder = _folder(tmp_path / "src", RGB, ALL_DIFFERENT)
    rows = folder.generate(tmp_path / "out", size="keep", fit=fit, **MIXES[mix])
    for row in rows:
        width, height = ALL_DIFFERENT[folder.numbers[row["sources"][0]]]
        assert row["pixels"].shape == (height, width, 3)
        _assert_label_is_what_the_pixels_tell(row, folder)
        _assert_pixels_are_in_their_places(row, folder, "base")


def _is_soft(name: str) -> bool:
    strategy = STRATEGIES[name]()
    return isinstance(strategy.realise(strategy.fallback(), Size(8, 8)), SoftMask)


@pytest.mark.parametrize("name", STRATEGIES)
def test_labels_of_every_strategy_are_what_the_pixels_tell(tmp_path: Path, name: str) -> None:
    folder = _folder(tmp_path / "src", RGB, ALL_DIFFERENT)
    rows = folder.generate(tmp_path / "out", size="33x20", strategy=name, hflip=0.5)
    for row in rows:
        assert row["strategy"] == (name if row["synthetic"] else "original")
        if not _is_soft(name):
            _assert_label_is_what_the_pixels_tell(row, folder)
            continue
        # Nobody owns a pixel of a blend, but the mean of all numbers is the mean of their weights, rounding aside.
        numbers = [folder.numbers[path] for path in row["sources"]]
        blended = np.dot(row["label_weight"][: len(numbers)], numbers)
        assert abs(folder.tell_tale.number(row["pixels"]).mean() - blended) <= 0.5
        assert row["lam"] == row["label_weight"][0]


@pytest.mark.parametrize("size", ["keep", "24x17"])
@pytest.mark.parametrize("fit", ["center-crop", "stretch"])
@pytest.mark.parametrize("mix", MIXES)
def test_labels_and_places_are_exact_where_all_images_have_one_size(
    tmp_path: Path, mix: str, fit: str, size: str
) -> None:
    folder = _folder(tmp_path / "src", RGB, ALIKE)
    rows = folder.generate(tmp_path / "out", size=size, fit=fit, **MIXES[mix])
    for row in rows:
        assert row["pixels"].shape == (17, 24, 3)
        _assert_label_is_what_the_pixels_tell(row, folder)
        _assert_pixels_are_in_their_places(row, folder, "base" if "shuffled" in mix else "all")


@pytest.mark.parametrize("codec", ["pillow", "turbo"])
@pytest.mark.parametrize("fit", ["center-crop", "stretch"])
def test_a_donor_of_another_size_shows_the_part_that_the_recipe_names(tmp_path: Path, fit: str, codec: str) -> None:
    folder = _folder(tmp_path / "src", RGB, ALL_DIFFERENT)
    rows = folder.generate(tmp_path / "out", fit=fit, codec=codec, hflip=0.5)
    for row in rows:
        _assert_label_is_what_the_pixels_tell(row, folder)
        height, width = row["pixels"].shape[:2]
        views = json.loads(row["recipe"])["views"]
        for path, view in zip(row["sources"], views, strict=True):
            shown = folder.tell_tale.number(row["pixels"]) == folder.numbers[path]
            x1, y1, x2, y2 = view["crop"]
            across, down = (x2 - x1) / width, (y2 - y1) / height
            ys, xs = np.mgrid[:height, :width]
            xs = width - 1 - xs if view["flip"] else xs
            # A pixel's centre is half a pixel from its edge, here and in the source; the filter shifts it near the rim.
            off_x = np.abs(row["pixels"][:, :, 2] - (x1 + (xs + 0.5) * across - 0.5))[shown]
            off_y = np.abs(row["pixels"][:, :, 1] - (y1 + (ys + 0.5) * down - 0.5))[shown]
            assert off_x.max() <= 1 + across / 2
            assert off_y.max() <= 1 + down / 2


@pytest.mark.parametrize("mix", MIXES)
def test_a_webdataset_is_as_exact(tmp_path: Path, mix: str) -> None:
    folder = _folder(tmp_path / "src", RGB, ALIKE)
    rows = folder.generate(tmp_path / "out", format="webdataset", **MIXES[mix])
    for row in rows:
        _assert_label_is_what_the_pixels_tell(row, folder)
        _assert_pixels_are_in_their_places(row, folder, "base" if "shuffled" in mix else "all")


def test_both_formats_hold_the_same_samples(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "src", RGB, ALL_DIFFERENT)
    parquet, tar = (folder.generate(tmp_path / name, format=name, hflip=0.5) for name in READERS)
    for one, other in zip(parquet, tar, strict=True):
        one.pop("image")
        assert one.keys() == other.keys()
        np.testing.assert_array_equal(one.pop("pixels"), other.pop("pixels"))
        assert one == other


@pytest.mark.parametrize("shard_format", READERS)
@pytest.mark.parametrize("size", ["keep", "9x7"])
def test_grayscale_of_8_bit_is_as_exact(tmp_path: Path, size: str, shard_format: str) -> None:
    sizes = [(9, 4), (4, 9), (6, 6), (5, 7), (7, 5), (12, 3), (2, 18)] if size == "keep" else [(4, 9)] * 7
    folder = _folder(tmp_path / "src", TellTale("L", 36), sizes)
    out = size if size == "keep" else "4x9"
    rows = folder.generate(tmp_path / "out", size=out, fit="stretch", format=shard_format)
    for row in rows:
        assert row["pixels"].dtype == np.uint8
        assert row["pixels"].ndim == 2
        _assert_label_is_what_the_pixels_tell(row, folder)
        _assert_pixels_are_in_their_places(row, folder, "base" if size == "keep" else "all")


@pytest.mark.parametrize("shard_format", READERS)
@pytest.mark.parametrize("mix", ["cutmix", "patches"])
def test_grayscale_of_16_bit_is_as_exact(tmp_path: Path, mix: str, shard_format: str) -> None:
    folder = _folder(tmp_path / "src", TellTale("I;16", 2700), ALL_DIFFERENT)
    rows = folder.generate(tmp_path / "out", format=shard_format, **MIXES[mix])
    assert max(row["pixels"].max() for row in rows) > 60_000
    for row in rows:
        assert row["pixels"].dtype == np.uint16
        _assert_label_is_what_the_pixels_tell(row, folder)
        _assert_pixels_are_in_their_places(row, folder, "base")


def test_every_image_is_a_base_in_every_copy_and_a_donor_as_often(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "src", RGB, ALIKE)
    rows = folder.generate(tmp_path / "out")
    for place in (0, 1):
        paths = [row["sources"][place] for row in rows if row["synthetic"]]
        assert sorted(paths) == sorted(list(folder.numbers) * 4)
    assert len({row["key"] for row in rows}) == len(rows)


def test_originals_hold_the_bytes_of_the_files(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "src", RGB, ALL_DIFFERENT)
    rows = folder.generate(tmp_path / "out")
    originals = [row for row in rows if not row["synthetic"]]
    assert len(originals) == len(ALL_DIFFERENT)
    for row in originals:
        assert row["image"]["bytes"] == (folder.root / row["sources"][0]).read_bytes()
