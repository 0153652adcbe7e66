"""WebDataset shards as tarfile, NumPy and GNU tar see them, without this package."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tarfile
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutmix_gen.errors import SetError
from cutmix_gen.shards import shard_format
from cutmix_gen.shards.rows import RowSchema
from cutmix_gen.shards.tar import tar_headers
from tests.shards.rows import PLAIN, SCHEMAS, SPARSE, THREE, make_rows, write_shard

FORMAT = shard_format("webdataset")

JSON_FIELDS = [
    "key",
    "label_index",
    "label_weight",
    "synthetic",
    "strategy",
    "lam",
    "lam_drawn",
    "sources",
    "boxes",
    "recipe",
]


@pytest.fixture(params=SCHEMAS.values(), ids=SCHEMAS)
def schema(request):
    return request.param


def shard(tmp_path, schema, *parts):
    return write_shard(FORMAT, tmp_path / "train-000000.tar", schema, *parts)


def members(path):
    """Return (name, content) of each member, in the order of the file."""
    with tarfile.open(path, "r:") as tar:
        return [(member.name, tar.extractfile(member).read()) for member in tar]


def write_tar(path, named):
    with tarfile.open(path, "w:", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in named:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, BytesIO(data))
    return path


def test_the_members_of_a_sample_lie_side_by_side_in_the_order_of_the_design(tmp_path, schema):
    rows = make_rows(schema, 7)
    endings = [schema.extension, "cls", *(["soft.npy"] if schema.dense else []), "json"]
    found = [name for name, _ in members(shard(tmp_path, schema, rows))]
    assert found == [f"{key}.{ending}" for key in rows.key for ending in endings]
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", name.partition(".")[0]) for name in found)


def test_members_hold_what_the_rows_have(tmp_path, schema):
    rows = make_rows(schema, 20)
    contents = dict(members(shard(tmp_path, schema, rows)))
    for number, key in enumerate(rows.key):
        assert contents[f"{key}.{schema.extension}"] == rows.image[number]
        assert int(contents[f"{key}.cls"]) == rows.label[number]
        facts = json.loads(contents[f"{key}.json"])
        assert list(facts) == JSON_FIELDS
        assert facts["key"] == key
        assert facts["label_index"] == rows.label_index[number].tolist()
        assert facts["synthetic"] is bool(rows.synthetic[number])
        assert facts["strategy"] == rows.strategy[number]
        assert facts["sources"] == rows.sources[number]
        assert facts["boxes"] == rows.boxes[number].tolist()
        assert facts["recipe"] == rows.recipe[number]
        assert np.float32(facts["lam"]) == rows.lam[number]
        assert np.float32(facts["lam_drawn"]) == rows.lam_drawn[number]
        np.testing.assert_array_equal(np.array(facts["label_weight"], np.float32), rows.label_weight[number])
        if schema.dense:
            soft = np.load(BytesIO(contents[f"{key}.soft.npy"]), allow_pickle=False)
            np.testing.assert_array_equal(soft, rows.soft_label[number], strict=True)


def test_a_number_that_can_be_a_fraction_is_written_as_one(tmp_path, schema):
    rows = make_rows(schema, 9)
    texts = [data.decode() for name, data in members(shard(tmp_path, schema, rows)) if name.endswith(".json")]
    originals = [text for text, mixed in zip(texts, rows.synthetic, strict=True) if not mixed]
    assert originals
    weights = ",".join(["1.0"] + ["0.0"] * (schema.sources - 1))
    for text in originals:
        assert f'"label_weight":[{weights}]' in text
        assert '"lam":1.0,' in text
        assert '"lam_drawn":1.0,' in text
    for text in texts:
        facts = json.loads(text)
        assert all(isinstance(value, float) for value in [*facts["label_weight"], facts["lam"], facts["lam_drawn"]])
        assert all(isinstance(value, int) for value in facts["label_index"])


def test_no_field_of_the_json_is_null_or_empty(tmp_path, schema):
    for name, data in members(shard(tmp_path, schema, make_rows(schema, 9))):
        if name.endswith(".json"):
            assert all(value not in (None, [], "") for value in json.loads(data).values())
            data.decode("ascii")


@pytest.mark.parametrize(("classes", "digits"), [(1, 1), (2, 1), (10, 1), (11, 2), (100, 2), (101, 3), (1000, 3)])
def test_the_class_is_zero_padded_to_one_width(tmp_path, classes, digits):
    schema = RowSchema(tuple(map(str, range(classes))), 2, False, "png")
    found = [data for name, data in members(shard(tmp_path, schema, make_rows(schema, 30))) if name.endswith(".cls")]
    assert {len(data) for data in found} == {digits}
    assert all(data.isdigit() for data in found)


@pytest.mark.parametrize("classes", [1, 2, 9, 10, 100, 1000])
def test_a_soft_label_is_npy_1_0_with_a_header_of_128_bytes(tmp_path, classes):
    schema = RowSchema(tuple(map(str, range(classes))), 2, True, "png")
    for name, data in members(shard(tmp_path, schema, make_rows(schema, 3))):
        if name.endswith(".soft.npy"):
            label = np.load(BytesIO(data), allow_pickle=False)
            assert label.dtype == np.float32
            assert label.shape == (classes,)
            assert label.sum() == pytest.approx(1)
            assert data[6:8] == b"\x01\x00"
            assert len(data) == 128 + 4 * classes
            expected = BytesIO()
            np.lib.format.write_array(expected, label, version=(1, 0))
            assert data == expected.getvalue()


def test_headers_are_ustar_of_fixed_time_owner_and_mode(tmp_path, schema):
    path = shard(tmp_path, schema, make_rows(schema, 7))
    with tarfile.open(path, "r:") as tar:
        for member in tar:
            assert (member.mtime, member.uid, member.gid, member.uname, member.gname) == (0, 0, 0, "", "")
            assert member.mode == 0o644
            assert member.type == tarfile.REGTYPE
            assert member.pax_headers == {}
            assert member.offset_data - member.offset == 512
        assert tar.pax_headers == {}
    data = path.read_bytes()
    assert data[257:265] == b"ustar\x0000"
    assert len(data) % 512 == 0
    assert data.endswith(bytes(1024))


NAMES = st.from_regex(r"[A-Za-z0-9_.-]{1,100}", fullmatch=True)
SIZES = st.one_of(st.integers(0, 5000), st.integers(0, 8**11 - 1))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(NAMES, SIZES), min_size=1, max_size=5))
def test_headers_are_what_tarfile_makes(named):
    expected = []
    for name, size in named:
        info = tarfile.TarInfo(name)
        info.size = size
        info.mode = 0o644
        expected.append(info.tobuf(tarfile.USTAR_FORMAT))
    names, sizes = zip(*named, strict=True)
    found = tar_headers([name.encode() for name in names], np.array(sizes))
    assert [row.tobytes() for row in found] == expected


@pytest.mark.parametrize("count", [1, 63, 64, 65, 200])
def test_a_shard_is_what_tarfile_makes_of_its_members(tmp_path, schema, count):
    path = shard(tmp_path, schema, make_rows(schema, count))
    copy = BytesIO()
    with tarfile.open(fileobj=copy, mode="w:", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in members(path):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            info.mode = 0o644
            tar.addfile(info, BytesIO(data))
    data = path.read_bytes()
    assert copy.getvalue()[: len(data)] == data
    assert not any(copy.getvalue()[len(data) :])  # tarfile fills the last record


@pytest.mark.parametrize(("name", "size"), [("x" * 101, 1), ("x", 8**11), ("ü", 1)])
def test_a_header_that_ustar_cannot_hold_is_an_error(name, size):
    with pytest.raises(ValueError, match=r"tar member|codec can't encode"):
        tar_headers([name.encode("ascii")], np.array([size]))


def test_gnu_tar_lists_every_member_without_a_warning(tmp_path, schema):
    path = shard(tmp_path, schema, make_rows(schema, 7))
    plain = {"LC_ALL": "C", "TZ": "UTC", "PATH": os.environ["PATH"]}
    listing = subprocess.run(["tar", "tvf", path], capture_output=True, text=True, check=True, env=plain)
    assert listing.stderr == ""
    lines = listing.stdout.splitlines()
    assert [line.split()[-1] for line in lines] == [name for name, _ in members(path)]
    assert all(line.startswith("-rw-r--r-- 0/0") and "1970-01-01 00:00" in line for line in lines)


def test_without_dense_labels_there_is_no_soft_label(tmp_path):
    found = members(shard(tmp_path, SPARSE, make_rows(SPARSE, 5)))
    assert not any("soft" in name for name, _ in found)
    assert not any(b"soft" in data for name, data in found if name.endswith(".json"))


def test_a_padded_row_names_only_the_sources_that_it_has(tmp_path):
    facts = [json.loads(data) for name, data in members(shard(tmp_path, THREE, make_rows(THREE, 30))) if "json" in name]
    assert {len(fact["sources"]) for fact in facts} == {1, 2, 3}
    assert all(len(fact["label_index"]) == 3 and len(fact["boxes"]) == 2 for fact in facts)


DAMAGE = {
    "no class": lambda named: [(name, data) for name, data in named if not name.endswith(".cls")],
    "a class that is no number": lambda named: [
        (name, b"cat" if name.endswith(".cls") else data) for name, data in named
    ],
    "a class beyond 64 bit": lambda named: [
        (name, b"9" * 30 if name.endswith(".cls") else data) for name, data in named
    ],
    "an empty soft label": lambda named: [(name, b"" if name.endswith(".npy") else data) for name, data in named],
    "a soft label that is a zip file": lambda named: [
        (name, b"PK\x03\x04" + bytes(50) if name.endswith(".npy") else data) for name, data in named
    ],
    "a soft label that is a pickle": lambda named: [
        (name, b"\x80\x04N." if name.endswith(".npy") else data) for name, data in named
    ],
    "an empty object": lambda named: [(name, b"{}" if name.endswith(".json") else data) for name, data in named],
    "a list": lambda named: [(name, b"[1]" if name.endswith(".json") else data) for name, data in named],
    "broken JSON": lambda named: [(name, data[:9] if name.endswith(".json") else data) for name, data in named],
    "an index beyond 32 bit": lambda named: [
        (name, data.replace(b'"label_index":[', b'"label_index":[9999999999') if name.endswith(".json") else data)
        for name, data in named
    ],
    "a member too many": lambda named: [*named, (named[-1][0].replace(".json", ".txt"), b"")],
    "samples torn apart": lambda named: named[::2] + named[1::2],
    "an image of another ending": lambda named: [(name.replace(".png", ".jpg"), data) for name, data in named],
}


@pytest.mark.parametrize("what", DAMAGE)
def test_members_that_do_not_follow_the_schema_are_an_error(tmp_path, what):
    named = members(shard(tmp_path, PLAIN, make_rows(PLAIN, 4)))
    path = write_tar(tmp_path / "train-000007.tar", DAMAGE[what](named))
    with pytest.raises(SetError, match=r"train-000007\.tar"):
        list(FORMAT.read(path, PLAIN))


def test_a_member_that_is_no_file_is_an_error(tmp_path):
    path = tmp_path / "train-000007.tar"
    with tarfile.open(path, "w:") as tar:
        info = tarfile.TarInfo("0001-000-000000000.png")
        info.type = tarfile.SYMTYPE
        info.linkname = "/etc/passwd"
        tar.addfile(info)
    with pytest.raises(SetError, match="train-000007"):
        list(FORMAT.read(path, PLAIN))


def test_a_shard_that_tarfile_wrote_is_read_like_our_own(tmp_path):
    rows = make_rows(PLAIN, 4)
    ours = shard(tmp_path, PLAIN, rows)
    theirs = write_tar(tmp_path / "theirs.tar", members(ours))
    assert [part.key for part in FORMAT.read(theirs, PLAIN)] == [rows.key]
