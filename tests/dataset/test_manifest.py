from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from cutmix_gen.dataset.deletion import delete_set
from cutmix_gen.dataset.info import FORMAT_VERSION, RunInfo, SetInfo
from cutmix_gen.dataset.layout import FOLDERS
from cutmix_gen.dataset.ledger import Ledger
from cutmix_gen.dataset.manifest import Manifest
from cutmix_gen.dataset.records import LAM_BINS, ShardRecord, Skip
from cutmix_gen.errors import SetError
from cutmix_gen.shards.rows import RowSchema
from tests.sets import reseal

SET = SetInfo(
    format_version=FORMAT_VERSION,
    shard_format="parquet",
    classes=("cat", 'd"o:g\n', "猫😀", r"\xff"),
    mode="RGB",
    image_format="jpeg",
    dense_labels=True,
    sources=2,
)

RUN = RunInfo(
    number=1,
    config={
        "copies": 1.0,
        "strategy": ["cutmix"],
        "split": "train",
        "codec": "pillow",
        "mode": "RGB",
        "image_format": "jpeg",
        "dense_labels": "always",
        "num_samples": None,
    },
    digest="d" * 64,
    source="/data/猫",
    fingerprint="f" * 64,
    num_images=100,
    class_counts=[3, 7],
    part_images=400,
    source_state="state",
    first_shard=0,
    shards=4,
    samples=200,
    passed_over={"hidden": 3},
    versions={"numpy": "2.4.0"},
    index_sha256="b" * 64,
)


def record_of(shard, run=1, size=7, **changes):
    return replace(
        ShardRecord(
            shard=shard,
            file=f"data/train-{shard:06d}.parquet",
            run=run,
            kind="cutmix",
            copy=2,
            samples=10,
            bytes=size,
            sha256="a" * 64,
            class_weight=[4.5, 5.5, 0.0, 0.0],
            lam_histogram=[1] * LAM_BINS,
            strategies={"cutmix": 10},
            converted=1,
            skipped=[Skip("cat/ü.jpg", "OSError: broken")],
        ),
        **changes,
    )


@pytest.fixture
def manifest(tmp_path):
    manifest = Manifest(tmp_path / "out")
    manifest.write_set(SET)
    return manifest


def commit(manifest, record):
    """Commit a record together with its shard."""
    path = manifest.root / record.file
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x" * record.bytes)
    manifest.commit(record)


def home(manifest):
    return manifest.root / ".cutmix_gen"


def files_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_set_is_read_as_it_was_written(manifest):
    assert manifest.exists()
    assert manifest.read_set() == SET


def test_a_run_is_read_as_it_was_written(manifest):
    assert manifest.add_run(RUN)
    assert manifest.read_run(1) == RUN
    assert manifest.runs() == [RUN]


@pytest.mark.parametrize("skipped", [[], [Skip("cat/1.jpg", "broken"), Skip(r"d\xff/2.jpg", 'a "reason"')]])
def test_a_record_is_read_as_it_was_written(manifest, skipped):
    record = record_of(12, skipped=skipped)
    commit(manifest, record)
    assert manifest.read_record(12) == record
    assert manifest.record(12) == record
    assert list(Ledger(manifest).records()) == [record]


def test_files_lie_where_the_design_says(manifest):
    manifest.add_run(RUN)
    commit(manifest, record_of(12))
    assert manifest.index_path(1) == home(manifest) / "runs" / "0001.arrow"
    assert files_in(manifest.root) == [
        ".cutmix_gen/dataset.json",
        ".cutmix_gen/runs/0001.json",
        ".cutmix_gen/shards/000012.json",
        "data/train-000012.parquet",
    ]


def test_a_record_holds_the_fields_of_the_design(manifest):
    commit(manifest, record_of(12))
    facts = json.loads(manifest.record_path(12).read_text())
    design = "shard file run kind copy samples bytes sha256 class_weight lam_histogram skipped"
    assert set(design.split()) <= facts.keys()
    assert facts["skipped"] == [{"path": "cat/ü.jpg", "reason": "OSError: broken", "unreadable": True}]


@pytest.mark.parametrize(("image_format", "extension"), [("jpeg", "jpg"), ("png", "png"), ("webp", "webp")])
def test_a_set_tells_the_schema_of_its_rows(image_format, extension):
    info = replace(SET, image_format=image_format, sources=3, dense_labels=False)
    assert info.schema == RowSchema(SET.classes, 3, False, extension)


def test_the_first_of_two_runs_of_a_number_stays(manifest):
    assert manifest.add_run(RUN)
    assert not manifest.add_run(replace(RUN, digest="other"))
    assert manifest.runs() == [RUN]


