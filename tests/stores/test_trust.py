"""Sets of others in a real store: what they say decides neither where files lie nor where anything connects."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.sets import finish, reseal, start, tree
from tests.stores.conftest import OPTIONS
from tests.stores.proxy import Proxy

pytestmark = [
    pytest.mark.stores,
    # What the client library of the tests warns of in its own code is not for this program to mend.
    pytest.mark.filterwarnings("default"),
]

KEY = "0001-001-000000003"


@pytest.fixture(scope="module")
def made(folder, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("made") / "out"
    finish(start("generate", folder, output, *OPTIONS), 0)
    return output


@pytest.fixture
def scratch(tmp_path, monkeypatch) -> Path:
    """Return the temporary folder of this test alone."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def put(store, made: Path, copy: Path, record: dict | None = None, run: dict | None = None) -> None:
    """Put a copy of a set where the store has its set, with other facts in its files."""
    shutil.copytree(made, copy)
    for path in (copy / ".cutmix_gen/shards").iterdir():
        reseal(path, **(record or {}))
    reseal(copy / ".cutmix_gen/runs/0001.json", **(run or {}))
    bucket, _, prefix = store.output.removeprefix("s3://").partition("/")
    for path in copy.rglob("*"):
        if path.is_file():
            key = f"{prefix}/{path.relative_to(copy).as_posix()}"
            store.client.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())


def test_no_file_lies_where_a_record_says(store, made, folder, scratch, tmp_path):
    planted = tmp_path / "planted"
    digest = f"{planted}/x"
    planted.mkdir()
    put(store, made, tmp_path / "copy", {"sha256": digest}, {"fingerprint": digest, "index_sha256": digest})
    for command in (
        ("replay", store.output, KEY, "--source", folder),
        ("grid", store.output, "-o", tmp_path / "x.png"),
    ):
        finish(start(*command), 1)
    finish(start("verify", store.output), 3)
    assert list(planted.iterdir()) == []
    assert tree(scratch) == {}


def test_a_set_is_read_from_what_was_fetched_once(store, made, folder, scratch, tmp_path):
    put(store, made, tmp_path / "copy")
    for _ in range(2):
        finish(start("replay", store.output, KEY, "--source", folder), 0)
    fetched = [request.path for request in store.proxy.requests if request.method == "GET"]
    assert len([path for path in fetched if "/data/" in path and "train-" in path]) == 1
    kept = tree(scratch)
    assert kept
    assert all(Path(name).name == digest for name, digest in kept.items())
    digests = [json.loads(path.read_text())["sha256"] for path in (made / ".cutmix_gen/shards").iterdir()]
    assert set(kept.values()) & set(digests)


def test_nothing_connects_to_a_server_that_the_set_alone_names(store, server, made, folder, tmp_path):
    theirs = Proxy(server.port)
    try:
        source = f"{store.source}?scheme=http&endpoint_override={theirs.address}"
        put(store, made, tmp_path / "copy", run={"source": source})
        reseal(made / ".cutmix_gen/runs/0001.json", source=source)  # a set of this machine, from them
        for output in (store.output, made):
            said = finish(start("replay", output, KEY), 2) + finish(start("verify", output, "--replay", "3"), 2)
            assert said.count(f"--source '{source}'") == 2
        assert theirs.requests == []
        finish(start("replay", made, KEY, "--source", source), 0)
        assert theirs.requests
    finally:
        theirs.close()
        reseal(made / ".cutmix_gen/runs/0001.json", source=str(folder))


def test_a_set_whose_sources_are_in_its_own_bucket_needs_no_word_on_them(store):
    bucket = store.source.rpartition("/")[0]
    finish(start("generate", store.source, f"{bucket}/sets/one", *OPTIONS), 0)
    finish(start("replay", f"{bucket}/sets/one", KEY), 0)
    finish(start("verify", f"{bucket}/sets/one", "--replay", "3", "-j", "1"), 0)
