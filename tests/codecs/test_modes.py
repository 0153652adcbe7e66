from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from PIL import Image

from cutmix_gen.codecs import MODES
from cutmix_gen.codecs.modes import pixels_of
from cutmix_gen.errors import ImageError
from tests.images import SHAPES, file_of, noise, pixels_in, raw_png

COLOURS = np.array([[255, 0, 0], [0, 128, 64], [10, 20, 30]], np.uint8)
PLACES = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)


def whole(_size):
    return 1


def palette_image():
    image = Image.frombytes("P", (3, 2), PLACES.tobytes())
    image.putpalette(COLOURS.ravel().tolist())
    return image


def on_white(values, alpha):
    """Return values under an alpha of 0 to 255, laid on white, rounded to the nearest level."""
    alpha = np.asarray(alpha, float)
    return np.floor((np.asarray(values, float) * alpha + 255 * (255 - alpha)) / 255 + 0.5).astype(np.uint8)


def luma(rgb):
    """Return gray by ITU-R 601, as Pillow rounds it."""
    return np.asarray(Image.fromarray(rgb).convert("L"))


@pytest.mark.parametrize("file_format", ["PNG", "GIF", "BMP", "TIFF"])
def test_a_palette_becomes_its_colours(codec, file_format):
    decoded = codec.decode(file_of(palette_image(), file_format), "RGB", whole)
    np.testing.assert_array_equal(decoded.pixels, COLOURS[PLACES])
    assert decoded.converted


def test_a_palette_becomes_the_gray_of_its_colours(codec):
    decoded = codec.decode(file_of(palette_image(), "PNG"), "L", whole)
    np.testing.assert_array_equal(decoded.pixels, luma(COLOURS[PLACES]))


def test_a_transparent_palette_is_laid_on_white(codec):
    data = file_of(palette_image(), "PNG", transparency=bytes([0, 128, 255]))
    decoded = codec.decode(data, "RGB", whole)
    expected = on_white(COLOURS, np.array([[0], [128], [255]]))
    assert expected[0].tolist() == [255, 255, 255]
    assert expected[2].tolist() == COLOURS[2].tolist()
    np.testing.assert_array_equal(decoded.pixels, expected[PLACES])


def test_a_transparent_palette_entry_of_a_gif_is_laid_on_white(codec):
    decoded = codec.decode(file_of(palette_image(), "GIF", transparency=1), "RGB", whole)
    expected = COLOURS.copy()
    expected[1] = 255
    np.testing.assert_array_equal(decoded.pixels, expected[PLACES])


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF"])
def test_transparency_is_laid_on_white_to_the_level(codec, file_format):
    rgba = np.array(
        [[[0, 0, 0, 128], [0, 0, 0, 127], [200, 100, 50, 128], [9, 8, 7, 0], [9, 8, 7, 255], [255, 0, 1, 1]]], np.uint8
    )
    options = {"lossless": True, "exact": True} if file_format == "WEBP" else {}
    decoded = codec.decode(file_of(rgba, file_format, **options), "RGB", whole)
    assert decoded.pixels[0, :2].tolist() == [[127, 127, 127], [128, 128, 128]]
    assert decoded.pixels[0, 3:5].tolist() == [[255, 255, 255], [9, 8, 7]]
    np.testing.assert_array_equal(decoded.pixels, on_white(rgba[..., :3], rgba[..., 3:]))
    assert decoded.converted


def test_every_pair_of_gray_and_alpha_is_laid_on_white_to_the_level(codec):
    gray, alpha = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
    image = Image.merge("LA", (Image.fromarray(gray), Image.fromarray(alpha)))
    decoded = codec.decode(file_of(image, "PNG"), "L", whole)
    np.testing.assert_array_equal(decoded.pixels, on_white(gray, alpha))


@pytest.mark.parametrize(("mode", "value"), [("L", 0), ("RGB", (0, 0, 0))])
def test_a_transparent_colour_becomes_white(codec, mode, value):
    pixels = np.zeros((2, 3, *SHAPES[mode]), np.uint8)
    pixels[0] = 77
    decoded = codec.decode(file_of(pixels, "PNG", transparency=value), mode, whole)
    pixels[1] = 255
    np.testing.assert_array_equal(decoded.pixels, pixels)
    assert decoded.converted
    assert not decoded.untouched


@pytest.mark.parametrize(("mode", "white", "gray"), [("I;16", 65535, 1000), ("L", 255, 4), ("RGB", 255, 4)])
def test_a_transparent_level_of_16_bit_becomes_white(codec, mode, white, gray):
    pixels = np.array([[1000, 1000], [7, 7]], np.uint16)
    decoded = codec.decode(file_of(pixels, "PNG", transparency=7), mode, whole)
    assert np.unique(decoded.pixels[0]).tolist() == [gray]
    assert np.unique(decoded.pixels[1]).tolist() == [white]


def test_one_bit_becomes_black_and_white(codec):
    bits = np.array([[True, False, True], [False, False, True]])
    data = file_of(Image.fromarray(bits), "PNG")
    np.testing.assert_array_equal(codec.decode(data, "L", whole).pixels, bits * np.uint8(255))
    np.testing.assert_array_equal(codec.decode(data, "I;16", whole).pixels, bits * np.uint16(65535))
    np.testing.assert_array_equal(codec.decode(data, "RGB", whole).pixels, np.stack([bits * np.uint8(255)] * 3, -1))


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_gray_of_few_bits_is_scaled_to_eight(codec, bits):
    levels = 2**bits
    values = np.arange(8) % levels
    packed = np.packbits([(value >> bit) & 1 for value in values for bit in reversed(range(bits))]).tobytes()
    decoded = codec.decode(raw_png(8, 1, bits, 0, [packed]), "L", whole)
    np.testing.assert_array_equal(decoded.pixels, [(values * 255 // (levels - 1)).astype(np.uint8)])
    assert not decoded.untouched


@pytest.mark.parametrize(
    ("inks", "rgb"),
    [
        ((255, 0, 0, 0), (0, 255, 255)),
        ((0, 255, 0, 0), (255, 0, 255)),
        ((0, 0, 255, 0), (255, 255, 0)),
        ((0, 0, 0, 255), (0, 0, 0)),
        ((0, 0, 0, 0), (255, 255, 255)),
    ],
)
def test_the_inks_of_an_adobe_cmyk_jpeg_become_their_colours(codec, inks, rgb):
    data = file_of(Image.new("CMYK", (16, 16), inks), "JPEG", quality=100)
    assert b"Adobe" in data
    decoded = codec.decode(data, "RGB", whole)
    assert np.abs(decoded.pixels.astype(int) - rgb).max() <= 2
    assert decoded.converted
    assert not decoded.untouched


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "PPM"])
def test_sixteen_bit_stays_sixteen_bit(codec, file_format):
    pixels = noise(17, 9, "I;16")
    decoded = codec.decode(file_of(pixels, file_format), "I;16", whole)
    np.testing.assert_array_equal(decoded.pixels, pixels)
    assert decoded.pixels.dtype == np.uint16


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_sixteen_bit_is_scaled_to_eight_and_never_clipped(codec, mode):
    levels = np.arange(256, dtype=np.uint16)
    pixels = np.stack([levels * np.uint16(257), levels * np.uint16(257)])
    decoded = codec.decode(file_of(pixels, "PNG"), mode, whole)
    for channel in decoded.pixels.reshape(2, 256, -1).transpose(2, 0, 1):
        np.testing.assert_array_equal(channel, [levels, levels])
    assert decoded.converted


def test_sixteen_bit_is_rounded_to_the_nearest_level(codec):
    pixels = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    decoded = codec.decode(file_of(pixels, "PNG"), "L", whole)
    np.testing.assert_array_equal(decoded.pixels, np.floor(pixels / 257 + 0.5).astype(np.uint8))


def test_eight_bit_is_scaled_to_sixteen(codec):
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    decoded = codec.decode(file_of(levels, "PNG"), "I;16", whole)
    np.testing.assert_array_equal(decoded.pixels, levels.astype(np.uint16) * 257)
    assert decoded.converted


def test_colour_becomes_sixteen_bit_gray(codec):
    rgb = noise(9, 7)
    decoded = codec.decode(file_of(rgb, "PNG"), "I;16", whole)
    np.testing.assert_array_equal(decoded.pixels, luma(rgb).astype(np.uint16) * 257)


def test_sixteen_bit_colour_is_scaled_and_not_clipped(codec):
    values = np.array([[0, 255, 256], [32768, 40000, 65535]], ">u2")
    decoded = codec.decode(raw_png(2, 1, 16, 2, [values.tobytes()]), "RGB", whole)
    assert np.abs(decoded.pixels[0].astype(float) - values / 257).max() <= 1
    assert decoded.pixels.max() == 255
    assert not decoded.untouched


def test_a_big_endian_tiff_of_16_bit_keeps_its_values(codec):
    pixels = noise(11, 5, "I;16")
    image = Image.frombytes("I;16B", (11, 5), pixels.astype(">u2").tobytes())
    data = file_of(image, "TIFF")
    np.testing.assert_array_equal(codec.decode(data, "I;16", whole).pixels, pixels)
    np.testing.assert_array_equal(codec.decode(data, "L", whole).pixels, np.floor(pixels / 257 + 0.5))


def test_integers_of_32_bit_are_taken_where_they_fit_16(codec):
    values = np.array([[0, 1, 65535], [300, 400, 500]], np.int32)
    decoded = codec.decode(file_of(values, "TIFF"), "I;16", whole)
    np.testing.assert_array_equal(decoded.pixels, values)
    assert decoded.pixels.dtype == np.uint16


@pytest.mark.parametrize("value", [-1, 65536, 2**31 - 1])
def test_integers_beyond_16_bit_are_refused_with_their_range(codec, value):
    values = np.array([[0, value]], np.int32)
    with pytest.raises(ImageError, match=str(value)):
        codec.decode(file_of(values, "TIFF"), "I;16", whole)


@pytest.mark.parametrize("mode", MODES)
def test_floating_point_pixels_are_refused(codec, mode):
    with pytest.raises(ImageError, match="floating-point"):
        codec.decode(file_of(np.full((2, 3), 0.5, np.float32), "TIFF"), mode, whole)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "make",
    [
        palette_image,
        partial(Image.new, "1", (3, 2), 1),
        partial(Image.new, "L", (3, 2), 5),
        partial(Image.new, "LA", (3, 2), (5, 6)),
        partial(Image.new, "RGB", (3, 2), (1, 2, 3)),
        partial(Image.new, "RGBA", (3, 2), (1, 2, 3, 4)),
        partial(Image.new, "RGBX", (3, 2), (1, 2, 3, 0)),
        partial(Image.new, "RGBa", (3, 2), (1, 2, 3, 4)),
        partial(Image.new, "PA", (3, 2)),
        partial(Image.new, "CMYK", (3, 2), (1, 2, 3, 4)),
        partial(Image.new, "YCbCr", (3, 2), (1, 2, 3)),
        partial(Image.new, "LAB", (3, 2), (1, 2, 3)),
        partial(Image.new, "HSV", (3, 2), (1, 2, 3)),
        partial(Image.new, "I", (3, 2), 5),
        partial(Image.new, "I;16", (3, 2), 5),
        partial(Image.new, "I;16L", (3, 2), 5),
        partial(Image.new, "I;16B", (3, 2), 5),
    ],
)
def test_every_mode_that_has_a_range_becomes_the_mode_of_the_set(make, mode):
    pixels = pixels_of(make(), mode)
    assert pixels.shape == (2, 3, *SHAPES[mode])
    assert pixels.dtype == (np.uint16 if mode == "I;16" else np.uint8)
    assert pixels.dtype.isnative


@pytest.mark.parametrize("mode", MODES)
def test_pixels_of_the_mode_of_the_set_are_not_converted(codec, mode):
    data = file_of(noise(5, 4, mode), "PNG")
    decoded = codec.decode(data, mode, whole)
    np.testing.assert_array_equal(decoded.pixels, pixels_in(data))
    assert not decoded.converted