def test_runs_come_in_their_order(manifest):
    for number in (2, 1, 11, 9999, 10000):
        manifest.add_run(replace(RUN, number=number))
    assert [run.number for run in manifest.runs()] == [1, 2, 11, 9999, 10000]


def test_records_come_in_the_order_of_the_shards(manifest):
    for shard in (10, 2, 0, 999_999, 1_000_000):
        commit(manifest, record_of(shard))
    assert [record.shard for record in Ledger(manifest).records()] == [0, 2, 10, 999_999, 1_000_000]


def test_a_folder_without_a_set_is_refused_with_what_is_missing(tmp_path):
    manifest = Manifest(tmp_path)
    assert not manifest.exists()
    with pytest.raises(SetError, match=r"must be a set made by `cutmix-gen generate`.*dataset\.json"):
        manifest.read_set()
    assert list(Ledger(manifest).records()) == []
    assert manifest.runs() == []


def test_a_newer_format_version_is_refused_with_the_remedy(manifest):
    reseal(home(manifest) / "dataset.json", format_version=FORMAT_VERSION + 1, something="new")
    with pytest.raises(SetError, match=rf"format version {FORMAT_VERSION + 1}.*reads {FORMAT_VERSION}.*newer"):
        manifest.read_set()


BROKEN = [b"", b"{", b"\xff\xfe", b"null", b"[1, 2]", b'"text"', b"{}", b'{"unknown": 1}']


@pytest.mark.parametrize("content", BROKEN)
def test_a_damaged_set_file_is_an_error_that_names_it(manifest, content):
    (home(manifest) / "dataset.json").write_bytes(content)
    with pytest.raises(SetError, match=r"dataset\.json"):
        manifest.read_set()


@pytest.mark.parametrize("content", BROKEN)
def test_a_damaged_run_file_is_an_error_that_names_it(manifest, content):
    manifest.add_run(RUN)
    (home(manifest) / "runs" / "0001.json").write_bytes(content)
    with pytest.raises(SetError, match=r"0001\.json"):
        manifest.read_run(1)
    with pytest.raises(SetError, match=r"0001\.json"):
        manifest.runs()


@pytest.mark.parametrize("content", BROKEN)
def test_a_damaged_record_is_an_error_that_names_it_and_counts_as_none(manifest, content):
    commit(manifest, record_of(12))
    manifest.record_path(12).write_bytes(content)
    with pytest.raises(SetError, match=r"000012\.json"):
        manifest.read_record(12)
    with pytest.raises(SetError, match=r"000012\.json"):
        list(Ledger(manifest).records())
    assert manifest.record(12) is None


@pytest.mark.parametrize("skipped", [[1], [{"path": "x"}], [{"path": "x", "reason": "y", "more": 1}], 5, None])
def test_damaged_skips_are_an_error_that_names_the_record(manifest, skipped):
    commit(manifest, record_of(12))
    reseal(manifest.record_path(12), skipped=skipped)
    with pytest.raises(SetError, match=r"000012\.json"):
        manifest.read_record(12)


@pytest.mark.parametrize("classes", [None, 5])
def test_damaged_classes_are_an_error_that_names_the_file(manifest, classes):
    reseal(home(manifest) / "dataset.json", classes=classes)
    with pytest.raises(SetError, match=r"dataset\.json"):
        manifest.read_set()


def test_a_record_without_its_file_is_not_valid(manifest):
    record = record_of(12)
    commit(manifest, record)
    (manifest.root / record.file).unlink()
    assert manifest.record(12) is None
    assert list(Ledger(manifest).records()) == [record]


@pytest.mark.parametrize("size", [0, 6, 8])
def test_a_record_whose_file_has_another_size_is_not_valid(manifest, size):
    record = record_of(12)
    commit(manifest, record)
    (manifest.root / record.file).write_bytes(b"x" * size)
    assert manifest.record(12) is None


def test_there_is_no_record_of_a_shard_that_was_not_made(manifest):
    assert manifest.record(3) is None
    with pytest.raises(FileNotFoundError):
        manifest.read_record(3)


@pytest.mark.parametrize(
    "file",
    [
        "../train-000012.parquet",
        "data/../../train-000012.parquet",
        "data/../train-000012.parquet",
        "/etc/train-000012.parquet",
        "train-000012.parquet",
        "data/deeper/train-000012.parquet",
        "data/passwd",
        "data/train-000012.parquet.bak",
        "data/train-12.parquet",
        "data",
        "",
        5,
        None,
    ],
)
def test_a_record_that_names_a_file_that_is_no_shard_is_refused(manifest, file):
    commit(manifest, record_of(12))
    reseal(manifest.record_path(12), file=file)
    with pytest.raises(SetError, match=r"000012\.json"):
        manifest.read_record(12)
    assert manifest.record(12) is None


