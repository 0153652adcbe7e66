"""A folder of images whose names try to be more than names."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from tests.images import noise

NAMES = (
    "<script>alert(1)<",
    '"><img src=x onerror=alert(2)>',
    "' onmouseover='alert(3)",
    "$\\frac{1}{2}$",
    "{{ 7*7 }}",
    "&amp;lt;",
    ' id="x" style="color:red',
    "日本語のクラス",
    "مرحبا",
    "line\nbreak",
    "plain",
)


def hostile_folder(root: Path) -> Path:
    """Write a few small images of each class, a broken one and something else; return the folder."""
    for label, name in enumerate(NAMES):
        folder = root / name
        folder.mkdir(parents=True)
        for number in range(4):
            pixels = noise(30 + 40 * (label % 3), 30 + 20 * number, seed=10 * label + number)
            Image.fromarray(pixels).save(folder / f"{number}.jpg")
    (root / "plain" / "<b>broken.jpg").write_bytes(b"no image")
    (root / "plain" / "notes.txt").write_bytes(b"no image")
    return root
