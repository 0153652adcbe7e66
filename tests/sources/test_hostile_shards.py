"""Shards of anybody as sources: each works, or ends in this program's own words, or in counted skips; none is wrong."""

from __future__ import annotations

import datetime
import decimal
import io
import json
import math
import os
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutmix_gen import GenerateConfig, generate
from cutmix_gen.errors import CutMixGenError, SourceError
from cutmix_gen.sources.read import read_source
from cutmix_gen.sources.shard_sources import scan_source, state_of_source
from cutmix_gen.sources.webdatasets import tar_images
from cutmix_gen.storage import path_text
from tests.images import file_of, noise
from tests.sources.test_shard_sources import images, write_parquet, write_tar

FILES = [file_of(noise(12, 10, seed=number), "JPEG", quality=90) for number in range(12)]

texts = st.text(max_size=6)
labels_of = st.integers(-2, 5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | st.sampled_from(["\ud800", "names", "label"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["info", "features", "label", "names", "_type"]) | texts, inner, max_size=4)
    ),
    max_leaves=8,
)

LABELS = {
    "int64": (pa.int64(), labels_of),
    "int8": (pa.int8(), labels_of),
    "uint64": (pa.uint64(), st.integers(0, 5) | st.just(2**64 - 1)),
    "huge": (pa.int64(), st.sampled_from([0, 99_999, 100_000, 999_999, 2**63 - 1, -(2**63)])),
    "float64": (pa.float64(), st.sampled_from([0.0, 1.0, -0.0, -1.0, math.nan, math.inf, 0.5, 1e300])),
    "float16": (pa.float16(), st.sampled_from([0.0, 1.0, math.nan, 0.5])),
    "bool": (pa.bool_(), st.booleans()),
    "text": (pa.string(), texts | st.sampled_from(["", "-1", "1.5", "x" * 2000])),
    "large text": (pa.large_string(), texts),
    "text view": (pa.string_view(), texts),
    "bytes": (pa.binary(), st.binary(max_size=4)),
    "date": (pa.date32(), st.dates()),
    "time": (pa.timestamp("us"), st.datetimes(datetime.datetime(1970, 1, 1), datetime.datetime(2100, 1, 1))),
    "decimal": (pa.decimal128(6, 2), st.integers(0, 500).map(lambda number: decimal.Decimal(number) / 100)),
    "list": (pa.list_(pa.int64()), st.lists(labels_of, max_size=2)),
    "struct": (pa.struct([("a", pa.int64())]), st.fixed_dictionaries({"a": labels_of})),
    "map": (
        pa.map_(pa.string(), pa.int64()),
        st.dictionaries(texts, labels_of, max_size=2).map(lambda d: [*d.items()]),
    ),
    "dictionary of texts": (pa.dictionary(pa.int32(), pa.string()), texts),
    "dictionary of numbers": (pa.dictionary(pa.int8(), pa.int64()), labels_of),
    "nothing": (pa.null(), st.none()),
}
"""Type of a column of labels, and what may stand in it beside nulls."""

file = st.sampled_from([*FILES, b"", b"no image"])
struct = st.fixed_dictionaries({"bytes": st.none() | file, "path": st.none() | texts})
CONTENT = {"bytes": pa.binary(), "path": pa.string()}
IMAGES = {
    "struct": (pa.struct(CONTENT), struct),
    "binary": (pa.binary(), file),
    "large binary": (pa.large_binary(), file),
    "binary view": (pa.binary_view(), file),
    "fixed": (pa.binary(len(FILES[0])), st.just(FILES[0])),
    "struct of fixed": (pa.struct({"bytes": pa.binary(len(FILES[0]))}), st.just({"bytes": FILES[0]})),
    "dictionary": (pa.dictionary(pa.int32(), pa.binary()), file),
    "struct without bytes": (pa.struct({"path": pa.string()}), st.just({"path": "a.jpg"})),
    "struct of numbers": (pa.struct({"bytes": pa.int64()}), st.just({"bytes": 5})),
    "struct of lists": (pa.struct({"bytes": pa.list_(pa.binary())}), st.just({"bytes": FILES[:1]})),
    "struct of text": (pa.struct({"bytes": pa.string()}), st.just({"bytes": "text"})),
    "number": (pa.int64(), labels_of),
    "text": (pa.string(), texts),
    "list of numbers": (pa.list_(pa.uint8()), st.just(list(FILES[0]))),
    "list of files": (pa.list_(pa.binary()), st.lists(file, max_size=2)),
    "nothing": (pa.null(), st.none()),
}