def test_other_files_among_the_records_are_passed_over(manifest):
    commit(manifest, record_of(12))
    folder = home(manifest) / "shards"
    for name in ("notes.json", "000012.json.bak", ".000013.json.host-1.tmp", "12.json"):
        (folder / name).write_text("{")
    assert [record.shard for record in Ledger(manifest).records()] == [12]


def test_files_that_are_no_shard_of_a_run_are_strays(manifest):
    manifest.add_run(RUN)
    for name in ("train-000003.parquet", "train-000004.parquet", "notes.txt", ".train-000005.parquet.host-1.tmp"):
        (manifest.root / "data").mkdir(exist_ok=True)
        (manifest.root / "data" / name).write_bytes(b"x")
    assert manifest.stray_files() == [manifest.root / "data" / name for name in ("notes.txt", "train-000004.parquet")]


def test_there_are_no_strays_where_there_is_no_data_folder(manifest):
    assert manifest.stray_files() == []


def test_deleting_a_set_leaves_what_others_put_there_and_names_it(manifest, caplog):
    manifest.add_run(RUN)
    manifest.index_path(1).write_bytes(b"index")
    for shard in (0, 1):
        commit(manifest, record_of(shard))
    commit(manifest, record_of(7, run=2, size=20, file="data/test.part-000007.tar"))  # the file of its run is gone
    (manifest.root / "README.md").write_text("card")
    own = files_in(manifest.root)
    theirs = [
        ".cutmix_gen/notes.json",
        ".cutmix_gen/shards/1.json",
        "data/000001.parquet",
        "data/holiday-000001.parquet",
        "data/notes.txt",
        "data/train-000004.parquet",  # one more than the run has
        "data/train-1.parquet",
        "deeper/x-000001.tar",
        "photo.jpg",
    ]
    for name in theirs:
        path = manifest.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    delete_set(manifest)
    assert len(own) == 10
    assert files_in(manifest.root) == sorted(theirs)
    assert not manifest.exists()
    assert "they stay: .cutmix_gen/notes.json, .cutmix_gen/shards/1.json, data/000001.parquet" in caplog.text
    assert "data/holiday-000001.parquet, data/notes.txt and 2 more." in caplog.text


@pytest.mark.parametrize("name", FOLDERS)
def test_nothing_is_deleted_or_written_through_a_linked_folder(manifest, tmp_path, name):
    manifest.add_run(RUN)
    commit(manifest, record_of(0))
    (manifest.root / name).rename(tmp_path / "outside")
    before = files_in(tmp_path)
    (manifest.root / name).symlink_to(tmp_path / "outside")
    with pytest.raises(SetError, match=rf"{name} must be a folder, but it is a link to .*outside"):
        delete_set(manifest)
    assert files_in(tmp_path) == before


def test_a_set_may_lie_in_a_linked_folder(manifest, tmp_path):
    (tmp_path / "link").symlink_to(manifest.root)
    delete_set(Manifest(tmp_path / "link"))
    assert not manifest.exists()


def test_a_deletion_that_was_cut_short_still_shows_a_set(manifest, monkeypatch):
    commit(manifest, record_of(0))
    real = Path.unlink

    def unlink(path, missing_ok=False):
        if path.name == "README.md":
            raise KeyboardInterrupt
        real(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    with pytest.raises(KeyboardInterrupt):
        delete_set(manifest)
    assert manifest.exists()
    assert list(Ledger(manifest).records()) == []
    monkeypatch.undo()
    delete_set(manifest)
    assert not manifest.exists()


def test_records_are_plain_json_of_one_line(manifest):
    commit(manifest, record_of(12))
    text = manifest.record_path(12).read_text()
    assert text.count("\n") == 1
    facts = json.loads(text)
    del facts["seal"]
    assert facts == json.loads(json.dumps(asdict(record_of(12))))


def test_every_flipped_bit_of_a_file_is_found(manifest):
    manifest.add_run(RUN)
    commit(manifest, record_of(12))
    for path, read in (
        (home(manifest) / "dataset.json", manifest.read_set),
        (manifest.run_path(1), lambda: manifest.read_run(1)),
        (manifest.record_path(12), lambda: manifest.read_record(12)),
    ):
        data = path.read_bytes()
        for bit in range(0, 8 * len(data), 29):
            damaged = bytearray(data)
            damaged[bit // 8] ^= 1 << bit % 8
            path.write_bytes(damaged)
            with pytest.raises(SetError, match=path.name):
                read()
            assert path.parent.name != "shards" or (manifest.record(12) is None and not list(Ledger(manifest).heads()))
        path.write_bytes(data)
        read()
