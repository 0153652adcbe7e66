from __future__ import annotations

import json
import re
import tracemalloc
from dataclasses import replace
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutmix_gen.dataset.card import card_text, number_patterns, write_card
from cutmix_gen.dataset.info import FORMAT_VERSION, RunInfo, SetInfo
from cutmix_gen.dataset.manifest import Manifest
from cutmix_gen.dataset.records import LAM_BINS, ShardRecord
from cutmix_gen.shards.parquet import arrow_schema

HOSTILE = [
    "cat",
    'say "cat"',
    "it's",
    "key: value",
    "- item",
    "# comment",
    "new\nline\r\n\ttab",
    "---",
    "</script><script>alert(1)</script>",
    "猫 ü 😀",
    r"bytes \xff and \\",
    "{a: 1}",
    "[1, 2]",
    "null",
    "yes",
    "007",
    "1e3",
    "~",
    "&anchor",
    "*alias",
    "!!python/object:os.system",
    "%TAG",
    "@at",
    "`tick`",
    " padded ",
    "",
    "\x7f\x85\u2028\ufeff",
    "| pipe",
    "{{ template }}",
]


def set_of(**changes):
    plain = SetInfo(FORMAT_VERSION, "parquet", ("cat", "dog"), "RGB", "jpeg", dense_labels=True, sources=2)
    return replace(plain, **changes)


def run_of(number=1, split="train", shards=2):
    config = {
        "split": split,
        "num_samples": None,
        "copies": None,
        "strategy": ["cutmix", "patches:2"],
        "alpha": 1.0,
        "size": "keep",
        "seed": 0,
        "mode": "RGB",
        "image_format": "jpeg",
        "dense_labels": "always",
        "codec": "pillow",
    }
    return RunInfo(number, config, "d" * 64, "/src", "f" * 64, "s", 1234, [1234], 1000, 0, shards, 4, {}, {}, "0" * 64)


def record_of(shard, run=1, kind="original", samples=2000, split="train"):
    strategy = "original" if kind == "original" else "cutmix"
    file = f"data/{split}-{shard:06d}.parquet"
    histogram = [0] * LAM_BINS
    return ShardRecord(
        shard, file, run, kind, 0, samples, 100, "a" * 64, [float(samples), 0.0], histogram, {strategy: samples}, 0
    )


RECORDS = [record_of(0), record_of(1, kind="cutmix", samples=1999)]


def front_matter(card):
    """Return the YAML block of a card, parsed."""
    _, head, _ = card.split("---\n", 2)
    value, rest = parsed([line for line in head.splitlines() if line])
    assert rest == []
    return value


def parsed(lines, indent=0):
    """Parse as much of YAML as a card needs: nested maps and lists by indentation, texts quoted or bare.

    Returns what was parsed and the lines that follow it.
    """
    if lines[0][indent:].startswith("- "):
        items = []
        while lines and lines[0].startswith(" " * indent + "- "):
            if lines[0][indent + 2] == '"':
                items.append(scalar(lines[0][indent + 2 :]))
                lines = lines[1:]
                continue
            item, lines = parsed([" " * (indent + 2) + lines[0][indent + 2 :], *lines[1:]], indent + 2)
            items.append(item)
        return items, lines
    facts = {}
    while lines and depth(lines[0]) == indent and not lines[0][indent:].startswith("- "):
        key, value = re.fullmatch(r"([\w.]+|'\d+'):(?: (.+))?", lines[0][indent:]).groups()
        lines = lines[1:]
        assert key not in facts
        if value == "&features":  # an anchor: what is below can be named again
            value = None
        if value is None:
            below = depth(lines[0])
            assert below > indent or lines[0][indent:].startswith("- ")
            facts[key.strip("'")], lines = parsed(lines, below)
        else:
            facts[key.strip("'")] = scalar(value)
    return facts, lines


def depth(line):
    return len(line) - len(line.lstrip(" "))


def scalar(text):
    if text.startswith('"'):
        return double_quoted(text)
    assert re.fullmatch(r"[a-z_0-9.]+|\*features", text), f"{text!r} should be quoted"
    return int(text) if text.isdigit() else text


def double_quoted(text):
    r"""Return a double-quoted text as YAML 1.2 has it; unlike in JSON, \u takes no pairs of surrogates."""
    assert text.endswith('"')
    assert text[1:-1].isprintable()
    for code in re.findall(r"(?<!\\)(?:\\\\)*\\u([0-9a-fA-F]{4})", text):
        assert not 0xD800 <= int(code, 16) <= 0xDFFF, f"half a character in {text}"
    long = re.sub(r"\\U([0-9a-fA-F]{8})", lambda match: json.dumps(chr(int(match[1], 16)))[1:-1], text)
    return json.loads(long)