def generates_or_says_why(root: Path, output: Path) -> None:
    """Make a set of the sources and look at it, or see this program's own error."""
    try:
        report = generate(GenerateConfig(source=root, output=output, backend="serial", max_failures="100%"))
    except CutMixGenError:
        return
    assert report.complete


def expected_class(value: object) -> str | None:
    """Return the class that a label of a Parquet file stands for where it is one; None for none."""
    if value is None or value in (-1, "-1", "") or (isinstance(value, float) and math.isnan(value)):
        return None
    return str(value) if isinstance(value, str) else str(int(value))


@settings(max_examples=150)
@given(data=st.data())
def test_any_parquet_file_is_read_right_or_refused(data):
    """Labels and images of any types, any metadata, laid out in any way."""
    label_type, one_label = LABELS[data.draw(st.sampled_from(sorted(LABELS)))]
    image_kind = data.draw(st.just("struct") | st.sampled_from(sorted(IMAGES)))
    image_type, one_image = IMAGES[image_kind]
    rows = data.draw(st.integers(0, 12))
    is_nullable = data.draw(st.booleans()) or pa.types.is_null(label_type) or pa.types.is_null(image_type)
    maybe = st.none() if is_nullable else st.nothing()
    labels = data.draw(st.lists(one_label | maybe, min_size=rows, max_size=rows))
    files = data.draw(st.lists(one_image | maybe, min_size=rows, max_size=rows))
    metadata = None
    if data.draw(st.booleans()):
        metadata = {"huggingface": data.draw(st.binary(max_size=8) | JSON.map(json.dumps))}
    fields = [pa.field("image", image_type, is_nullable), pa.field("label", label_type, is_nullable)]
    table = pa.table(
        [pa.array(files, image_type), pa.array(labels, label_type)], schema=pa.schema(fields, metadata=metadata)
    )
    options = {
        "compression": data.draw(st.sampled_from(["none", "zstd"])),
        "use_dictionary": data.draw(st.booleans()),
        "data_page_version": data.draw(st.sampled_from(["1.0", "2.0"])),
        "row_group_size": data.draw(st.sampled_from([3, 100])),
        "write_statistics": data.draw(st.booleans()),
    }
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "src")
        root.mkdir()
        pq.write_table(table, root / "a.parquet", **options)
        try:
            found = scan_source(root)
        except SourceError:
            pass
        else:
            contents = [each["bytes"] if isinstance(each, dict) else each for each in files]
            expected = [
                (expected_class(label), content)
                for label, content in zip(table.column("label").to_pylist(), contents, strict=True)
                if expected_class(label) is not None and content
            ]
            read = [read_source(root, path_text(path)) for path in found.paths]
            names = [found.classes[label] for label in found.labels]
            if metadata is None:
                assert Counter(zip(names, read, strict=True)) == Counter(expected)
            assert sorted(read) == sorted(content for _, content in expected)
            assert found.sizes.tolist() == list(map(len, read))
        generates_or_says_why(root, Path(folder, "out"))


@settings(max_examples=60)
@given(names=JSON, key=st.sampled_from(["info", "features", "label", "names"]))
def test_any_json_at_any_place_of_the_metadata_is_taken_or_refused(names, key):
    keys = ["info", "features", "label", "names"]
    facts = names
    for outer in reversed(keys[: keys.index(key) + 1]):
        facts = {outer: facts}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "src")
        write_parquet(root / "a.parquet", FILES, [0, 1] * 6, names=())
        table = pq.read_table(root / "a.parquet")
        pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(facts)}), root / "a.parquet")
        try:
            classes = scan_source(root).classes
        except SourceError:
            pass
        else:
            named = names if key == "names" and isinstance(names, list) and names else None
            assert key != "names" or classes == tuple(named or ("0", "1"))


