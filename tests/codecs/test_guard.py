"""Decoding whatever a file holds: strict, silent, within limits, and the same for both codecs."""

from __future__ import annotations

import os
import threading
import warnings

import numpy as np
import pytest
from PIL import Image, ImageFile

from cutmix_gen.codecs import CODECS, MAX_PIXELS, make_codec
from cutmix_gen.codecs.guard import guarded
from cutmix_gen.errors import ImageError
from cutmix_gen.shapes import Size
from cutmix_gen.sources.images import reason_of
from tests import corpus
from tests.images import file_of, noise, photo

READABLE, UNREADABLE = corpus.readable(), corpus.unreadable()


def whole(_size):
    return 1


def outcome(codec, data):
    """Return the size of an image, or why there is none."""
    try:
        return codec.decode(data, "RGB", whole).size
    except Exception as error:
        return reason_of(error)


@pytest.mark.parametrize("name", READABLE)
def test_odd_files_that_hold_a_picture_are_read(codec, name):
    decoded = codec.decode(READABLE[name], "RGB", whole)
    assert decoded.size == Size(corpus.WIDTH, corpus.HEIGHT)
    assert decoded.pixels.shape == (corpus.HEIGHT, corpus.WIDTH, 3)
    assert decoded.animated == (name in corpus.animations())


@pytest.mark.parametrize("name", ["animated.webp", "animated.png", "pages.tif"])
def test_of_several_pictures_the_first_is_taken(codec, name):
    decoded = codec.decode(READABLE[name], "RGB", whole)
    np.testing.assert_array_equal(decoded.pixels, photo(corpus.WIDTH, corpus.HEIGHT))
    assert not decoded.untouched


@pytest.mark.parametrize("name", UNREADABLE)
def test_broken_files_are_errors_with_a_reason_that_is_the_same_each_time(codec, name):
    reason = outcome(codec, UNREADABLE[name])
    assert isinstance(reason, str)
    assert reason.isprintable()
    assert 5 < len(reason) < 220
    assert "0x" not in reason
    assert reason == outcome(codec, bytes(bytearray(UNREADABLE[name])))


@pytest.mark.parametrize("name", sorted(corpus.bombs().keys() - {"huge tile.tif"}))
def test_what_a_header_claims_is_counted_before_anything_is_decoded(codec, name):
    assert "more than --max-pixels allows (250,000,000)" in outcome(codec, UNREADABLE[name])


def test_both_codecs_skip_the_same_files():
    codecs = [make_codec(name) for name in CODECS]
    for name, data in (READABLE | UNREADABLE | corpus.damaged(300)).items():
        first, *others = (outcome(codec, data) for codec in codecs)
        assert others == [first], name


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exactly_as_many_pixels_as_allowed_are_read(file_format):
    data = file_of(photo(40, 30), file_format)
    for name in CODECS:
        assert outcome(make_codec(name, 1200), data) == Size(40, 30)
        assert "claims 1,200 pixels, more than --max-pixels allows (1,199)" in outcome(make_codec(name, 1199), data)


def test_the_pixels_of_the_file_count_and_not_those_that_a_draft_would_have(codec):
    codec = make_codec(codec.name, 10_000)
    with pytest.raises(ImageError, match="claims 40,000 pixels"):
        codec.decode(file_of(photo(200, 200), "JPEG"), "RGB", lambda _: 8)


def test_truncated_files_are_refused_even_where_another_library_has_allowed_them(codec, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    for name, data in corpus.whole_files().items():
        assert isinstance(outcome(codec, data[: 2 * len(data) // 3]), str), name
    assert ImageFile.LOAD_TRUNCATED_IMAGES


def test_the_limit_of_pillow_neither_decides_nor_changes(codec, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert outcome(codec, file_of(photo(40, 30), "PNG")) == Size(40, 30)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_warnings_are_left_out_and_the_filters_of_others_stay(codec):
    before = list(warnings.filters)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for data in corpus.damaged(100).values():
            outcome(codec, data)
    assert not caught
    assert warnings.filters == before


def test_settings_of_the_process_come_back_after_the_last_of_several_threads(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    before = list(warnings.filters)
    inside, leave = threading.Barrier(3), [threading.Event(), threading.Event()]

    def decode(number):
        with guarded(b"II", MAX_PIXELS):
            inside.wait()
            leave[number].wait()

    threads = [threading.Thread(target=decode, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    inside.wait()
    for event, thread in zip(leave, threads, strict=True):
        assert Image.MAX_IMAGE_PIXELS == MAX_PIXELS // 2
        event.set()
        thread.join()
    assert Image.MAX_IMAGE_PIXELS == 100
    assert warnings.filters == before


def test_what_libtiff_writes_by_itself_is_not_heard_but_what_follows_is(codec, capfd):
    data = bytearray(READABLE["tiff_adobe_deflate.tif"])
    data[100:140] = bytes(40)
    outcome(codec, bytes(data))
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"


def test_the_larger_of_two_limits_holds_while_both_are_wanted():
    """Readers of two sets may share a process: each codec minds its own limit, and Pillow must not be in the way."""
    before = Image.MAX_IMAGE_PIXELS
    with guarded(b"", 100):
        assert outcome(make_codec("pillow", 1200), file_of(noise(40, 30), "PNG")) == Size(40, 30)
        assert "claims 1,200 pixels" in outcome(make_codec("pillow", 1199), file_of(noise(40, 30), "PNG"))
    assert before == Image.MAX_IMAGE_PIXELS
