from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from cutmix_gen.codecs import Encoding
from cutmix_gen.config import GenerateConfig
from cutmix_gen.errors import UsageError
from cutmix_gen.mixing.strategies import STRATEGIES
from cutmix_gen.shapes import Size

RESOLVED = {"mode": "RGB", "image_format": "jpeg", "codec": "pillow", "dense_labels": "always"}


def config(**options):
    return GenerateConfig(**{"source": Path("src"), "output": Path("out")} | options)


WRONG = [
    ({"format": "zip"}, ["--format", "'zip'"]),
    ({"copies": -1}, ["--copies", "from 0 to 100,000", "-1"]),
    ({"copies": float("nan")}, ["--copies", "a number from 0 to 100,000", "nan"]),
    ({"copies": float("inf")}, ["--copies", "a number from 0 to 100,000", "inf"]),
    ({"num_samples": -1}, ["--num-samples", "a whole number from 0 to 1,000,000,000,000", "-1"]),
    ({"num_samples": 2.5}, ["--num-samples", "a whole number", "2.5"]),
    ({"strategy": ("cutmx",)}, ["strategy", "'cutmx'", "Did you mean 'cutmix'", *STRATEGIES]),
    ({"strategy": ("cutmix:0",)}, ["--strategy", "from 0.000001 to 1,000,000", "'0'"]),
    ({"strategy": ("cutmix:nan",)}, ["--strategy", "from 0.000001", "'nan'"]),
    ({"strategy": ("cutmix:x",)}, ["--strategy", "a number from 0.000001", "'x'"]),
    ({"strategy": ("cutmix", "cutmix")}, ["--strategy", "twice"]),
    ({"strategy": ()}, ["--strategy", "cutmix"]),
    ({"alpha": 0}, ["--alpha", "from 0.001 to 1,000", "0"]),
    ({"alpha": float("nan")}, ["--alpha", "from 0.001", "nan"]),
    ({"alpha": float("inf")}, ["--alpha", "to 1,000", "inf"]),
    ({"mix_option": ("grid",)}, ["--mix-option", "KEY=VALUE", "'grid'"]),
    ({"mix_option": ("grid=4",)}, ["'grid'", "cutmix"]),
    ({"strategy": ("patches",), "mix_option": ("grid=x",)}, ["--mix-option grid", "a whole number", "'x'"]),
    ({"strategy": ("patches",), "mix_option": ("gird=4",)}, ["'gird'", "patches", "grid"]),
    ({"pairing": "none"}, ["--pairing", "'none'"]),
    ({"size": "big"}, ["--size", "keep", "224", "'big'"]),
    ({"size": "0"}, ["--size", "'0'"]),
    ({"size": "1"}, ["--size", "'1'"]),
    ({"size": "-3"}, ["--size", "'-3'"]),
    ({"size": "10x"}, ["--size", "'10x'"]),
    ({"size": "x10"}, ["--size", "'x10'"]),
    ({"size": "10x10x10"}, ["--size", "'10x10x10'"]),
    ({"size": "16385"}, ["--size", "16,384", "'16385'"]),
    ({"size": "1.5"}, ["--size", "'1.5'"]),
    ({"size": "²"}, ["--size", "'²'"]),
    ({"size": ""}, ["--size", "''"]),
    ({"fit": "crop"}, ["--fit", "'crop'"]),
    ({"scale": "0,1"}, ["--scale", "from 0.0001 to 1", "'0,1'"]),
    ({"scale": "0.9,0.1"}, ["--scale", "the smaller first", "'0.9,0.1'"]),
    ({"scale": "0.5,1.1"}, ["--scale", "from 0.0001 to 1", "'0.5,1.1'"]),
    ({"aspect": "3/0,4"}, ["--aspect", "two numbers", "'3/0,4'"]),
    ({"aspect": "1"}, ["--aspect", "two numbers", "'1'"]),
    ({"lam_range": "0.2"}, ["--lam-range", "two numbers", "'0.2'"]),
    ({"lam_range": "0.2,1.2"}, ["--lam-range", "from 0 to 1", "'0.2,1.2'"]),
    ({"pairs": ("cat,dog",)}, ["Line 1 of --pairs", "class_a,class_b,count", "'cat,dog'"]),
    ({"pairs": ("class_a,class_b,count",)}, ["--pairs", "no sample at all"]),
    ({"alpha": 2, "strategy": ("ricap",)}, ["--alpha", "no effect"]),
    ({"scale": "0.5,1"}, ["--scale", "no effect", "center-crop"]),
    ({"label_smoothing": 0.1, "dense_labels": "never"}, ["--label-smoothing", "no effect"]),
    ({"quality": 90, "image_format": "png"}, ["--quality", "no effect", "PNG"]),
    ({"slice": "0/2", "overwrite": True}, ["--overwrite", "slice"]),
    ({"interpolation": "cubic"}, ["--interpolation", "'cubic'"]),
    ({"stratify": 2}, ["--stratify", "true or false", "2"]),
    ({"hflip": 1.5}, ["--hflip", "from 0 to 1", "1.5"]),
    ({"hflip": -0.5}, ["--hflip", "from 0 to 1", "-0.5"]),
    ({"hflip": float("nan")}, ["--hflip", "from 0 to 1", "nan"]),
    ({"mode": "CMYK"}, ["--mode", "'CMYK'"]),
    ({"image_format": "gif"}, ["--image-format", "'gif'"]),
    ({"quality": 0}, ["--quality", "from 1 to 100", "0"]),
    ({"quality": 101}, ["--quality", "from 1 to 100", "101"]),
    ({"quality": 90.5}, ["--quality", "a whole number", "90.5"]),
    ({"subsampling": "411"}, ["--subsampling", "'411'"]),
    ({"label_smoothing": 1}, ["--label-smoothing", "below 1", "1"]),
    ({"label_smoothing": -0.1}, ["--label-smoothing", "from 0", "-0.1"]),
    ({"dense_labels": "yes"}, ["--dense-labels", "'yes'"]),
    ({"split": ""}, ["--split", "letters, digits", "''"]),
    ({"split": "a/b"}, ["--split", "letters, digits", "'a/b'"]),
    ({"split": "a-b"}, ["--split", "letters, digits", "'a-b'"]),
    ({"split": "träin"}, ["--split", "letters, digits", "'träin'"]),
    ({"split": ".."}, ["--split", "'..'"]),
    ({"split": ".hidden"}, ["--split", "'.hidden'"]),
    ({"license": "two\nlines"}, ["--license", "one line", "two"]),
    ({"sidecars": "yes"}, ["--sidecars", "true or false", "yes"]),
    ({"force": "yes"}, ["--force", "true or false", "yes"]),
    ({"shard_size": 2}, ["--shard-size", "from 3 to 1,000,000", "2"]),
    ({"shard_size": 3.5}, ["--shard-size", "3.5"]),
    ({"max_pixels": 0}, ["--max-pixels", "from 1 to 1,000,000,000", "0"]),
    ({"max_pixels": 1.5}, ["--max-pixels", "a whole number", "1.5"]),
    ({"seed": -1}, ["--seed", "from 0", "-1"]),
    ({"seed": 2**63}, ["--seed", "2^63 - 1", str(2**63)]),
    ({"seed": 0.5}, ["--seed", "a whole number", "0.5"]),
    ({"jobs": 0}, ["--jobs", "from 1 to 4,096", "0"]),
    ({"jobs": 1.5}, ["--jobs", "1.5"]),
    ({"backend": "mpi"}, ["--backend", "'mpi'"]),
    ({"address": "tcp://10.0.0.1:8786"}, ["--address", "loky", "dask, ray, spark"]),
    ({"slice": "4/4"}, ["--slice", "from 0 to N - 1", "'4/4'"]),
    ({"slice": "0"}, ["--slice", "I/N", "'0'"]),
    ({"slice": "-1/4"}, ["--slice", "I/N", "'-1/4'"]),
    ({"slice": "a/b"}, ["--slice", "I/N", "'a/b'"]),
    ({"slice": "0/0"}, ["--slice", "I/N", "'0/0'"]),
    ({"slice": "²/4"}, ["--slice", "I/N", "'²/4'"]),
    ({"codec": "opencv"}, ["--codec", "'opencv'"]),
    ({"max_failures": "-1"}, ["--max-failures", "a count or a percentage", "'-1'"]),
    ({"max_failures": "101%"}, ["--max-failures", "a count or a percentage", "'101%'"]),
    ({"max_failures": "nan%"}, ["--max-failures", "a count or a percentage", "'nan%'"]),
    ({"max_failures": "many"}, ["--max-failures", "a count or a percentage", "'many'"]),
    ({"max_failures": "1.5"}, ["--max-failures", "a count or a percentage", "'1.5'"]),
    ({"max_failures": "%"}, ["--max-failures", "a count or a percentage", "'%'"]),
    ({"copies": 1, "num_samples": 5}, ["--copies", "--num-samples", "one of them"]),
    ({"append": True, "overwrite": True}, ["--append", "--overwrite", "one of them"]),
    ({"originals": False, "copies": 0}, ["--no-originals", "nothing to make"]),
    ({"originals": False, "num_samples": 0}, ["--no-originals", "nothing to make"]),
    ({"mode": "I;16", "image_format": "jpeg"}, ["16-bit", "--image-format png"]),
    ({"mode": "I;16", "image_format": "webp"}, ["16-bit", "--image-format png"]),
    ({"mode": "L", "image_format": "webp"}, ["grayscale", "--image-format png"]),
]


