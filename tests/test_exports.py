from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cutmix_gen import GenerateConfig, generate, open_dataset
from cutmix_gen.cli import main
from cutmix_gen.errors import SetError
from cutmix_gen.exporting import export_set
from cutmix_gen.exports import EXPORTS
from cutmix_gen.exports.imagefolder import folder_names
from cutmix_gen.shards import SHARD_FORMATS
from tests.sets import make_folder


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

    monkeypatch.setattr("cutmix_gen.exporting._export_shard", fail)
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
    for folder in (tmp_path / "full", tmp_path / "full/file"):
        with pytest.raises(SetError, match="FOLDER must be"):
            export_set(output, folder, "imagefolder")


def test_the_command_says_what_it_wrote(output, tmp_path):
    result = CliRunner().invoke(main, ["export", str(output), str(tmp_path / "new"), "--format", "imagefolder"])
    assert result.output == f"Wrote 240 samples to {tmp_path / 'new'} as imagefolder.\n"