def info_of(facts, config="default"):
    """Return what a card says of one configuration."""
    return next(info for info in facts["dataset_info"] if info["config_name"] == config)


def names_of(features, field):
    label = next(feature for feature in features if feature["name"] == field)
    return list(label["dtype"]["class_label"]["names"].values())


def test_the_card_names_its_files_and_counts():
    facts = front_matter(card_text(set_of(), [run_of()], RECORDS))
    assert facts["configs"][0] == {
        "config_name": "default",
        "data_files": [{"split": "train", "path": "data/train-*.parquet"}],
    }
    assert info_of(facts)["splits"] == [{"name": "train", "num_bytes": 200, "num_examples": 3999}]


def test_the_card_names_every_split():
    runs = [run_of(1, "train"), run_of(2, "extra_1.b", 1), run_of(3, "no", 1)]
    records = [*RECORDS, record_of(2, 2, split="extra_1.b"), record_of(3, 3, split="no")]
    facts = front_matter(card_text(set_of(), runs, records))
    files = facts["configs"][0]["data_files"]
    assert [file["split"] for file in files] == ["train", "extra_1.b", "no"]
    assert [file["path"] for file in files] == [f"data/{name}-*.parquet" for name in ("train", "extra_1.b", "no")]
    splits = info_of(facts)["splits"]
    assert [(split["name"], split["num_bytes"], split["num_examples"]) for split in splits] == [
        ("train", 200, 3999),
        ("extra_1.b", 100, 2000),
        ("no", 100, 2000),
    ]


@pytest.mark.parametrize("dense", [True, False])
def test_the_features_of_a_parquet_set_are_the_columns_of_its_shards(dense):
    info = set_of(dense_labels=dense)
    features = info_of(front_matter(card_text(info, [run_of()], RECORDS)))["features"]
    assert [feature["name"] for feature in features] == arrow_schema(info.schema).names
    by_name = {feature["name"]: feature for feature in features}
    assert by_name["image"]["dtype"] == "image"
    assert by_name["label_weight"]["sequence"] == "float32"
    assert by_name["boxes"]["sequence"] == {"sequence": "int32"}
    assert by_name["synthetic"]["dtype"] == "bool"


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize(("image_format", "extension"), [("jpeg", "jpg"), ("png", "png"), ("webp", "webp")])
def test_the_features_of_a_webdataset_are_its_members(dense, image_format, extension):
    info = set_of(shard_format="webdataset", dense_labels=dense, image_format=image_format)
    facts = front_matter(card_text(info, [run_of()], RECORDS))
    assert facts["configs"][0]["data_files"] == [{"split": "train", "path": "data/train-*.tar"}]
    features = info_of(facts)["features"]
    soft = ["soft.npy"] if dense else []
    assert [feature["name"] for feature in features] == [extension, "cls", *soft, "json", "__key__", "__url__"]
    fields = next(feature for feature in features if feature["name"] == "json")["struct"]
    assert [field["name"] for field in fields] == [
        name for name in arrow_schema(info.schema).names if name not in {"image", "label", "soft_label"}
    ]


@pytest.mark.parametrize(("shard_format", "field"), [("parquet", "label"), ("webdataset", "cls")])
def test_class_names_are_in_their_order(shard_format, field):
    classes = tuple(f"class {number}" for number in range(1200))
    card = card_text(set_of(shard_format=shard_format, classes=classes), [run_of()], RECORDS)
    assert names_of(info_of(front_matter(card))["features"], field) == list(classes)


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize(("shard_format", "field"), [("parquet", "label"), ("webdataset", "cls")])
def test_any_class_name_survives(name, shard_format, field):
    card = card_text(set_of(shard_format=shard_format, classes=("first", name, "last")), [run_of()], RECORDS)
    assert names_of(info_of(front_matter(card))["features"], field) == ["first", name, "last"]


def test_class_names_show_nowhere_but_in_the_yaml_block():
    card = card_text(set_of(classes=("<script>alert(1)</script>", "](http://x)")), [run_of()], RECORDS)
    body = card.split("---\n", 2)[2]
    assert "<script>" not in body
    assert "http://x" not in body


def test_the_text_says_what_is_in_the_set():
    body = card_text(set_of(), [run_of()], RECORDS).split("---\n", 2)[2]
    assert "2,000 original images and 1,999 mixed ones (cutmix)" in body
    chosen = (
        "--strategy cutmix --strategy patches:2 --mode RGB --image-format jpeg --dense-labels always --codec pillow"
    )
    assert f"- run 1, of 1,234 source images: `{chosen}`" in body
    assert "left out" not in body


def test_the_text_says_where_dense_labels_are_left_out():
    assert "left out" in card_text(set_of(dense_labels=False), [run_of()], RECORDS)


def test_a_run_of_so_many_samples_says_so():
    run = run_of()
    run.config["num_samples"] = 77
    assert "--num-samples 77" in card_text(set_of(), [run], RECORDS)


