"""Readers of images: files of their own, and those in shards that serve as SRC."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from cutmix_gen import GenerateConfig
from cutmix_gen.codecs.pillow import peek
from cutmix_gen.dataset.records import Source
from cutmix_gen.shapes import Box, Size, View
from cutmix_gen.sources.images import Images
from cutmix_gen.sources.shard_sources import scan_source
from cutmix_gen.storage import path_text
from tests.fuzz.reading import FINE, SKIP, Make, Reader, choice


def image_reader(codec: str) -> Make:
    def make(folder: Path) -> Reader:
        (folder / "images").mkdir()
        readers = [
            Images(
                GenerateConfig(source=folder / "images", output=folder / "out", size=size, max_pixels=1 << 22).resolved(
                    codec=codec, mode=mode, image_format=image_format, dense_labels="always"
                )
            )
            for mode, image_format, size in (
                ("RGB", "jpeg", "keep"),
                ("RGB", "webp", "12x20"),
                ("L", "png", "keep"),
                ("I;16", "png", "20"),
            )
        ]

        def read(data: bytes) -> str:
            images = readers[choice(data, len(readers))]
            (folder / "images/a.jpg").write_bytes(data)
            found = _used(images, Source("a.jpg", 0, len(data)))
            if found != SKIP:
                peek(BytesIO(data))
            return found

        return read

    return make


def _used(images: Images, source: Source) -> str:
    """Read an image, show it, and encode what shows."""
    loaded = images.load(source)
    if loaded.size is None:
        assert loaded.reason
        return SKIP
    size = loaded.size
    if size.area <= 1 << 16:
        whole = Box(0, 0, size.width, size.height)
        images.encode(images.show(loaded, View(whole, whole, flip=True), size))
        square = Size(20, 12)
        images.encode(images.show(loaded, View(whole, Box(0, 0, 20, 12), flip=False), square))
    return FINE


def source_reader(name: str) -> Make:
    def make(folder: Path) -> Reader:
        root = folder / "src"
        root.mkdir()
        config = GenerateConfig(source=root, output=folder / "out", max_pixels=1 << 20).resolved(
            codec="pillow", mode="RGB", image_format="png", dense_labels="always"
        )

        def read(data: bytes) -> str:
            (root / name).write_bytes(data)
            scanned = scan_source(root)
            images, skips = Images(config), sum(scanned.passed_over.values())
            for row in range(min(len(scanned), 8)):
                source = Source(path_text(scanned.paths[row]), int(scanned.labels[row]), int(scanned.sizes[row]))
                assert 0 <= source.label < len(scanned.classes)
                skips += _used(images, source) == SKIP
            return SKIP if skips else FINE

        return read

    return make