@pytest.mark.parametrize(("options", "words"), WRONG, ids=[str(options) for options, _ in WRONG])
def test_a_wrong_value_is_refused_with_option_expectation_and_finding(options, words):
    with pytest.raises(UsageError) as error:
        config(**options)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize("name", [item.name for item in fields(GenerateConfig) if item.metadata.get("choices")])
def test_a_value_that_is_not_among_the_choices_is_refused_with_all_of_them(name):
    choices = next(item.metadata["choices"] for item in fields(GenerateConfig) if item.name == name)
    with pytest.raises(UsageError) as error:
        config(**{name: "nonsense"})
    assert f"--{name.replace('_', '-')} must be one of {', '.join(choices)}, but" in str(error.value)
    for choice in choices:
        config(**{name: choice})


def test_every_option_that_can_be_wrong_is_tried_above():
    tried = {name for options, _ in WRONG for name in options}
    assert {item.name for item in fields(GenerateConfig) if item.init} - tried == {"source", "output"}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"copies": 0},
        {"copies": 0.5},
        {"num_samples": 0},
        {"num_samples": 10**9},
        {"alpha": 1e-3},
        {"hflip": 1},
        {"label_smoothing": 0.999},
        {"quality": 1},
        {"quality": 100},
        {"shard_size": 3},
        {"seed": 2**63 - 1},
        {"jobs": 1},
        {"split": "test_2.a"},
        {"strategy": tuple(STRATEGIES)},
        {"strategy": ("cutmix:0.5", "patches:2"), "mix_option": ("grid=4",)},
        {"originals": False},
        {"mode": "I;16", "image_format": "png"},
        {"append": True},
    ],
)
def test_what_is_right_is_taken(options):
    config(**options)