def test_the_card_is_written_from_the_records(tmp_path):
    manifest = Manifest(tmp_path)
    manifest.write_set(set_of(classes=("cat", "猫")))
    manifest.add_run(run_of())
    for record in RECORDS:
        manifest.commit(record)
    write_card(manifest)
    assert (tmp_path / "README.md").read_text("utf-8") == card_text(set_of(classes=("cat", "猫")), [run_of()], RECORDS)


def test_a_card_of_many_classes_and_shards_takes_little_memory(tmp_path):
    classes = tuple(f"class-{label}" for label in range(1000))
    manifest = Manifest(tmp_path)
    manifest.write_set(set_of(classes=classes, dense_labels=False))
    manifest.add_run(run_of(shards=300))
    weights = [label / 7 for label in range(1000)]  # 32 bytes each in a list that is read from JSON
    for shard in range(300):
        manifest.commit(replace(record_of(shard), class_weight=weights))
    tracemalloc.start()
    write_card(manifest)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300 * 1000 * 8


def test_the_card_of_an_unfinished_set_has_no_counts_that_a_reader_would_miss():
    card = card_text(set_of(), [run_of(), run_of(2)], RECORDS)
    assert "splits" not in info_of(front_matter(card))
    assert "2 shards are still to be made" in card


def paths_of(card, config):
    files = next(found for found in front_matter(card)["configs"] if found["config_name"] == config)["data_files"]
    return {file["split"]: file["path"] for file in files}


def test_originals_and_mixed_samples_are_configurations_of_their_own():
    records = [*(record_of(shard) for shard in range(3)), *(record_of(3 + n, kind="cutmix") for n in range(9))]
    card = card_text(set_of(), [run_of(shards=12)], records)
    assert paths_of(card, "original_only") == {"train": ["data/train-00000[0-2].parquet"]}
    assert paths_of(card, "cutmix_only") == {
        "train": ["data/train-00000[3-9].parquet", "data/train-00001[0-1].parquet"]
    }
    counts = {name: info_of(front_matter(card), name)["splits"][0] for name in ("original_only", "cutmix_only")}
    assert counts["original_only"] == {"name": "train", "num_bytes": 300, "num_examples": 6000}
    assert counts["cutmix_only"] == {"name": "train", "num_bytes": 900, "num_examples": 18000}
    assert info_of(front_matter(card), "cutmix_only")["features"] == "*features"


def test_each_split_has_its_own_files_in_each_configuration():
    runs = [run_of(1), run_of(2, "extra", 1)]
    card = card_text(set_of(), runs, [*RECORDS, record_of(2, 2, kind="cutmix", split="extra")])
    assert paths_of(card, "original_only") == {"train": ["data/train-000000.parquet"]}
    assert paths_of(card, "cutmix_only") == {
        "train": ["data/train-000001.parquet"],
        "extra": ["data/extra-000002.parquet"],
    }


@pytest.mark.parametrize("kind", ["original", "cutmix"])
def test_a_set_of_one_kind_has_one_configuration(kind):
    card = card_text(set_of(), [run_of(shards=1)], [record_of(0, kind=kind)])
    assert [config["config_name"] for config in front_matter(card)["configs"]] == ["default"]


@given(st.lists(st.tuples(st.integers(0, 2_500_000), st.integers(1, 30_000)), min_size=1, max_size=3), st.data())
def test_patterns_match_the_numbers_and_no_others(rows, data):
    numbers = sorted({number for start, count in rows for number in range(start, start + count)})
    patterns = number_patterns(numbers)
    assert len(patterns) <= 24 * len(rows)
    members = set(numbers)
    tried = [numbers[0], numbers[-1], *data.draw(st.lists(st.sampled_from(numbers), max_size=5))]
    near = {number + step for number in tried for step in (-1, 0, 1, 10, -10, 1000)}
    for number in near | {0, 999_999, 1_000_000}:
        name = f"{max(number, 0):06d}"
        assert sum(fnmatchcase(name, pattern) for pattern in patterns) == (max(number, 0) in members)


def test_the_licence_is_passed_on(tmp_path):
    manifest = Manifest(tmp_path)
    manifest.write_set(set_of())
    manifest.add_run(run_of())
    for record in RECORDS:
        manifest.commit(record)
    write_card(manifest)
    assert "license" not in front_matter((tmp_path / "README.md").read_text())
    assert "license" not in json.loads((tmp_path / "croissant.json").read_text())
    manifest.write_license('cc-by-4.0 "or": later')
    write_card(manifest)
    assert front_matter((tmp_path / "README.md").read_text())["license"] == 'cc-by-4.0 "or": later'
    assert json.loads((tmp_path / "croissant.json").read_text())["license"] == 'cc-by-4.0 "or": later'
