from __future__ import annotations

import os
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cutmix_gen import GenerateConfig, generate
from cutmix_gen.dataset import ledger
from cutmix_gen.dataset.deletion import delete_set
from cutmix_gen.dataset.describe import describe
from cutmix_gen.dataset.ledger import Ledger
from cutmix_gen.dataset.manifest import Manifest
from cutmix_gen.dataset.records import ShardHead, ShardRecord, Skip
from cutmix_gen.dataset.sidecars import write_sidecars
from cutmix_gen.errors import SetError
from cutmix_gen.storage import sha256
from tests.sets import make_folder

RECORD = ShardRecord(
    shard=0,
    file="",
    run=1,
    kind="cutmix",
    copy=2,
    samples=3,
    bytes=5,
    sha256="0" * 64,
    class_weight=[1.25, 1.75],
    lam_histogram=[0] * 20,
    strategies={"cutmix": 2, "multi": 1},
    converted=1,
    skipped=[Skip("cat/ü.jpg", "OSError: broken"), Skip("cat/2.jpg", "alone", unreadable=False)],
)
NOW = 1_700_000_000


@pytest.fixture
def manifest(tmp_path, monkeypatch):
    monkeypatch.setattr(ledger, "WORTH_IT", 1)
    monkeypatch.setattr(ledger, "_GROUP", 3)
    return Manifest(tmp_path)


def commit(manifest: Manifest, shard: int, record: ShardRecord = RECORD, changed: int = NOW) -> ShardRecord:
    """Write a shard and its record, an hour before any copy of the records."""
    record = replace(record, shard=shard, file=f"data/train-{shard:06d}.parquet")
    (manifest.root / "data").mkdir(exist_ok=True)
    (manifest.root / record.file).write_bytes(b"x" * record.bytes)
    manifest.commit(record)
    os.utime(manifest.record_path(shard), (changed, changed))
    return record


@pytest.fixture
def records(manifest):
    """Return eight records, of which there is a copy; from now on no file of them may be opened."""
    made = [commit(manifest, shard) for shard in (11, 2, 0, 5, 3, 1_000_000, 7, 8)]
    Ledger(manifest).compact()
    return sorted(made, key=lambda record: record.shard)


@pytest.fixture
def opened(monkeypatch):
    """Return the numbers of the records whose files are read."""
    numbers = []

    def noting(read):
        def noted(self, shard):
            numbers.append(shard)
            return read(self, shard)

        return noted

    for name in ("read_record", "head"):
        monkeypatch.setattr(Manifest, name, noting(getattr(Manifest, name)))
    return numbers


def test_records_come_from_the_copy_as_they_were_written(manifest, records, opened):
    assert list(Ledger(manifest).records()) == records
    assert list(Ledger(manifest).valid()) == records
    assert list(Ledger(manifest).heads()) == [manifest_head(record) for record in records]
    assert opened == []


def manifest_head(record):
    return ShardHead(*(getattr(record, name) for name in ShardHead._fields))


def test_heads_are_read_beside_the_copy_too(manifest, records, opened):
    new = commit(manifest, 9)
    heads = list(Ledger(manifest).heads())
    assert heads == sorted(map(manifest_head, [*records, new]))
    assert opened == [9]


def test_a_head_without_its_shard_or_of_another_size_is_none(manifest, records):
    (manifest.root / records[0].file).unlink()
    (manifest.root / records[1].file).write_bytes(b"longer than it was")
    assert list(Ledger(manifest).heads()) == list(map(manifest_head, records[2:]))


@pytest.mark.parametrize("file", ["data/../outside", "../outside", "outside", "data/data/outside"])
def test_a_copy_from_others_names_no_file_elsewhere(manifest, records, file):
    for place in (manifest.root / "outside", manifest.root.parent / "outside"):
        place.write_bytes(b"x" * RECORD.bytes)
    forge(manifest, "file", [file] * len(records))
    check_the_records_count(manifest, records)
    write_sidecars(manifest)
    assert file not in (manifest.root / "shards.json").read_text()