@pytest.mark.parametrize(
    ("given", "size", "target"),
    [
        ("keep", "keep", None),
        ("224", "224x224", Size(224, 224)),
        (224, "224x224", Size(224, 224)),
        ("320x240", "320x240", Size(320, 240)),
        ("320X240", "320x240", Size(320, 240)),
        ("0224", "224x224", Size(224, 224)),
        ("1x2", "1x2", Size(1, 2)),
        ("16384", "16384x16384", Size(16384, 16384)),
    ],
)
def test_a_size_has_one_form_however_it_is_given(given, size, target):
    made = config(size=given)
    assert made.size == size
    assert made.target == target


def test_texts_become_what_the_fields_are():
    made = GenerateConfig(source="src", output="out", strategy="patches", mix_option="grid=4", max_failures=5)
    assert (made.source, made.output) == (Path("src"), Path("out"))
    assert made.strategy == ("patches",)
    assert made.mix_option == ("grid=4",)
    assert made.max_failures == "5"


OTHER = {
    "format": "webdataset",
    "copies": 2,
    "num_samples": 7,
    "originals": False,
    "strategy": ("patches",),
    "alpha": 0.5,
    "mix_option": ("grid=5",),
    "pairing": "cross-class",
    "size": "224",
    "fit": "stretch",
    "scale": "0.5,1",
    "aspect": "1,1",
    "interpolation": "lanczos",
    "pairs": ("cat,dog,3",),
    "lam_range": "0.2,0.8",
    "stratify": True,
    "hflip": 0.5,
    "mode": "L",
    "image_format": "png",
    "quality": 90,
    "subsampling": "420",
    "label_smoothing": 0.1,
    "dense_labels": "never",
    "split": "extra",
    "shard_size": 500,
    "max_pixels": 1000,
    "seed": 1,
    "codec": "turbo",
}
"""For each field that decides about the bytes another value than the default; None where there is no other."""

