from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from cutmix_gen.codecs.turbo import encode_png

SIDES = st.integers(1, 40)
SHAPES = st.one_of(st.tuples(SIDES, SIDES), st.tuples(SIDES, SIDES, st.just(3)))


@given(SHAPES.flatmap(lambda shape: arrays.arrays(np.uint8, shape)))
def test_every_pixel_comes_back(pixels):
    with Image.open(BytesIO(encode_png(pixels))) as image:
        image.load()
        assert image.mode == ("RGB" if pixels.ndim == 3 else "L")
        np.testing.assert_array_equal(np.asarray(image), pixels)


@given(arrays.arrays(np.uint16, st.tuples(SIDES, SIDES)))
def test_every_pixel_of_16_bit_comes_back(pixels):
    with Image.open(BytesIO(encode_png(pixels))) as image:
        image.load()
        assert image.mode == "I;16"
        np.testing.assert_array_equal(np.asarray(image), pixels)


def test_the_file_is_whole_to_a_strict_reader():
    data = encode_png(np.arange(60, dtype=np.uint8).reshape(6, 10))
    with Image.open(BytesIO(data)) as image:
        image.verify()
    damaged = bytearray(data)
    damaged[-20] ^= 1
    with pytest.raises(SyntaxError), Image.open(BytesIO(bytes(damaged))) as image:
        image.verify()


@pytest.mark.parametrize("view", [np.s_[:, ::-1], np.s_[::2, 1:], np.s_[3:9]])
def test_a_view_is_encoded_like_its_copy(view):
    pixels = np.random.default_rng(0).integers(0, 256, (12, 11, 3), np.uint8)[view]
    assert encode_png(pixels) == encode_png(pixels.copy())