@settings(max_examples=150)
@given(data=st.data())
def test_a_parquet_file_with_changed_bytes_is_read_or_refused(data):
    """Footers, page headers and contents that are broken, of files laid out in three ways."""
    options = data.draw(
        st.sampled_from(
            [
                {"compression": "none", "use_dictionary": False},
                {"compression": "none", "use_dictionary": False, "data_page_version": "2.0"},
                {"compression": "zstd"},
            ]
        )
    )
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "src")
        write_parquet(root / "a.parquet", FILES, [0, 1, 2] * 4, row_group_size=6, **options)
        content = bytearray((root / "a.parquet").read_bytes())
        near = st.integers(0, 60) | st.integers(len(content) - 900, len(content) - 1)
        for place in data.draw(st.lists(near | st.integers(0, len(content) - 1), min_size=1, max_size=4)):
            content[place] = data.draw(st.integers(0, 255))
        if data.draw(st.booleans()):
            del content[data.draw(st.integers(0, len(content) - 1)) :]
        (root / "a.parquet").write_bytes(content)
        generates_or_says_why(root, Path(folder, "out"))


member = st.tuples(
    st.sampled_from(["a", "b", "./c", "d/e", ""]),
    st.sampled_from(["jpg", "cls", "json", "png", "txt", "JPG"]),
    st.sampled_from([*FILES[:3], b"", b"0", b"1", b"07", b"-1", b"1.0", b"1.5", b"cat", b"\xff", b"nan", b"9" * 2000])
    | st.binary(max_size=5),
    st.sampled_from(
        [tarfile.REGTYPE] * 9 + [tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE, b"V"]
    ),
)


def tar_of(path: Path, members, layout=tarfile.PAX_FORMAT) -> Path:
    """Write a tar file of members: key, kind, content, and type of each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=layout) as tar:
        for key, kind, content, member_type in members:
            info = tarfile.TarInfo(f"{key}.{kind}")
            info.type, info.linkname = member_type, "a.jpg"
            info.size = len(content) if info.isreg() else 0
            tar.addfile(info, io.BytesIO(content))
    return path


@settings(max_examples=100)
@given(members=st.lists(member, max_size=10), data=st.data())
def test_any_tar_is_read_or_refused(members, data):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "src")
        good = [(f"good-{number}", kind, content, tarfile.REGTYPE)
                for number in range(data.draw(st.integers(0, 3)))
                for kind, content in (("jpg", FILES[number]), ("cls", b"cat"))]  # fmt: skip
        path = tar_of(root / "a.tar", members + good)
        if data.draw(st.booleans()):
            content = bytearray(path.read_bytes())
            for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=3)):
                content[place] = data.draw(st.integers(0, 255))
            path.write_bytes(content)
        generates_or_says_why(root, Path(folder, "out"))


NUMBERS = {
    ("0", "1", "07"): ("0", "1", "2", "3", "4", "5", "6", "7"),
    ("0", "1.0", "1"): ("0", "1"),
    ("0", "1", "cat"): ("0", "1", "cat"),
    ("07", "7", "cat"): ("07", "7", "cat"),
    ("1.5", "cat", "dog"): ("1.5", "cat", "dog"),
    ("\ufeff1", " 0\n", "1"): ("0", "1"),
}


@pytest.mark.parametrize("labels", NUMBERS)
def test_labels_of_a_tar_are_numbers_where_all_are_and_else_names(tmp_path, labels):
    write_tar(tmp_path / "a.tar", FILES, labels * 4)
    assert scan_source(tmp_path).classes == NUMBERS[labels]


@pytest.mark.parametrize("labels", [("0", "1.5"), ("-7", "0"), ("0", "100000"), ("0", "9" * 900)])
def test_numbers_that_no_class_can_have_are_refused(tmp_path, labels):
    write_tar(tmp_path / "a.tar", FILES, labels * 6)
    with pytest.raises(SourceError, match=r"whole numbers or names|labels from 0 to 99,999"):
        scan_source(tmp_path)


@pytest.mark.parametrize("label", ["-1", "", " ", b"\xff\xfe", "x" * 2000])
def test_what_is_no_label_is_passed_over_and_counted(tmp_path, label):
    cls = label if isinstance(label, bytes) else label.encode()
    members = [("odd", "jpg", FILES[0], tarfile.REGTYPE), ("odd", "cls", cls, tarfile.REGTYPE)]
    for number in range(3):
        members += [(f"{number}", "jpg", FILES[1], tarfile.REGTYPE), (f"{number}", "cls", b"0", tarfile.REGTYPE)]
    tar_of(tmp_path / "a.tar", members)
    found = scan_source(tmp_path)
    assert len(found) == 3
    assert found.classes == ("0",)
    assert sum(found.passed_over.values()) == 1
    assert "label" in next(iter(found.passed_over))


def test_what_a_sample_has_beside_image_and_label_is_counted_by_name(tmp_path):
    members = []
    for number in range(3):
        for kind, content in (("jpg", FILES[number]), ("cls", b"%d" % number), ("json", b"{"), ("png", b"x")):
            members.append((f"{number}", kind, content, tarfile.REGTYPE))
    tar_of(tmp_path / "tar/a.tar", members)
    report = generate(GenerateConfig(source=tmp_path / "tar", output=tmp_path / "out", backend="serial"))
    assert report.passed_over == {"json beside an image": 3, "png beside an image": 3}
    write_parquet(tmp_path / "parquet/a.parquet", FILES, [0, 1, -1] * 4, names=())
    table = pq.read_table(tmp_path / "parquet/a.parquet")
    pq.write_table(table.append_column("caption", pa.array(["text"] * 12)), tmp_path / "parquet/a.parquet")
    expected = {"caption beside an image": 8, "row without an image or a label": 4}
    assert scan_source(tmp_path / "parquet").passed_over == expected


@pytest.mark.parametrize("shards", ["parquet", "webdataset"])
def test_of_a_set_of_this_program_nothing_is_counted_as_the_users(tmp_path, shards):
    write_parquet(tmp_path / "src/a.parquet", FILES, [0, 1, 2] * 4)
    generate(GenerateConfig(source=tmp_path / "src", output=tmp_path / "one", format=shards, backend="serial"))
    assert scan_source(tmp_path / "one").passed_over == {}


def test_many_kinds_of_members_are_counted_together(tmp_path):
    members = [("a", "jpg", FILES[0], tarfile.REGTYPE), ("a", "cls", b"0", tarfile.REGTYPE)]
    members += [("a", f"kind-{number}" + "x" * 90, b"", tarfile.REGTYPE) for number in range(500)]
    path = tar_of(tmp_path / "a.tar", members)
    passed_over: Counter[str] = Counter()
    list(tar_images(path, "a.tar", passed_over, is_own=False))
    assert sum(passed_over.values()) == 500
    assert len(passed_over) < 30
    assert all(len(reason) < 80 for reason in passed_over)


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """Return the header of a member that claims a size, any number at all."""
    info = tarfile.TarInfo(name)
    info.size, info.type = abs(size), kind
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT)[:512])
    if size < 0:
        block[124:136] = b"\xff" + size.to_bytes(11, "big", signed=True)
        block[148:156] = b" " * 8
        block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 512)


def pax(**records: str) -> bytes:
    """Return a PAX header that says some things of the next member."""
    content = b""
    for key, value in records.items():
        rest = f" {key}={value}\n".encode()
        length = len(rest)
        while length != len(b"%d" % length) + len(rest):
            length = len(b"%d" % length) + len(rest)
        content += b"%d" % length + rest
    return header("pax", len(content), tarfile.XHDTYPE) + padded(content)


GOOD = b"".join(
    header(f"{number}.{kind}", len(content)) + padded(content)
    for number in range(3)
    for kind, content in (("jpg", FILES[number]), ("cls", b"0"))
)
HUGE = 8 << 30
BOMBS = {
    "a header alone": GOOD + header("9.jpg", HUGE),
    "a label that claims gigabytes": GOOD + header("9.jpg", 0) + header("9.cls", HUGE),
    "a size in base 256": GOOD + header("9.jpg", 1 << 60),
    "a size below zero": GOOD + header("9.jpg", -512),
    "a size that leads back to the start": GOOD + header("9.jpg", -len(GOOD) - 512),
    "a device with a size below zero": GOOD + header("9.jpg", -1024, b"V"),
    "a size in PAX": GOOD + pax(size=str(HUGE)) + header("9.jpg", 0),
    "a size below zero in PAX": GOOD + pax(size="-5000") + header("9.jpg", 0),
    "a size of many digits in PAX": GOOD + pax(size="9" * 6000) + header("9.jpg", 0) + bytes(1024),
    "a name of gigabytes": GOOD + header("././@LongLink", HUGE, tarfile.GNUTYPE_LONGNAME),
    "a PAX header of gigabytes": GOOD + header("pax", HUGE, tarfile.XHDTYPE),
    "a PAX header for all, of gigabytes": GOOD + header("pax", HUGE, tarfile.XGLTYPE),
    "a PAX header below zero": GOOD + header("pax", -512, tarfile.XHDTYPE),
    "a PAX header that takes the square of its length": GOOD + header("pax", 200_000, tarfile.XHDTYPE)
    + padded(b"1" * 200_000),
    "names of names": GOOD + (header("././@LongLink", 0, tarfile.GNUTYPE_LONGNAME)) * 2000,
    "PAX headers of PAX headers": GOOD + pax(comment="x") * 2000,
    "a file with holes": GOOD + header("9.jpg", HUGE, tarfile.GNUTYPE_SPARSE),
    "a file with holes in PAX": GOOD + pax(**{"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
    "GNU.sparse.realsize": str(HUGE), "GNU.sparse.name": "9.jpg"}) + header("9.jpg", 512) + padded(b"999999999\n"),
    "an end that was cut": GOOD + header("9.jpg", 5)[:300],
    "no header where one should be": GOOD + b"x" * 512 + GOOD,
    "two tar files in one": GOOD + bytes(1024) + GOOD + bytes(1024),
    "nothing": b"",
    "zeros": bytes(10240),
}  # fmt: skip


WITHIN = """
import re, resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
from cutmix_gen.sources.shard_sources import scan_source
from cutmix_gen.errors import SourceError
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
for root in sorted(Path(sys.argv[1]).iterdir()):
    try:
        print(root.name, len(scan_source(root)), sep=": ")
    except SourceError as error:
        print(root.name, error, sep=": ")
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) >> 10)  # since this program began
"""
"""Scans the folders in one, with 3 GiB of addresses and 20 seconds; says what it found, and MB of memory at most."""


def test_tars_that_claim_gigabytes_take_no_memory_and_no_time(tmp_path):
    for name, content in BOMBS.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.tar").write_bytes(content)
    done = subprocess.run([sys.executable, "-c", WITHIN, tmp_path], capture_output=True, text=True, check=True)
    *lines, peak = done.stdout.splitlines()
    found = dict(line.split(": ", 1) for line in lines)
    assert found.keys() == BOMBS.keys()
    taken = {name for name, said in found.items() if said.isdecimal()}
    assert taken == set()
    for name in found.keys() - taken:
        assert "a.tar cannot be read" in found[name] or "at least two images" in found[name], found[name]
    assert "claims 8,589,934,592 bytes" in found["a header alone"]
    assert "one behind another" in found["two tar files in one"]
    assert int(peak) < 300


def test_a_file_with_holes_in_a_tar_is_passed_over_and_counted(tmp_path):
    holes = header("9.jpg", 0, tarfile.GNUTYPE_SPARSE)
    (tmp_path / "a.tar").write_bytes(holes + GOOD + bytes(1024))
    assert scan_source(tmp_path).passed_over == {"link, device or sparse file in a tar": 1}


SPECIAL = {
    "a pipe": os.mkfifo,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a socket": lambda path: socket.socket(socket.AF_UNIX).bind(str(path)),
    "a link to nothing": lambda path: path.symlink_to("nowhere" if path.suffix == ".tar" else path.name),
}


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.parametrize("extension", ["tar", "parquet"])
@pytest.mark.parametrize("kind", SPECIAL)
def test_a_shard_that_is_no_regular_file_is_named_and_never_opened(monkeypatch, tmp_path, kind, extension):
    monkeypatch.chdir(tmp_path)  # the path of a socket has 108 bytes at most
    SPECIAL[kind](Path(f"a.{extension}"))
    for look in (scan_source, state_of_source):
        with pytest.raises(SourceError, match=rf"a\.{extension} is {kind}\."):
            look(tmp_path)


def test_a_shard_that_became_a_pipe_since_the_scan_is_not_waited_for(tmp_path):
    write_parquet(tmp_path / "a.parquet", FILES, [0, 1, 2] * 4)
    write_tar(tmp_path / "tar/a.tar", FILES, ["0"] * 12)
    for root, shard in ((tmp_path / "tar", "a.tar"), (tmp_path, "a.parquet")):
        path = path_text(scan_source(tmp_path / "tar").paths[0]) if shard == "a.tar" else "a.parquet/@0.0+5/0"
        (root / shard).unlink()
        os.mkfifo(root / shard)
        with pytest.raises(OSError, match="no regular file"):
            read_source(root, path)


def test_shards_that_could_be_meant_in_two_ways_are_refused(tmp_path):
    write_parquet(tmp_path / "kinds/a.parquet", FILES, [0, 1, 2] * 4)
    write_tar(tmp_path / "kinds/a.tar", FILES, ["0"] * 12)
    with pytest.raises(SourceError, match=r"of one kind in one folder, but there are 1 \.parquet in .* and 1 \.tar in"):
        scan_source(tmp_path / "kinds")
    write_parquet(tmp_path / "names/a.parquet", FILES, [0, 1] * 6, names=("cat", "dog"))
    write_parquet(tmp_path / "names/b.parquet", FILES, [0, 1] * 6, names=("dog", "cat"))
    with pytest.raises(SourceError, match="the same classes in the same order"):
        scan_source(tmp_path / "names")
    write_parquet(tmp_path / "twice/a.parquet", FILES, [0, 1] * 6, names=("cat", "cat"))
    with pytest.raises(SourceError, match="2 are called cat"):
        scan_source(tmp_path / "twice")


def test_what_lies_beside_shards_is_counted_and_what_is_hidden_is_none(tmp_path):
    write_parquet(tmp_path / "a.parquet", FILES, [0, 1, 2] * 4)
    (tmp_path / "._a.parquet").write_bytes(b"what another system notes of a file")
    (tmp_path / "README.md").touch()
    found = scan_source(tmp_path)
    assert len(found) == 12
    assert found.passed_over == {"hidden": 1, "no shard by its name": 1}


def test_labels_that_differ_for_each_of_a_million_images_are_no_classes(tmp_path, monkeypatch):
    monkeypatch.setattr("cutmix_gen.sources.numbering.MOST_CLASSES", 11)
    write_tar(tmp_path / "tar/a.tar", FILES, [f"image {number}" for number in range(12)])
    with pytest.raises(SourceError, match="at most 11 classes, but it has 12 or more"):
        scan_source(tmp_path / "tar")
    write_parquet(tmp_path / "names/a.parquet", FILES, [0, 1] * 6, names=[f"class {number}" for number in range(12)])
    with pytest.raises(SourceError, match="at most 11 classes, but it has 12 or more"):
        scan_source(tmp_path / "names")
    for number in range(12):
        (tmp_path / f"folders/{number}").mkdir(parents=True)
    with pytest.raises(SourceError, match="at most 11 classes, but it has 12 or more"):
        scan_source(tmp_path / "folders")


def test_a_single_large_number_makes_no_million_classes(tmp_path):
    write_parquet(tmp_path / "a.parquet", FILES, [0, 1, 999_999] * 4, names=())
    began = time.process_time()
    with pytest.raises(SourceError, match=r"labels from 0 to 99,999, but it has 0 to 999999\. Each number up to the"):
        scan_source(tmp_path)
    assert time.process_time() - began < 2


def test_more_rows_than_a_file_has_room_for_are_refused_at_once(tmp_path):
    rows = 3_000_000
    columns = [pa.nulls(rows, pa.binary()), pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int8()), ["cat"])]
    pq.write_table(pa.table(columns, names=["image", "label"]), tmp_path / "a.parquet", compression="zstd")
    with pytest.raises(SourceError, match=r"claims 3,000,000 rows in [\d,]+ bytes"):
        scan_source(tmp_path)


def test_one_image_that_stands_for_gigabytes_of_rows_is_refused_in_little_memory(tmp_path):
    (tmp_path / "bomb").mkdir()
    images_of = pa.DictionaryArray.from_arrays(pa.array([0] * 30_000, pa.int32()), pa.array([bytes(1 << 20)]))
    table = pa.table([images_of, pa.array(range(30_000))], names=["image", "label"])
    pq.write_table(table, tmp_path / "bomb/a.parquet", compression="none")
    done = subprocess.run([sys.executable, "-c", WITHIN, tmp_path], capture_output=True, text=True, check=True)
    said, peak = done.stdout.splitlines()
    assert "more than 2 GiB of images" in said
    assert int(peak) < 500


def test_rows_of_row_groups_are_read_one_by_one_within_the_limit_of_a_file(tmp_path):
    files, labels = images()
    write_parquet(tmp_path / "a.parquet", files, labels)
    path = path_text(scan_source(tmp_path).paths[0])
    assert read_source(tmp_path, path, 10) == files[0][:11]