WITHOUT_EFFECT = {
    "source": Path("elsewhere"),
    "output": Path("elsewhere"),
    "jobs": 3,
    "backend": "serial",
    "address": "auto",
    "slice": "1/4",
    "max_failures": "5",
    "append": True,
    "overwrite": True,
    "license": "mit",
    "sidecars": True,
    "force": True,
}
"""For each field that does not, another value too."""


def test_every_field_decides_about_the_bytes_or_does_not():
    assert OTHER.keys() | WITHOUT_EFFECT.keys() == {item.name for item in fields(GenerateConfig) if item.init}
    assert not OTHER.keys() & WITHOUT_EFFECT.keys()
    assert config().identity().keys() == OTHER.keys()


@pytest.mark.parametrize("name", [name for name, value in OTHER.items() if value is not None])
def test_a_setting_that_decides_about_the_bytes_changes_the_digest(name):
    base = {"strategy": ("patches",)} if name == "mix_option" else {}
    base |= {"fit": "random-resized-crop"} if name in ("scale", "aspect") else {}
    assert config(**base | {name: OTHER[name]}).digest() != config(**base).digest()


@pytest.mark.parametrize("name", WITHOUT_EFFECT)
def test_a_setting_that_does_not_decide_about_the_bytes_leaves_the_digest(name):
    base = {"backend": "ray"} if name == "address" else {}
    assert config(**base | {name: WITHOUT_EFFECT[name]}).digest() == config().digest()


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"copies": 1}, {"copies": 1.0}),
        ({"copies": 1}, {}),
        ({"alpha": 1}, {"alpha": 1.0}),
        ({"hflip": 0}, {"hflip": 0.0}),
        ({"label_smoothing": 0}, {"label_smoothing": 0.0}),
        ({"size": 224}, {"size": "224x224"}),
        ({"strategy": "cutmix"}, {"strategy": ["cutmix"]}),
    ],
)
def test_two_ways_to_say_the_same_are_one_identity(one, two):
    assert config(**one).digest() == config(**two).digest()


def test_a_number_of_samples_is_another_identity_than_as_many_copies():
    assert config(num_samples=100).digest() != config(copies=1).digest()


def test_a_configuration_is_made_again_from_its_identity():
    made = config(**RESOLVED, size=32, strategy=("cutmix:2", "patches"), mix_option=("grid=4",), copies=3)
    again = GenerateConfig(source="elsewhere", output="there", **made.identity())
    assert again.digest() == made.digest()
    assert again.identity() == made.identity()


