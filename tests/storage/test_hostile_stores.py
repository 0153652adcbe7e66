"""Sets in stores, made by others: they decide neither where a file of this machine lies nor what it holds."""

from __future__ import annotations

import json
import os
import shutil
import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutmix_gen import GenerateConfig, generate, open_dataset
from cutmix_gen.checking import Replays, verify
from cutmix_gen.checking.replay import replay
from cutmix_gen.errors import CutMixGenError, SetError, StorageError, UsageError
from cutmix_gen.storage import cached, checked_digest, checked_name, local_copy, parse_place, put_bytes, sha256
from cutmix_gen.storage import scratch as kept_files
from cutmix_gen.storage.scratch import scratch
from tests.buckets import Buckets
from tests.sets import make_folder, reseal, tree

RECORD, RUN = ".cutmix_gen/shards/000000.json", ".cutmix_gen/runs/0001.json"
KEY = "0001-001-000000003"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return make_folder(tmp_path_factory.mktemp("source") / "images", per_class=8, size=(16, 12))


@pytest.fixture(scope="module")
def made(folder, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("made") / "out"
    generate(GenerateConfig(source=folder, output=output, backend="serial", shard_size=8))
    return output


@pytest.fixture
def temporary(tmp_path, monkeypatch) -> Path:
    """Return the temporary folder of this test alone."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def buckets(tmp_path, monkeypatch, temporary) -> Buckets:
    assert tempfile.gettempdir() == str(temporary)
    return Buckets(tmp_path / "stores", monkeypatch)


def put(made: Path, bucket: Path, record: dict | None = None, run: dict | None = None) -> None:
    """Put a copy of a set in a bucket, with other facts in its files."""
    shutil.copytree(made, bucket)
    for name, changes in ((RECORD, record), (RUN, run)):
        if changes:
            reseal(bucket / name, **changes)


FORGED = ["../../../planted", "/{}/planted", "..", ".", "", "x" * 64, "A" * 64, "0" * 63, "0" * 65, "0" * 63 + "\n"]


@pytest.mark.parametrize("digest", FORGED)
def test_no_name_on_this_machine_is_made_of_a_digest_in_a_record(made, buckets, tmp_path, digest):
    put(made, buckets / "bad/set", record={"sha256": digest.format(tmp_path)})
    before = places(tmp_path)
    with pytest.raises(SetError):
        open_dataset("s3://bad/set")[0]
    assert places(tmp_path) == before


@pytest.mark.parametrize("digest", FORGED)
def test_no_name_on_this_machine_is_made_of_what_a_run_says(made, buckets, tmp_path, digest, folder):
    digest = digest.format(tmp_path)
    put(made, buckets / "bad/set", run={"fingerprint": digest, "index_sha256": digest})
    before = places(tmp_path)
    with pytest.raises(CutMixGenError):
        replay("s3://bad/set", KEY, folder)
    assert places(tmp_path) == before


def places(root: Path) -> set[str]:
    """Return all files below a folder but those that are kept by their SHA-256."""
    return {name for name, digest in tree(root).items() if Path(name).name != digest}


def test_a_set_that_claims_the_digest_of_another_one_changes_nothing_for_that_ones_reader(made, buckets, folder):
    put(made, buckets / "good/set")
    digest = json.loads((made / RECORD).read_text())["sha256"]
    put(made, buckets / "bad/set")
    file = buckets / "bad/set/data/train-000000.parquet"
    file.write_bytes(file.read_bytes()[::-1])
    with pytest.raises(SetError, match=rf"s3://bad/set/data/train-000000.parquet was changed or damaged: .*{digest}"):
        open_dataset("s3://bad/set")[0]
    assert open_dataset("s3://good/set").row(0).image == open_dataset(made).row(0).image
    assert replay("s3://good/set", KEY, folder).same


def test_an_index_that_claims_the_digest_of_another_one_is_not_kept(made, buckets, folder):
    put(made, buckets / "good/set")
    put(made, buckets / "bad/set")
    index = buckets / "bad/set/.cutmix_gen/runs/0001.arrow"
    index.write_bytes(index.read_bytes().replace(b"class-0", b"class-1"))
    with pytest.raises(SetError, match=r"runs/0001.arrow was changed or damaged"):
        replay("s3://bad/set", KEY, folder)
    assert replay("s3://good/set", KEY, folder).same


def test_what_is_kept_is_fetched_once_and_believed_only_with_its_content(buckets):
    where, content = parse_place("s3://bucket/shard"), b"content" * 1000
    put_bytes(where, content)
    digest = sha256(buckets / "bucket/shard")
    path = cached(where, digest)
    (buckets / "bucket/shard").unlink()
    assert cached(where, digest) == path
    assert path.read_bytes() == content
    kept_files._known.clear()  # as in another process
    assert cached(where, digest).read_bytes() == content
    path.write_bytes(content[::-1])  # somebody has changed it meanwhile
    with pytest.raises(FileNotFoundError):
        cached(where, digest)
    put_bytes(where, content)
    assert cached(where, digest).read_bytes() == content


@pytest.mark.usefixtures("buckets")
def test_files_on_their_way_have_no_name_of_a_store():
    place = parse_place("s3://bucket/" + "x" * 300)
    with pytest.raises(OSError, match="too long"):  # the file system of the bucket takes no such name
        put_bytes(place, b"content")
    put_bytes(parse_place("s3://bucket/strange name"), b"content")
    with local_copy(parse_place("s3://bucket/strange name")) as copy:
        assert copy.read_bytes() == b"content"
        assert "strange" not in copy.name


@pytest.mark.usefixtures("buckets")
@pytest.mark.parametrize("kind", ["link", "open", "file", "dangling"])
def test_a_temporary_folder_that_is_not_this_users_alone_is_refused(temporary, tmp_path, kind):
    folder = temporary / f"cutmix-gen-{os.getuid()}"
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    if kind == "open":
        folder.mkdir()
        folder.chmod(0o777)
    elif kind == "file":
        folder.write_bytes(b"")
    else:
        folder.symlink_to(tmp_path / ("elsewhere" if kind == "link" else "nowhere"))
    with pytest.raises(StorageError, match=r"must be a folder that is yours alone.*TMPDIR="):
        put_bytes(parse_place("s3://bucket/x"), b"content")
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.usefixtures("temporary")
def test_the_temporary_folder_is_closed_to_others():
    assert stat.S_IMODE(scratch().stat().st_mode) == 0o700


@given(value=st.one_of(st.text(), st.none(), st.integers(), st.from_regex(r"[./a-z]{1,6}", fullmatch=True)))
def test_a_checked_name_stays_in_its_folder(value):
    try:
        name = checked_name(value)
    except SetError:
        return
    assert name == value
    assert Path("/folder", name).parent == Path("/folder")
    assert os.path.normpath(f"/folder/{name}") == f"/folder/{name}"
    assert not name.startswith(".")
    assert len(os.fsencode(name)) <= 255


@given(value=st.one_of(st.text(), st.none(), st.integers(), st.text("0123456789abcdef", min_size=62, max_size=66)))
def test_a_checked_digest_has_64_hexadecimal_digits(value):
    try:
        digest = checked_digest(value)
    except SetError:
        return
    assert len(digest) == 64
    assert set(digest) <= set("0123456789abcdef")


ELSEWHERE = [
    "s3://other/images",
    "s3://bad/images?endpoint_override=evil.example:9000&scheme=http",
    "gs://bad/images",
    "fsspec+file:///etc",
    "s3://me:secret@other/images",
]
"""Places that a set in the bucket `bad`, or on this machine, may name, and that nobody has asked for."""


@pytest.mark.parametrize("source", ELSEWHERE)
@pytest.mark.parametrize("output", ["local", "s3://bad/set"])
def test_no_store_is_opened_that_the_set_alone_names(made, buckets, tmp_path, source, output):
    put(made, tmp_path / "local", run={"source": source})
    put(made, buckets / "bad/set", run={"source": source})
    place = parse_place(tmp_path / "local" if output == "local" else output)
    for work in (lambda: replay(place, KEY), lambda: verify(place, replays=Replays(3), jobs=1)):
        with pytest.raises(UsageError, match=r"--source '?(?!.*secret)"):
            work()
    assert {uri.partition("?")[0].rstrip("/") for uri in buckets.opened} <= {"s3://bad"}
    assert not any("evil" in uri for uri in buckets.opened)


def test_sources_in_the_bucket_of_the_set_are_found_as_the_set_is(made, buckets, folder):
    put(made, buckets / "mine/set", run={"source": "s3://mine/images?endpoint_override=here:9000"})
    shutil.copytree(folder, buckets / "mine/images")
    assert replay("s3://me:word@mine/set?endpoint_override=here:9000", KEY).same
    assert all(uri.startswith("s3://me:word@mine") for uri in buckets.opened)


def test_sources_that_the_user_names_are_found_in_any_store(made, buckets, folder):
    put(made, buckets / "mine/set", run={"source": "s3://gone/images"})
    shutil.copytree(folder, buckets / "theirs/images")
    assert replay("s3://mine/set", KEY, "s3://theirs/images").same
    again = verify(parse_place("s3://mine/set"), replays=Replays(2, source=parse_place("s3://theirs/images")), jobs=1)
    assert again.ok
    assert again.replayed == 2


def test_a_run_is_made_with_the_credentials_that_its_source_is_given_with(buckets, folder):
    shutil.copytree(folder, buckets / "images/train")
    output = parse_place("s3://other:hunter3@sets/out")
    generate(GenerateConfig(source="s3://me:hunter2@images/train", output=output, backend="serial", shard_size=8))
    assert {uri for uri in buckets.opened if "images" in uri} == {"s3://me:hunter2@images"}
    assert not any(b"hunter" in path.read_bytes() for path in (buckets / "sets").rglob("*") if path.is_file())
