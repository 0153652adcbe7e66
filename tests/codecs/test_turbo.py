"""The pixels of turbo are Pillow's, give or take one level; what it may do with a file is the same."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cutmix_gen.codecs import MODES, Encoding, make_codec
from cutmix_gen.shapes import Size
from tests.images import exif_orientation, file_of, noise, photo, pixels_in, with_segments

PILLOW, TURBO = make_codec("pillow"), make_codec("turbo")
ODD_SIZES = [(16, 16), (17, 16), (33, 47), (63, 65), (101, 79)]


def whole(_size):
    return 1


def outcome(codec, data, mode="RGB"):
    """Return what a codec makes of a file: all facts but the pixels, or None for an error."""
    try:
        decoded = codec.decode(data, mode, whole)
    except Exception:
        return None
    return decoded.size, decoded.format, decoded.converted, decoded.untouched, decoded.pixels.shape


def apart(one, two):
    assert one.shape == two.shape
    assert one.dtype == two.dtype
    return int(np.abs(one.astype(int) - two.astype(int)).max())


@pytest.mark.parametrize("reduction", [1, 2, 4, 8])
@pytest.mark.parametrize("size", ODD_SIZES)
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_reduced_colour_is_as_pillow_has_it(reduction, size, subsampling, mode):
    data = file_of(photo(*size), "JPEG", quality=90, subsampling=subsampling)
    one, two = (codec.decode(data, mode, lambda _size: reduction) for codec in (PILLOW, TURBO))
    assert apart(one.pixels, two.pixels) <= 1
    assert two.pixels.shape[:2] == (-(-size[1] // reduction), -(-size[0] // reduction))
    assert one.size == two.size == Size(*size)


@pytest.mark.parametrize("reduction", [1, 2, 4, 8])
@pytest.mark.parametrize("size", ODD_SIZES)
@pytest.mark.parametrize("mode", MODES)
def test_reduced_grayscale_is_as_pillow_has_it(reduction, size, mode):
    data = file_of(photo(*size, "L"), "JPEG", quality=90)
    one, two = (codec.decode(data, mode, lambda _size: reduction) for codec in (PILLOW, TURBO))
    assert apart(one.pixels, two.pixels) <= 1
    assert two.pixels.shape[:2] == (-(-size[1] // reduction), -(-size[0] // reduction))


@settings(max_examples=40, deadline=None)
@given(data=st.data(), mode=st.sampled_from(MODES), width=st.integers(1, 70), height=st.integers(1, 70))
def test_any_region_is_resized_as_pillow_has_it(data, mode, width, height):
    def interval(length):
        start = data.draw(st.floats(0, length - 1))
        return start, data.draw(st.floats(start + 1, length) if start + 1 < length else st.just(float(length)))

    (x1, x2), (y1, y2) = interval(width), interval(height)
    target = Size(data.draw(st.integers(1, 60)), data.draw(st.integers(1, 60)))
    pixels = noise(width, height, mode)
    one, two = (codec.resize(pixels, (x1, y1, x2, y2), target, "bilinear") for codec in (PILLOW, TURBO))
    assert apart(one, two) <= 1


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("target", [Size(224, 224), Size(97, 61), Size(640, 480)])
def test_a_photo_is_resized_as_pillow_has_it(mode, target):
    pixels = photo(500, 375, mode)
    one, two = (codec.resize(pixels, (62.5, 0.25, 437.5, 374.75), target, "bilinear") for codec in (PILLOW, TURBO))
    assert apart(one, two) <= 1


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("quality", [96, 100])
def test_a_jpeg_of_high_quality_shows_what_pillows_shows(mode, quality):
    pixels = photo(65, 47, mode)
    one, two = (codec.encode(pixels, Encoding("jpeg", quality, "444")) for codec in (PILLOW, TURBO))
    assert apart(pixels_in(one), pixels_in(two)) == 0


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("quality", [30, 75, 95])
def test_a_jpeg_of_less_quality_is_about_as_close_as_pillows(mode, quality):
    # Below 96 libjpeg-turbo's own interface takes its faster, less exact transform, whatever it is asked for.
    pixels = photo(320, 240, mode)
    files = [codec.encode(pixels, Encoding("jpeg", quality, "444")) for codec in (PILLOW, TURBO)]
    one, two = (((pixels_in(data).astype(float) - pixels) ** 2).mean() for data in files)
    assert two < 1.2 * one
    assert len(files[1]) < 1.1 * len(files[0])


def jpegs():
    colour, gray = photo(40, 30), photo(40, 30, "L")
    xmp = b"http://ns.adobe.com/xap/1.0/\0" + b'<tiff:Orientation="1"/>'
    return {
        "colour": file_of(colour, "JPEG"),
        "gray": file_of(gray, "JPEG"),
        "progressive": file_of(colour, "JPEG", progressive=True),
        "colour stored as RGB": file_of(colour, "JPEG", keep_rgb=True),
        "CMYK": file_of(Image.fromarray(colour).convert("CMYK"), "JPEG"),
        "orientation": file_of(colour, "JPEG", exif=exif_orientation(6)),
        "a comment": with_segments(file_of(colour, "JPEG"), (0xFE, b"made by hand")),
        "XMP": with_segments(file_of(colour, "JPEG"), (0xE1, xmp)),
        "a profile": file_of(colour, "JPEG", icc_profile=bytes(3000)),
        "bytes behind the end": file_of(colour, "JPEG") + b"more",
        "zeros behind the end": file_of(colour, "JPEG") + bytes(100),
        "no end": file_of(colour, "JPEG")[:-2],
        "two pictures": file_of(
            Image.fromarray(colour), "MPO", save_all=True, append_images=[Image.fromarray(colour[::-1])]
        ),
        "restart markers": file_of(colour, "JPEG", restart_marker_blocks=2),
    }


@pytest.mark.parametrize("what", jpegs())
@pytest.mark.parametrize("mode", MODES)
def test_both_codecs_say_the_same_of_a_jpeg(what, mode):
    data = jpegs()[what]
    assert outcome(TURBO, data, mode) == outcome(PILLOW, data, mode)


@pytest.mark.parametrize("what", jpegs())
@pytest.mark.parametrize("mode", MODES)
def test_both_codecs_see_the_same_in_a_jpeg(what, mode):
    data = jpegs()[what]
    if outcome(PILLOW, data, mode) is not None:
        one, two = (codec.decode(data, mode, whole) for codec in (PILLOW, TURBO))
        assert apart(one.pixels, two.pixels) <= 1


def test_both_codecs_skip_the_same_damaged_jpegs():
    data = file_of(photo(64, 48), "JPEG")
    rng = np.random.default_rng(0)
    for _ in range(150):
        broken = bytearray(data)
        for place in rng.integers(2, len(data), rng.integers(1, 4)):
            broken[place] = rng.integers(256)
        cut = bytes(broken[: rng.integers(len(data) // 2, len(data) + 1)])
        assert (outcome(TURBO, cut) is None) == (outcome(PILLOW, cut) is None)


def test_threads_resize_at_the_same_time_without_harm():
    pixels = [noise(90, 70, seed=seed) for seed in range(32)]

    def resized(image):
        return TURBO.resize(image, (0, 0, 90, 70), Size(31, 29), "bilinear")

    with ThreadPoolExecutor(4) as threads:
        for expected, found in zip(map(resized, pixels), threads.map(resized, pixels), strict=True):
            np.testing.assert_array_equal(found, expected)