def test_a_digest_is_a_sha256_in_hexadecimal():
    assert re.fullmatch(r"[0-9a-f]{64}", config().digest())


def test_automatic_settings_take_the_values_of_a_resolved_configuration():
    resolved = config().resolved_like(config(**RESOLVED))
    assert {name: getattr(resolved, name) for name in RESOLVED} == RESOLVED
    assert resolved.digest() == config(**RESOLVED).digest()


def test_a_setting_that_was_given_is_kept():
    resolved = config(mode="L", codec="turbo").resolved_like(config(**RESOLVED))
    assert (resolved.mode, resolved.codec) == ("L", "turbo")
    assert (resolved.image_format, resolved.dense_labels) == ("jpeg", "always")


def test_differences_name_the_option_and_both_values():
    there, now = config(**RESOLVED, seed=0), config(**RESOLVED, seed=1, strategy=("cutmix", "patches"), jobs=2)
    assert now.differences(there) == ["--strategy cutmix there, cutmix patches now", "--seed 0 there, 1 now"]
    assert now.differences(now) == []


def test_differences_show_an_empty_list_as_none():
    there, now = config(strategy="patches"), config(strategy="patches", mix_option="grid=4")
    assert now.differences(there) == ["--mix-option none there, grid=4 now"]


@pytest.mark.parametrize(
    ("text", "images", "allowed"),
    [
        ("1%", 1000, 10),
        ("1%", 99, 1),
        ("0", 1000, 0),
        ("0%", 1000, 0),
        ("100%", 1000, 1000),
        ("0.5%", 1000, 5),
        ("7", 3, 7),
        (" 5 ", 10, 5),
        (5, 10, 5),
    ],
)
def test_failures_are_allowed_by_count_or_share(text, images, allowed):
    assert config(max_failures=text).failures.of(images) == allowed


@pytest.mark.parametrize(
    ("text", "expected"), [(None, (0, 1)), ("0/1", (0, 1)), ("0/4", (0, 4)), ("3/4", (3, 4)), ("12/345", (12, 345))]
)
def test_a_slice_is_a_number_of_a_count(text, expected):
    assert config(slice=text).task_slice == expected


@pytest.mark.parametrize(
    ("options", "images", "samples"),
    [
        ({}, 10, 10),
        ({"copies": 0}, 10, 0),
        ({"copies": 0.5}, 10, 5),
        ({"copies": 2.5}, 10, 25),
        ({"copies": 4}, 10, 40),
        ({"num_samples": 7}, 10, 7),
        ({"num_samples": 0}, 10, 0),
    ],
)
def test_mixed_samples_are_counted_by_copies_or_in_all(options, images, samples):
    assert config(**options).mixed_samples(images) == samples


def test_a_label_row_holds_two_sources_at_least():
    assert config().num_sources == 2
    assert config(strategy=tuple(STRATEGIES)).num_sources >= 2


def test_the_encoding_is_that_of_the_options():
    made = config(image_format="jpeg", quality=80, subsampling="422").resolved(
        mode="RGB", codec="pillow", dense_labels="always"
    )
    assert made.encoding == Encoding("jpeg", 80, "422")


def test_the_configuration_of_a_run_has_no_auto_setting():
    with pytest.raises(UsageError, match="--image-format of a run must be a choice"):
        config().resolved(mode="RGB", codec="pillow", dense_labels="always")


def test_weights_become_probabilities():
    found = config(strategy=("cutmix:1", "patches:3")).strategies
    assert [(strategy.name, weight) for strategy, weight in found] == [("cutmix", 0.25), ("patches", 0.75)]


def test_every_field_but_the_folders_says_what_it_is_for():
    for item in fields(GenerateConfig):
        if item.init and item.name not in {"source", "output"}:
            assert item.metadata["help"].endswith((".", "]"))