def check_the_records_count(manifest, records):
    """Check that a copy is not believed, and that it is told."""
    assert list(Ledger(manifest).records()) == list(Ledger(manifest).valid()) == records
    assert list(Ledger(manifest).heads()) == [manifest_head(record) for record in records]
    assert Ledger(manifest).copy_problem()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *[("samples", value) for value in ("3", -1, 1 << 60, 2.5)],
        *[("bytes", value) for value in ([5], None)],
        *[("kind", value) for value in (7, None)],
        *[("strategies", value) for value in ("[]", "{", '{"cutmix": -1}', '{"cutmix": "1"}')],
        *[("skipped", value) for value in ("7", "[7]", '[{"path": 1, "reason": ""}]', '[{"path": ""}]')],
        *[("lam_histogram", value) for value in ([0] * 19, [-1] * 20, [0.5] * 20, [])],
        *[("class_weight", value) for value in ([float("nan")], [-1.0], "1")],
        *[("sha256", value) for value in ("", "0" * 63, "../" * 20 + "abcd", "A" * 64, None, 7)],
        *[("strategies", value) for value in ("[" * 99_999, '{"a":' * 40 + "1" + "}" * 40, "1" * 9999, "1e400", "NaN")],
        *[("skipped", value) for value in ("[[" * 50 + "]]" * 50, '[{"path": "\\ud800", "reason": "x"}]', "\x00")],
        *[("shard", value) for value in (5, "5", None, -1, [5])],
        *[("record_bytes", value) for value in ("5", None, -1, {"a": 1})],
    ],
)
def test_a_copy_with_a_value_that_no_record_has_is_not_believed(manifest, records, column, value):
    table = pq.read_table(manifest.ledger_path)
    place = table.column_names.index(column)
    write_copy(manifest, table.set_column(place, column, pa.array([value] * len(records))))
    check_the_records_count(manifest, records)


@pytest.mark.parametrize("column", ["shard", "samples", "file"])
def test_a_copy_with_nothing_in_a_field_is_not_believed(manifest, records, column):
    forge(manifest, column, [None] * len(records), only_first=True)
    check_the_records_count(manifest, records)


@pytest.mark.parametrize("column", ["run", "copy", "samples", "class_weight", "kind"])
def test_a_copy_that_says_what_no_record_says_is_found_out(manifest, records, column):
    assert Ledger(manifest).copy_problem() == ""
    first = pq.read_table(manifest.ledger_path)[column].to_pylist()[0]
    other = {int: lambda: first + 1, str: lambda: "original", list: lambda: [first[0] + 1, *first[1:]]}[type(first)]()
    forge(manifest, column, [other] * len(records), only_first=True)
    assert Ledger(manifest).copy_problem() == "it says of shard 0 what its record does not say"


def test_a_copy_that_claims_more_rows_than_there_are_records_takes_no_memory(manifest, records, monkeypatch):
    monkeypatch.setattr(ledger, "WORTH_IT", 20)
    many = pa.concat_tables([pq.read_table(manifest.ledger_path)] * 10)
    write_copy(manifest, many)
    assert Ledger(manifest)._copied_in(manifest.ledger_path) == set()
    monkeypatch.setattr(ledger, "WORTH_IT", 1000)
    monkeypatch.setattr(ledger, "_BELIEVED_ROWS", 7)
    check_the_records_count(manifest, records)


def test_a_column_that_claims_more_memory_than_records_of_their_size_is_not_read(manifest, records, monkeypatch):
    monkeypatch.setattr(ledger, "_ANYWAY", 0)
    forge(manifest, "skipped", [" " * 1_000_000 + "[]"] * len(records))
    check_the_records_count(manifest, records)


def test_a_pipe_in_the_place_of_the_copy_or_its_seal_waits_for_nobody(manifest, records):
    for path in (manifest.ledger_path.with_name("records.parquet.sha256"), manifest.ledger_path):
        path.unlink()
        os.mkfifo(path)
        assert list(Ledger(manifest).records()) == records


def forge(manifest, column, values, *, only_first=False):
    """Put other values into the copy, and a seal that fits; of several only the first."""
    table = pq.read_table(manifest.ledger_path)
    if only_first:
        values = [*values[:1], *table[column].to_pylist()[1:]]
    place = table.column_names.index(column)
    write_copy(manifest, table.set_column(place, column, pa.array(values, table.schema.field(place).type)))


def write_copy(manifest, table):
    """Write a copy of the records, and a seal that fits."""
    path = manifest.ledger_path
    pq.write_table(table, path)
    path.with_name(f"{path.name}.sha256").write_text(sha256(path))


