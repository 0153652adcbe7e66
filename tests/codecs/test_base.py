"""What every codec does alike: upright decoding, `untouched`, damaged files, fitting, encoding."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageOps, JpegImagePlugin

from cutmix_gen.codecs import MODES, Decoded, Encoding
from cutmix_gen.errors import ImageError
from cutmix_gen.shapes import Box, Size
from tests.images import exif_orientation, file_of, noise, photo, pixels_in, raw_png, with_segments

ORIENTATIONS = range(1, 9)


def whole(_size):
    return 1


def upright(data):
    """Return the pixels as `PIL.ImageOps.exif_transpose` turns them."""
    with Image.open(BytesIO(data)) as image:
        return np.asarray(ImageOps.exif_transpose(image))


def xmp_orientation(value):
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="{value}"/>'
        "</rdf:RDF></x:xmpmeta>"
    ).encode()


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize(("file_format", "mode"), [("JPEG", "RGB"), ("JPEG", "L"), ("PNG", "RGB"), ("PNG", "I;16")])
def test_an_image_is_turned_upright_as_its_exif_data_says(codec, file_format, mode, orientation):
    data = file_of(photo(23, 37, mode), file_format, exif=exif_orientation(orientation))
    decoded = codec.decode(data, mode, whole)
    expected = upright(data)
    np.testing.assert_array_equal(decoded.pixels, expected)
    assert decoded.size == Size(expected.shape[1], expected.shape[0])
    assert decoded.untouched == (orientation == 1)


@pytest.mark.parametrize("file_format", ["WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", [3, 6])
def test_orientation_counts_in_every_format_that_has_it(codec, file_format, orientation):
    data = file_of(photo(23, 37), file_format, exif=exif_orientation(orientation))
    np.testing.assert_array_equal(codec.decode(data, "RGB", whole).pixels, upright(data))


@pytest.mark.parametrize("orientation", [0, 9, 300])
def test_an_orientation_that_does_not_exist_changes_nothing(codec, orientation):
    data = file_of(photo(23, 37), "JPEG", exif=exif_orientation(orientation))
    np.testing.assert_array_equal(codec.decode(data, "RGB", whole).pixels, pixels_in(data))


def test_orientation_is_found_behind_long_segments(codec):
    comment = bytes(60_000)
    exif = exif_orientation(6).tobytes()
    data = with_segments(file_of(photo(23, 37), "JPEG"), (0xFE, comment), (0xFE, comment), (0xE1, exif))
    np.testing.assert_array_equal(codec.decode(data, "RGB", whole).pixels, upright(data))
    assert upright(data).shape == (23, 37, 3)


@pytest.mark.parametrize("orientation", [3, 6])
def test_orientation_in_xmp_data_counts_as_exif_transpose_has_it(codec, orientation):
    packet = b"http://ns.adobe.com/xap/1.0/\0" + xmp_orientation(orientation)
    data = with_segments(file_of(photo(23, 37), "JPEG"), (0xE1, packet))
    assert not np.array_equal(upright(data), pixels_in(data))
    np.testing.assert_array_equal(codec.decode(data, "RGB", whole).pixels, upright(data))


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_the_size_that_reduction_is_asked_with_is_the_upright_one(codec, orientation):
    asked = []

    def reduce(size):
        asked.append(size)
        return 1

    codec.decode(file_of(photo(20, 30), "JPEG", exif=exif_orientation(orientation)), "RGB", reduce)
    assert set(asked) == {Size(20, 30) if orientation < 5 else Size(30, 20)}


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_turned_image_is_reduced_and_turned(codec, orientation):
    data = file_of(photo(64, 96), "JPEG", exif=exif_orientation(orientation))
    decoded = codec.decode(data, "RGB", lambda _size: 4)
    with Image.open(BytesIO(data)) as image:
        image.draft("RGB", (16, 24))
        expected = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(decoded.pixels, expected)
    assert decoded.size == (Size(64, 96) if orientation < 5 else Size(96, 64))


@pytest.mark.parametrize(
    ("file_format", "mode", "name"),
    [
        ("JPEG", "RGB", "jpeg"),
        ("JPEG", "L", "jpeg"),
        ("PNG", "L", "png"),
        ("PNG", "RGB", "png"),
        ("PNG", "I;16", "png"),
        ("WEBP", "RGB", "webp"),
    ],
)
def test_a_plain_file_may_stand_as_it_is(codec, file_format, mode, name):
    data = file_of(photo(21, 13, mode), file_format)
    decoded = codec.decode(data, mode, whole)
    assert decoded.untouched
    assert not decoded.converted
    assert decoded.format == name
    assert decoded.size == Size(21, 13)
    np.testing.assert_array_equal(decoded.pixels, pixels_in(data))


def animated(file_format, **options):
    frames = [Image.fromarray(noise(12, 10, seed=seed)) for seed in range(3)]
    return file_of(frames[0], file_format, save_all=True, append_images=frames[1:], **options)


def palette_png(**options):
    return file_of(Image.fromarray(noise(12, 10)).quantize(16), "PNG", **options)


ALTERED = {
    "a turned JPEG": (lambda: file_of(photo(8, 8), "JPEG", exif=exif_orientation(3)), "RGB"),
    "a turned PNG": (lambda: file_of(photo(8, 8), "PNG", exif=exif_orientation(3)), "RGB"),
    "a palette": (palette_png, "RGB"),
    "a palette with transparency": (lambda: palette_png(transparency=0), "RGB"),
    "an alpha channel": (lambda: file_of(Image.new("RGBA", (4, 4)), "PNG"), "RGB"),
    "gray with alpha": (lambda: file_of(Image.new("LA", (4, 4)), "PNG"), "L"),
    "a transparent colour": (lambda: file_of(noise(4, 4), "PNG", transparency=(1, 2, 3)), "RGB"),
    "a transparent level of 16 bit": (lambda: file_of(noise(4, 4, "I;16"), "PNG", transparency=3), "I;16"),
    "gray of 1 bit": (lambda: raw_png(8, 1, 1, 0, [b"\x55"]), "L"),
    "gray of 2 bits": (lambda: raw_png(4, 1, 2, 0, [b"\x1b"]), "L"),
    "gray of 4 bits": (lambda: raw_png(2, 1, 4, 0, [b"\x1b"]), "L"),
    "colour of 16 bits": (lambda: raw_png(1, 1, 16, 2, [b"\x01\x02\x03\x04\x05\x06"]), "RGB"),
    "gray in a set of colour": (lambda: file_of(noise(4, 4, "L"), "JPEG"), "RGB"),
    "colour in a set of gray": (lambda: file_of(noise(4, 4), "JPEG"), "L"),
    "16 bits in a set of 8": (lambda: file_of(noise(4, 4, "I;16"), "PNG"), "L"),
    "8 bits in a set of 16": (lambda: file_of(noise(4, 4, "L"), "PNG"), "I;16"),
    "CMYK": (lambda: file_of(Image.new("CMYK", (8, 8)), "JPEG"), "RGB"),
    "an animated PNG": (lambda: animated("PNG"), "RGB"),
    "an animated WebP": (lambda: animated("WEBP", lossless=True), "RGB"),
    "an animated GIF": (lambda: animated("GIF"), "RGB"),
}


@pytest.mark.parametrize("what", ALTERED)
def test_a_file_whose_pixels_are_altered_may_not_stand_as_it_is(codec, what):
    make, mode = ALTERED[what]
    assert not codec.decode(make(), mode, whole).untouched


@pytest.mark.parametrize(("file_format", "options"), [("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {})])
def test_of_an_animation_the_first_frame_is_taken(codec, file_format, options):
    data = animated(file_format, **options)
    with Image.open(BytesIO(data)) as image:
        assert image.n_frames == 3
        first = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(codec.decode(data, "RGB", whole).pixels, first)


def test_of_a_tiff_of_several_pages_the_first_is_taken(codec):
    np.testing.assert_array_equal(codec.decode(animated("TIFF"), "RGB", whole).pixels, noise(12, 10, seed=0))


def test_of_several_pictures_in_one_jpeg_the_first_is_taken(codec):
    first, second = Image.fromarray(photo(24, 20)), Image.fromarray(photo(24, 20, seed=1))
    data = file_of(first, "MPO", save_all=True, append_images=[second])
    decoded = codec.decode(data, "RGB", whole)
    np.testing.assert_array_equal(decoded.pixels, pixels_in(data))
    assert decoded.format == "jpeg"


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_truncated_file_is_an_error(codec, file_format, share, mode):
    data = file_of(photo(64, 48), file_format)
    with pytest.raises(Exception, match=r"."):
        codec.decode(data[: int(len(data) * share)], mode, whole)


def test_a_truncated_jpeg_is_an_error_when_it_is_reduced_too(codec):
    data = file_of(photo(64, 48), "JPEG")
    with pytest.raises(Exception, match=r"."):
        codec.decode(data[: len(data) // 2], "RGB", lambda _size: 2)


@pytest.mark.parametrize("file_format", ["ICO", "EPS", "PCX", "TGA", "SGI", "DDS", "ICNS", "PDF", "JPEG2000"])
def test_a_format_that_is_not_on_the_list_is_not_opened(codec, file_format):
    data = file_of(noise(32, 32), file_format)
    with pytest.raises(ImageError, match="no image of a format that is read"):
        codec.decode(data, "RGB", whole)


@pytest.mark.parametrize("data", [b"", b"no image", b"\xff\xd8", b"\xff\xd8\xff\xe0no", b"<svg/>", bytes(1000)])
def test_what_is_no_image_is_an_error(codec, data):
    with pytest.raises(Exception, match=r"."):
        codec.decode(data, "RGB", whole)


def decoded_of(pixels, size=None):
    height, width = pixels.shape[:2]
    return Decoded(pixels, size or Size(width, height), "png", converted=False, untouched=True)


def test_an_image_of_the_right_size_is_fitted_without_a_copy(codec):
    decoded = decoded_of(noise(12, 9))
    assert codec.fit(decoded, Box(0, 0, 12, 9), Size(12, 9), "bilinear") is decoded.pixels


def test_a_crop_of_the_right_size_is_fitted_without_a_copy(codec):
    decoded = decoded_of(noise(12, 9))
    fitted = codec.fit(decoded, Box(2, 1, 7, 8), Size(5, 7), "bilinear")
    assert fitted.base is decoded.pixels
    np.testing.assert_array_equal(fitted, decoded.pixels[1:8, 2:7])


@pytest.mark.parametrize("mode", MODES)
def test_a_crop_is_fitted_as_if_it_were_cut_out_before_but_for_its_edge(codec, mode):
    decoded = decoded_of(noise(40, 30, mode))
    fitted = codec.fit(decoded, Box(4, 2, 36, 26), Size(16, 12), "bilinear")
    cut = np.ascontiguousarray(decoded.pixels[2:26, 4:36])
    resized = codec.resize(cut, (0, 0, 32, 24), Size(16, 12), "bilinear")
    np.testing.assert_array_equal(fitted[1:-1, 1:-1], resized[1:-1, 1:-1])


def test_a_crop_of_a_reduced_image_is_scaled_with_it(codec):
    decoded = decoded_of(noise(20, 15), Size(40, 30))
    fitted = codec.fit(decoded, Box(4, 2, 36, 26), Size(8, 6), "bilinear")
    np.testing.assert_array_equal(fitted, codec.resize(decoded.pixels, (2, 1, 18, 13), Size(8, 6), "bilinear"))


def test_a_reduced_image_is_resized_even_where_the_crop_has_the_size_already(codec):
    decoded = decoded_of(noise(20, 15), Size(40, 30))
    assert codec.fit(decoded, Box(0, 0, 20, 15), Size(20, 15), "bilinear").shape == (15, 20, 3)
    assert codec.fit(decoded, Box(0, 0, 40, 30), Size(20, 15), "bilinear").shape == (15, 20, 3)


@pytest.mark.parametrize("mode", MODES)
def test_a_resized_image_of_one_value_keeps_it(codec, mode):
    top = 65535 if mode == "I;16" else 255
    pixels = np.full_like(noise(33, 21, mode), top)
    for target in (Size(7, 5), Size(1, 1), Size(50, 60)):
        resized = codec.resize(pixels, (0.5, 0.25, 31.5, 20.0), target, "bilinear")
        assert resized.shape[:2] == (target.height, target.width)
        assert resized.dtype == pixels.dtype
        assert np.unique(resized).tolist() == [top]


def test_a_shrunken_chequerboard_is_gray(codec):
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    resized = codec.resize(board, (0, 0, 64, 64), Size(8, 8), "bilinear")
    assert np.abs(resized.astype(int) - 127).max() <= 2


@pytest.mark.parametrize("mode", MODES)
def test_a_mirrored_view_is_resized_and_encoded_like_its_copy(codec, mode):
    view = noise(30, 20, mode)[:, ::-1]
    copy = np.ascontiguousarray(view)
    region, target = (1.5, 2.0, 28.0, 19.5), Size(11, 13)
    np.testing.assert_array_equal(
        codec.resize(view, region, target, "bilinear"), codec.resize(copy, region, target, "bilinear")
    )
    encoding = Encoding("png", 95, "444")
    assert codec.encode(view, encoding) == codec.encode(copy, encoding)
    if mode != "I;16":
        jpeg = Encoding("jpeg", 95, "444")
        assert codec.encode(view, jpeg) == codec.encode(copy, jpeg)


@pytest.mark.parametrize("mode", MODES)
def test_png_loses_nothing(codec, mode):
    pixels = noise(31, 17, mode)
    data = codec.encode(pixels, Encoding("png", 95, "444"))
    np.testing.assert_array_equal(pixels_in(data), pixels)
    decoded = codec.decode(data, mode, whole)
    np.testing.assert_array_equal(decoded.pixels, pixels)
    assert decoded.untouched


def test_webp_of_quality_100_loses_nothing(codec):
    pixels = noise(31, 17)
    data = codec.encode(pixels, Encoding("webp", 100, "444"))
    np.testing.assert_array_equal(codec.decode(data, "RGB", whole).pixels, pixels)


def test_webp_of_less_quality_is_smaller(codec):
    pixels = photo(64, 48)
    sizes = [len(codec.encode(pixels, Encoding("webp", quality, "444"))) for quality in (20, 80, 100)]
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == 3


def test_more_jpeg_quality_is_closer_and_larger(codec):
    pixels = photo(64, 48)
    files = [codec.encode(pixels, Encoding("jpeg", quality, "444")) for quality in (20, 60, 95, 100)]
    errors = [np.abs(pixels_in(data).astype(int) - pixels).mean() for data in files]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1
    assert [len(data) for data in files] == sorted(len(data) for data in files)


@pytest.mark.parametrize("subsampling", ["444", "422", "420"])
def test_a_grayscale_jpeg_has_one_channel(codec, subsampling):
    pixels = photo(33, 21, "L")
    data = codec.encode(pixels, Encoding("jpeg", 95, subsampling))
    with Image.open(BytesIO(data)) as image:
        assert image.mode == "L"
        assert image.layers == 1
    decoded = codec.decode(data, "L", whole)
    assert decoded.pixels.shape == (21, 33)
    assert decoded.untouched


@pytest.mark.parametrize(("subsampling", "code"), [("444", 0), ("422", 1), ("420", 2)])
def test_a_jpeg_has_the_subsampling_asked_for(codec, subsampling, code):
    data = codec.encode(photo(33, 21), Encoding("jpeg", 95, subsampling))
    with Image.open(BytesIO(data)) as image:
        assert JpegImagePlugin.get_sampling(image) == code


@pytest.mark.parametrize(
    ("file_format", "mode"),
    [("png", "RGB"), ("png", "L"), ("png", "I;16"), ("jpeg", "RGB"), ("jpeg", "L"), ("webp", "RGB")],
)
def test_the_same_pixels_give_the_same_bytes(codec, file_format, mode):
    encoding = Encoding(file_format, 90, "420")
    first = codec.encode(photo(40, 30, mode), encoding)
    assert codec.encode(photo(40, 30, mode), encoding) == first
    assert encoding.extension == {"jpeg": "jpg"}.get(file_format, file_format)


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (1, 9), (7, 1)])
@pytest.mark.parametrize("mode", MODES)
def test_images_of_a_pixel_or_two_are_encoded_and_decoded(codec, size, mode):
    pixels = noise(*size, mode)
    for file_format in ("png",) if mode == "I;16" else ("png", "jpeg"):
        data = codec.encode(pixels, Encoding(file_format, 100, "420"))
        assert codec.decode(data, mode, whole).pixels.shape == pixels.shape


@pytest.mark.parametrize("mode", MODES)
def test_an_image_next_to_a_line_is_refused_before_memory_is_taken_for_it(codec, mode):
    codec.max_pixels = 1_000_000
    decoded = Decoded(
        np.zeros((900_000, 1, *([3] if mode == "RGB" else [])), np.uint8), Size(1, 900_000), "png", False, False
    )
    with pytest.raises(
        ImageError, match=r"1 x 900000 px cannot become 224 x 224: .* --max-pixels allows \(1,000,000\)"
    ):
        codec.fit(decoded, Box(0, 0, 1, 900_000), Size(224, 224), "bilinear")
    assert codec.fit(decoded, Box(0, 0, 1, 4000), Size(224, 224), "bilinear").shape[:2] == (224, 224)
