"""Large images: what is in memory beside their pixels is small, and their pixels are those of any other image."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from cutmix_gen.codecs import MODES, make_codec, strips
from cutmix_gen.errors import ImageError
from tests import corpus
from tests.images import exif_orientation, file_of, noise, raw_png

SIDE = 2000
OWN_BYTES = {"RGB": 4, "RGBA": 4, "CMYK": 4, "L": 1, "P": 1, "I;16": 2}
"""Bytes that Pillow takes for a pixel of each mode."""

WITH_PEAK = """
import gc, re, sys
from pathlib import Path
from cutmix_gen.codecs import make_codec, strips
strips._STRIP = 1 << 16

def memory(key):
    return int(re.search(key + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) << 10

codec = make_codec(sys.argv[1])
for path in sorted(Path(sys.argv[2]).iterdir()):
    for mode in ("RGB", "L", "I;16"):
        data = path.read_bytes()
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")  # forgets the peak
        before = memory("VmRSS")
        pixels = codec.decode(data, mode, lambda _: 1).pixels
        print(path.name, mode, memory("VmHWM") - before, pixels.nbytes, sep="\\t")
        del pixels
"""
"""Decodes the files of a folder, and says how many bytes it took at most, and how many the pixels have."""


def odd_files() -> corpus.Files:
    """Return files of every pixel mode that Pillow reads, a few rows high."""
    gray = Image.fromarray(noise(48, 36)).convert("L")
    files = corpus.readable()
    files["gray and alpha.png"] = file_of(Image.merge("LA", (gray, gray.rotate(90, expand=False))), "PNG")
    files["clear gray.png"] = file_of(gray, "PNG", transparency=7)
    files["clear deep.png"] = file_of(noise(48, 36, "I;16"), "PNG", transparency=700)
    files["32 bit.tif"] = file_of(Image.fromarray(noise(48, 36, "I;16").astype(np.int32)), "TIFF")
    files["deep colour.png"] = raw_png(48, 2, 16, 2, [bytes(range(48)) * 6] * 2)
    files["lab.tif"] = file_of(Image.fromarray(noise(48, 36)).convert("LAB"), "TIFF")
    return files


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("codec", ["pillow", "turbo"])
@pytest.mark.parametrize("strip", [1, 48 * 5, 48 * 35])
def test_an_image_that_is_converted_in_strips_is_the_same(monkeypatch, codec, mode, strip):
    decode = make_codec(codec).decode
    for name, data in odd_files().items():
        whole = decode(data, mode, lambda _: 1)
        with monkeypatch.context() as patched:
            patched.setattr(strips, "_STRIP", strip)
            in_strips = decode(data, mode, lambda _: 1)
            np.testing.assert_array_equal(in_strips.pixels, whole.pixels, name)
        assert in_strips.pixels.dtype == whole.pixels.dtype
        assert (in_strips.size, in_strips.converted) == (whole.size, whole.converted)


def test_what_is_wrong_with_deep_pixels_is_said_of_the_whole_image(monkeypatch):
    monkeypatch.setattr(strips, "_STRIP", 8)
    values = np.array([[0, 5], [70_000, 3], [-9, 1]], np.int32).repeat(8, axis=1)
    with pytest.raises(ImageError, match="pixel values from -9 to 70000 do not fit"):
        make_codec("pillow").decode(file_of(Image.fromarray(values), "TIFF"), "I;16", lambda _: 1)


@pytest.mark.parametrize("codec", ["pillow", "turbo"])
def test_a_large_image_takes_its_pixels_twice_in_memory_and_no_more(tmp_path, codec):
    """Once as Pillow has them and once as an array; a turned one is turned before the array is made."""
    ramp = np.arange(SIDE, dtype=np.uint16)
    gray = Image.fromarray(((ramp[:, None] + ramp) // 64).astype(np.uint8))
    colour = Image.merge("RGB", (gray, gray.transpose(Image.Transpose.FLIP_LEFT_RIGHT), gray))
    alpha = colour.convert("RGBA")
    alpha.putalpha(gray)
    files = {
        "RGB": file_of(colour, "PNG", compress_level=1),
        "RGBA": file_of(alpha, "PNG", compress_level=1),
        "CMYK": file_of(colour.convert("CMYK"), "JPEG"),
        "L": file_of(gray, "PNG", compress_level=1),
        "P": file_of(colour.quantize(16, method=Image.Quantize.FASTOCTREE), "PNG", compress_level=1),
        "I;16": file_of(Image.fromarray(ramp[:, None] * 20 + ramp), "PNG", compress_level=1),
        "RGB turned": file_of(colour, "PNG", compress_level=1, exif=exif_orientation(6)),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", WITH_PEAK, codec, tmp_path], capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert len(lines) == len(files) * len(MODES)
    for line in lines:
        name, mode, peak, size = line.split("\t")
        own, _, turned = name.partition(" ")
        in_pillow = OWN_BYTES[own] * SIDE * SIDE
        expected = max(in_pillow + int(size), 2 * in_pillow * bool(turned))
        assert int(peak) < expected * 1.15 + (8 << 20), f"{name} to {mode}"