def test_the_files_of_the_records_stay(manifest, records):
    assert [manifest.read_record(record.shard) for record in records] == records


@pytest.mark.usefixtures("records")
def test_a_record_that_is_not_copied_yet_is_read_beside_in_its_place(manifest, opened):
    new = commit(manifest, 4)
    assert [record.shard for record in Ledger(manifest).records()] == [0, 2, 3, 4, 5, 7, 8, 11, 1_000_000]
    assert new in list(Ledger(manifest).valid())
    assert opened == [4, 4]


def test_a_record_that_is_gone_counts_as_gone(manifest, records, opened):
    manifest.record_path(5).unlink()
    assert list(Ledger(manifest).records()) == [record for record in records if record.shard != 5]
    assert opened == []


@pytest.mark.usefixtures("records")
@pytest.mark.parametrize(("bytes_", "changed"), [(5, NOW * 2), (55, NOW)])
def test_a_record_that_was_written_again_is_read(manifest, opened, bytes_, changed):
    again = commit(manifest, 5, replace(RECORD, bytes=bytes_, samples=2), changed)
    assert again in list(Ledger(manifest).records())
    assert opened == [5]


def test_a_record_without_its_shard_is_not_valid(manifest, records):
    (manifest.root / records[2].file).unlink()
    (manifest.root / records[3].file).write_bytes(b"short")
    (manifest.root / records[4].file).write_bytes(b"longer than it was")
    assert list(Ledger(manifest).valid()) == [records[number] for number in (0, 1, 3, 5, 6, 7)]
    assert list(Ledger(manifest).records()) == records


@pytest.mark.usefixtures("records")
def test_a_damaged_record_is_an_error_in_all_and_left_out_of_the_valid(manifest):
    manifest.record_path(5).write_bytes(b"{")
    assert [record.shard for record in Ledger(manifest).valid()] == [0, 2, 3, 7, 8, 11, 1_000_000]
    with pytest.raises(SetError, match=r"000005\.json"):
        list(Ledger(manifest).records())


@pytest.mark.parametrize("place", [0.02, 0.2, 0.5, 0.7, 0.98])
def test_a_damaged_copy_costs_time_and_nothing_else(manifest, records, place):
    content = bytearray(manifest.ledger_path.read_bytes())
    content[int(place * len(content))] ^= 0xFF
    manifest.ledger_path.write_bytes(content)
    assert list(Ledger(manifest).records()) == records


@pytest.mark.parametrize("name", ["records.parquet", "records.parquet.sha256"])
def test_a_copy_that_is_not_whole_costs_time_and_nothing_else(manifest, records, caplog, name):
    (manifest.ledger_path.parent / name).write_bytes(b"")
    assert list(Ledger(manifest).records()) == records
    assert "records.parquet is damaged (" in caplog.text
    assert "; the commit records are read one by one" in caplog.text


@pytest.mark.usefixtures("records")
def test_the_copy_is_made_anew_when_it_lacks_enough(manifest, opened, monkeypatch):
    monkeypatch.setattr(ledger, "WORTH_IT", 2)
    before = manifest.ledger_path.read_bytes()
    commit(manifest, 4)
    Ledger(manifest).compact()
    assert manifest.ledger_path.read_bytes() == before
    commit(manifest, 6)
    Ledger(manifest).compact()
    opened.clear()
    assert len(list(Ledger(manifest).records())) == 10
    assert opened == []


def test_a_folder_without_records_has_none_and_no_copy(manifest):
    Ledger(manifest).compact()
    assert list(Ledger(manifest).records()) == []
    assert not manifest.ledger_path.exists()


def test_a_set_says_the_same_of_itself_with_and_without_the_copy(tmp_path, monkeypatch):
    config = GenerateConfig(
        source=make_folder(tmp_path / "src"), output=tmp_path / "out", shard_size=10, backend="serial", copies=2
    )
    report = generate(config)
    plain = describe(tmp_path / "out")
    monkeypatch.setattr(ledger, "WORTH_IT", 1)
    again = generate(config)
    assert (tmp_path / "out/.cutmix_gen/records.parquet").is_file()
    assert describe(tmp_path / "out") == plain
    assert (again.samples, again.shards, again.new_shards) == (report.samples, report.shards, 0)
    delete_set(Manifest(tmp_path / "out"))
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []
