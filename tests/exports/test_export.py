from __future__ import annotations

import json
import shutil
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from cutmix_gen import GenerateConfig, generate, open_dataset
from cutmix_gen.cli import main
from cutmix_gen.dataset.layout import ShardName
from cutmix_gen.dataset.ledger import Ledger
from cutmix_gen.dataset.manifest import Manifest
from cutmix_gen.errors import OutputError, SetError, UsageError
from cutmix_gen.exports import EXPORTS
from cutmix_gen.exports.export import export_set
from cutmix_gen.exports.imagefolder import ImageFolder, folder_names
from cutmix_gen.shards import SHARD_FORMATS, shard_format
from cutmix_gen.storage import new_folder
from tests.sets import make_folder, tree


@pytest.fixture(scope="module", params=SHARD_FORMATS)
def output(request, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("set")
    folder = make_folder(root / "images", size=(8, 8))
    generate(GenerateConfig(source=folder, output=root / "out", format=request.param, shard_size=40, backend="serial"))
    return root / "out"


def stored(output: Path) -> dict:
    dataset = open_dataset(output)
    return {row.key: row for row in map(dataset.row, range(len(dataset)))}


def assert_fields(found: dict, row) -> None:
    for name, value in row._asdict().items():
        if name not in ("image", "soft_label", "label_weight", "lam", "lam_drawn"):
            np.testing.assert_array_equal(found[name], value, name)
    for name in ("soft_label", "label_weight", "lam", "lam_drawn"):
        np.testing.assert_array_equal(np.float32(found[name]), np.float32(getattr(row, name)), name)


def test_an_image_folder_has_every_image_and_every_field(output, tmp_path):
    assert export_set(output, tmp_path / "images", "imagefolder", jobs=1) == 240
    lines = (tmp_path / "images/train/metadata.jsonl").read_text().splitlines()
    expected = stored(output)
    assert [json.loads(line)["key"] for line in lines] == list(expected)
    for line in lines:
        found = json.loads(line)
        row = expected[found["key"]]
        assert_fields(found, row)
        assert found["file_name"] == f"class-{row.label}/{row.key}.jpg"
        assert (tmp_path / "images/train" / found["file_name"]).read_bytes() == row.image
    files = [path for path in (tmp_path / "images").rglob("*") if path.is_file()]
    assert len(files) == 241


@pytest.mark.parametrize("name", ["", ".", "..", "../up", "/etc", "a/b", ".hidden", "line\nbreak", "x" * 300])
def test_no_class_name_leads_out_of_the_folder(name):
    assert folder_names([name]) == ["class-0000"]


def test_a_class_keeps_its_name():
    assert folder_names(["great tit 猫"]) == ["great tit 猫"]


def test_no_two_classes_share_a_folder():
    names = ["class-0001", "a/b", "class-0001_", "..", "class-0003"]
    assert folder_names(names) == ["class-0001", "class-0001__", "class-0001_", "class-0003_", "class-0003"]


@pytest.mark.parametrize("name", ["metadata.jsonl", "metadata.csv", "metadata.parquet"])
def test_no_class_takes_the_place_of_the_metadata(name):
    assert folder_names(["a", name]) == ["a", "class-0001"]


def test_classes_that_differ_by_capitals_share_no_folder_where_these_do_not_count():
    names = ["Cat", "cat", "caf\u00e9", "cafe\u0301", "METADATA.jsonl"]
    assert folder_names(names) == names
    others = ["Cat", "class-0001", "caf\u00e9", "class-0003", "class-0004"]
    assert folder_names(names, any_case=True) == others


@given(
    names=st.lists(
        st.text(min_size=1)
        | st.sampled_from(["metadata.jsonl", "class-0001", "CLASS-0001_", "a", "A", "..", "x" * 99]),
        unique=True,
    ),
    any_case=st.booleans(),
    longest=st.sampled_from([20, 255]),
)
def test_every_class_has_one_folder_of_its_own_below_the_split(names, any_case, longest):
    found = folder_names(names, any_case=any_case, longest=longest)
    assert len(found) == len(names)
    assert len({name.casefold() if any_case else name for name in found} | {"metadata.jsonl"}) == len(names) + 1
    for name in found:
        assert name.isprintable()
        assert "/" not in name
        assert name[0] != "."
        assert len(name.encode()) <= longest


def test_classes_that_cannot_name_a_folder_are_exported_and_named(tmp_path, caplog):
    images = make_folder(tmp_path / "images", per_class=4, size=(8, 8))
    (images / "class-1").rename(images / "metadata.jsonl")
    generate(GenerateConfig(source=images, output=tmp_path / "out", backend="serial"))
    assert export_set(tmp_path / "out", tmp_path / "new", "imagefolder", jobs=1) == 24
    lines = (tmp_path / "new/train/metadata.jsonl").read_text().splitlines()
    folders = {json.loads(line)["file_name"].partition("/")[0] for line in lines}
    assert folders == {"class-0", "class-2", "class-0002"}
    assert "like 1 of the classes: 'metadata.jsonl' is in class-0002. The number is the label." in caplog.text


def test_classes_that_differ_by_capitals_are_told_apart_where_the_file_system_does_not(output, tmp_path, caplog):
    manifest = Manifest(output)
    schema, record = manifest.read_set().schema, next(Ledger(manifest).records())
    for folder in ("part", "PART"):  # as if the file system gave one folder for both names
        (tmp_path / folder).mkdir()
    rows = shard_format(manifest.read_set().shard_format).read(output / record.file, schema)
    spelt = replace(schema, classes=("Cat", "cat", "dog"))
    ImageFolder().write(tmp_path / "part", ShardName("train", 0), rows, spelt)
    ImageFolder().finish(tmp_path / "part", spelt)
    folders = {path.name for path in (tmp_path / "part/train").iterdir()}
    assert folders == {"Cat", "class-0001", "dog", "metadata.jsonl"}
    assert "'cat' is in class-0001" in caplog.text


def test_metadata_is_in_the_order_of_the_shards_whatever_digits_their_names_have(output, tmp_path):
    manifest = Manifest(output)
    info, export = manifest.read_set(), ImageFolder()
    records = list(Ledger(manifest).records())[:4]
    for record, number in zip(records, (1_000_001, 999_999, 1_000_000, 7), strict=True):
        rows = shard_format(info.shard_format).read(output / record.file, info.schema)
        export.write(tmp_path, ShardName("x.000002.y", number), rows, info.schema)
    export.finish(tmp_path, info.schema)
    keys = [
        key
        for place in (3, 1, 2, 0)
        for rows in shard_format(info.shard_format).read(output / records[place].file, info.schema)
        for key in rows.key
    ]
    lines = (tmp_path / "x.000002.y/metadata.jsonl").read_text().splitlines()
    assert [json.loads(line)["key"] for line in lines] == keys
    assert [path.name for path in tmp_path.iterdir()] == ["x.000002.y"]


def crc32c(data: bytes) -> int:
    """Return the CRC-32C of bytes, bit by bit: polynomial 0x1EDC6F41, reflected (RFC 3720, appendix B.4)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def records(path: Path):
    """Give the records of a TFRecord file, their checksums checked."""
    data, place = path.read_bytes(), 0
    while place < len(data):
        (length,) = struct.unpack_from("<Q", data, place)
        body = data[place + 12 : place + 12 + length]
        for part, at in ((data[place : place + 8], place + 8), (body, place + 12 + length)):
            crc = crc32c(part)
            masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
            assert struct.unpack_from("<I", data, at) == (masked,)
        yield body
        place += 16 + length


def varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place


def fields(data: bytes):
    """Give number and content of each length-delimited field of a protocol buffer."""
    place = 0
    while place < len(data):
        tag, place = varint(data, place)
        assert tag & 7 == 2
        length, place = varint(data, place)
        yield tag >> 3, data[place : place + length]
        place += length


def features(example: bytes) -> dict:
    """Parse a `tf.train.Example` as its .proto files have it."""
    ((number, entries),) = fields(example)
    assert number == 1
    found = {}
    for _, entry in fields(entries):
        (_, name), (_, feature) = fields(entry)
        ((kind, values),) = fields(feature)
        contents = [content for _, content in fields(values)]
        if kind == 2:
            contents = np.frombuffer(b"".join(contents), "<f4")
        elif kind == 3:
            packed, place, contents = b"".join(contents), 0, []
            while place < len(packed):
                value, place = varint(packed, place)
                contents.append(value)
        found[name.decode()] = contents
    return found


def test_tfrecords_hold_every_field(output, tmp_path):
    assert export_set(output, tmp_path / "records", "tfrecord", jobs=1) == 240
    expected = stored(output)
    paths = sorted((tmp_path / "records").glob("*.tfrecord"))
    shards = sorted((output / "data").iterdir())
    assert [path.stem for path in paths] == [shard.stem for shard in shards]
    found = [features(example) for path in paths for example in records(path)]
    assert [example["key"][0].decode() for example in found] == list(expected)
    facts = json.loads((tmp_path / "records/features.json").read_text())
    assert facts["classes"] == ["class-0", "class-1", "class-2"]
    for example in found:
        row = expected[example["key"][0].decode()]
        assert example.pop("image") == [row.image]
        shapes = {name: feature["shape"] for name, feature in facts["features"].items()}
        plain = {}
        for name, values in example.items():
            texts = [value.decode() if isinstance(value, bytes) else value for value in values]
            plain[name] = texts if shapes[name] is None else np.reshape(texts, shapes[name])
        assert_fields(plain, row)
    assert facts["features"].keys() == {*found[0], "image"}


def test_a_record_has_the_checksum_of_the_standard():
    assert crc32c(b"123456789") == 0xE3069283


@pytest.mark.parametrize("form", EXPORTS)
def test_two_processes_write_what_one_writes(output, tmp_path, form):
    export_set(output, tmp_path / "one", form, jobs=1)
    export_set(output, tmp_path / "two", form, jobs=2)
    for path in (tmp_path / "one").rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()


@pytest.mark.parametrize("form", EXPORTS)
def test_a_folder_appears_whole_or_not_at_all(output, tmp_path, form, monkeypatch):
    def fail(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr("cutmix_gen.exports.export._export_shard", fail)
    with pytest.raises(OSError, match="no space"):
        export_set(output, tmp_path / "new", form, jobs=1)
    assert list(tmp_path.iterdir()) == []


def test_a_set_that_is_not_finished_is_not_exported(output, tmp_path):
    shutil.copytree(output, tmp_path / "part")
    next((tmp_path / "part/.cutmix_gen/shards").iterdir()).unlink()
    with pytest.raises(SetError, match="must be finished before it is exported"):
        export_set(tmp_path / "part", tmp_path / "new", "imagefolder", jobs=1)
    assert not (tmp_path / "new").exists()


def test_files_that_are_there_stay(output, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    for folder, found in (("full", "holds files"), ("full/file", "is no folder")):
        with pytest.raises(SetError, match=f"FOLDER must be new or empty, but {tmp_path / folder} {found}"):
            export_set(output, tmp_path / folder, "imagefolder")
    with pytest.raises(OutputError, match=r"must be written, but that failed: .* there is a file"):
        export_set(output, tmp_path / "full/file/new/deep", "imagefolder")
    assert list(tree(tmp_path)) == ["full/file"]


@pytest.mark.parametrize("form", EXPORTS)
def test_a_folder_that_is_there_and_empty_stays_the_same_one(output, tmp_path, form, monkeypatch):
    export_set(output, tmp_path / "new", form, jobs=1)
    (tmp_path / "there").mkdir(mode=0o750)
    before = (tmp_path / "there").stat()
    monkeypatch.chdir(tmp_path / "there")
    export_set(output, Path(), form, jobs=1)
    assert (tmp_path / "there").stat().st_ino == before.st_ino
    assert (tmp_path / "there").stat().st_mode == before.st_mode
    assert tree(tmp_path / "there") == tree(tmp_path / "new")


@pytest.mark.parametrize("is_there", [True, False], ids=["folder", "nothing"])
def test_a_link_is_followed_and_stays(output, tmp_path, is_there):
    if is_there:
        (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    export_set(output, tmp_path / "link", "imagefolder", jobs=1)
    assert (tmp_path / "link").is_symlink()
    assert len(tree(tmp_path / "disk")) == 241
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disk", "link"]


def test_a_link_that_leads_nowhere_is_an_error(output, tmp_path):
    (tmp_path / "link").symlink_to("link")
    with pytest.raises((SetError, OutputError)):
        export_set(output, tmp_path / "link", "imagefolder", jobs=1)


def test_nothing_is_exported_into_a_set_or_among_the_images(output, tmp_path, monkeypatch):
    out = Path(shutil.copytree(output, tmp_path / "out"))
    images = output.parent / "images"
    before = tree(tmp_path), tree(output.parent)
    for folder, place in (
        (out, "just"),
        (out / "data/new", "in"),
        (tmp_path, "a folder above"),
        (images, "just"),
        (images / "class-9", "in"),
        (output.parent, "a folder above"),
    ):
        with pytest.raises(UsageError, match=rf"FOLDER must lie apart from the .*, but {folder} is {place} /"):
            export_set(out, folder, "imagefolder", jobs=1)
    with pytest.raises(UsageError, match=r"FOLDER must lie outside of any set, but .*/new lies in that of"):
        export_set(out, output / "data/new", "imagefolder", jobs=1)
    monkeypatch.chdir(out)
    for folder in (".", "..", "data/.."):
        result = CliRunner().invoke(main, ["export", ".", folder, "--format", "imagefolder"])
        assert result.exit_code == 2
        assert "FOLDER must lie apart from the set OUT" in result.stderr
    assert (tree(tmp_path), tree(output.parent)) == before


def test_a_folder_that_another_process_fills_is_left_to_it(output, tmp_path):
    (tmp_path / "there").mkdir()
    for name in ("there", "new"):
        with new_folder(tmp_path / name) as made:
            (made / "half").write_bytes(b"half")
            with pytest.raises(OutputError, match="is being filled by another process"):
                export_set(output, tmp_path / name, "imagefolder", jobs=1)
        assert list(tree(tmp_path / name)) == ["half"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "there"]


def test_what_a_killed_export_left_goes_with_the_next_one(output, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / ".new.v2.12-34.cutmix-gen.tmp").mkdir()  # of another folder
    for folder in (tmp_path, tmp_path / "there"):
        name = "new" if folder == tmp_path else "there"
        (folder / f".{name}.12-34.cutmix-gen.tmp/train").mkdir(parents=True)
        (folder / f".{name}.one.cutmix-gen.tmp").touch()
        export_set(output, tmp_path / name, "imagefolder", jobs=1)
        assert len(tree(tmp_path / name)) == 241
    assert sorted(path.name for path in tmp_path.iterdir()) == [".new.v2.12-34.cutmix-gen.tmp", "new", "there"]


def test_the_command_says_what_it_wrote(output, tmp_path):
    result = CliRunner().invoke(main, ["export", str(output), str(tmp_path / "new"), "--format", "imagefolder"])
    assert result.output == f"Wrote 240 samples to {tmp_path / 'new'} as imagefolder.\n"
