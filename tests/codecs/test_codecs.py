from __future__ import annotations

import pytest

from cutmix_gen import codecs
from cutmix_gen.codecs import CODECS, best_codec, make_codec
from cutmix_gen.codecs.pillow import peek
from cutmix_gen.errors import UsageError
from cutmix_gen.shapes import Size
from tests.images import file_of, noise


@pytest.mark.parametrize("name", CODECS)
def test_a_codec_is_made_by_its_name(name):
    assert make_codec(name).name == name


def test_the_best_codec_is_turbo_where_its_libraries_are_installed():
    assert best_codec() == "turbo"


def test_the_best_codec_is_pillow_where_a_library_is_missing(monkeypatch):
    monkeypatch.setitem(codecs.CODECS, "turbo", ("simplejpeg", "no_such_module"))
    assert best_codec() == "pillow"


def test_a_codec_without_its_library_is_refused_with_the_remedy(monkeypatch):
    monkeypatch.setitem(codecs.CODECS, "turbo", ("no_such_module",))
    with pytest.raises(UsageError, match=r"no_such_module.*pip install.*cutmix-gen\[fast\].*--codec pillow"):
        make_codec("turbo")


@pytest.mark.parametrize(
    ("file_format", "mode", "expected"),
    [
        ("JPEG", "RGB", ("jpeg", "RGB")),
        ("JPEG", "L", ("jpeg", "L")),
        ("PNG", "L", ("png", "L")),
        ("PNG", "I;16", ("png", "I;16")),
        ("WEBP", "RGB", ("webp", "RGB")),
    ],
)
def test_a_header_tells_format_and_mode(tmp_path, file_format, mode, expected):
    path = tmp_path / "image"
    path.write_bytes(file_of(noise(8, 6, mode), file_format))
    with path.open("rb") as file:
        assert peek(file) == (*expected, Size(8, 6))
