"""Sets in an object store: a real S3 server on loopback, behind a proxy that makes trouble."""

from __future__ import annotations

import gc
import json
import signal
import time
from types import SimpleNamespace

import pytest

from cutmix_gen import GenerateConfig, generate
from cutmix_gen.errors import StorageError
from cutmix_gen.storage import objects, parse_place, put_bytes, read_ahead
from cutmix_gen.storage import reading_ahead as ahead
from tests.sets import finish, kill_group, start
from tests.stores.conftest import OPTIONS, SECRETS, SETTINGS, SHARDS, without_place
from tests.stores.proxy import KINDS, Trouble

pytestmark = [
    pytest.mark.stores,
    # What the client library of the tests warns of in its own code is not for this program to mend.
    pytest.mark.filterwarnings("default"),
]


def run(*arguments, code=0):
    """Run a command of the program and return its standard output."""
    process = start(*arguments)
    out, errors = process.communicate(timeout=120)
    assert process.returncode == code, errors
    return out


def test_the_bytes_are_those_of_a_local_run(store, expected):
    store.generate()
    assert without_place(store.tree()) == expected


def test_the_bytes_survive_trouble_of_every_kind(store, expected):
    store.proxy.troubles = [Trouble(kind, every=11 + 4 * number) for number, kind in enumerate(KINDS)]
    store.generate()
    assert without_place(store.tree()) == expected
    assert {trouble.kind for trouble in store.proxy.troubles if trouble.met < 3} == set()


def test_a_run_that_is_killed_goes_on_where_it_was(store, expected):
    process = start("generate", store.source, store.output, *OPTIONS)
    wait_for_records(store, 3)
    kill_group(process, signal.SIGKILL)
    process.communicate()
    assert 0 < store.records() < SHARDS
    assert "README.md" not in store.objects()
    before = {key for key in store.objects() if "/shards/" in key}
    begun = time.monotonic()
    store.generate()
    assert without_place(store.tree()) == expected
    sent = {request.path for request in store.proxy.requests if request.method == "PUT" and request.begun > begun}
    assert not [key for key in before if any(path.endswith(key) for path in sent)], "a record was sent twice"


def test_slices_on_machines_that_share_the_store_alone_make_the_set(store, expected):
    store.generate("--slice", "0/2")
    store.generate("--slice", "1/2")
    assert without_place(store.tree()) == expected


def test_a_record_is_sent_when_its_shard_is_there(store):
    store.generate()
    ended = {request.path: request.ended for request in store.proxy.requests if request.method in ("PUT", "POST")}
    begun = {request.path: request.begun for request in store.proxy.requests if request.method == "PUT"}
    records, found = [path for path in begun if "/shards/" in path], store.objects()
    assert len(records) == SHARDS
    for path in records:
        shard = json.loads(found[path.partition("/sets/one/")[2]])["file"]
        assert ended[f"{path.partition('/.cutmix_gen/')[0]}/{shard}"] < begun[path]


def test_a_failed_upload_leaves_nothing_under_a_final_name(store, expected, monkeypatch):
    store.proxy.troubles = [Trouble("cut upload", "PUT", r"/data/train-000007\.parquet")]
    monkeypatch.setattr(objects, "ATTEMPTS", 1)  # the client library of the store tries it 30 times by itself
    config = GenerateConfig(
        source=parse_place(store.source), output=parse_place(store.output), backend="serial", **SETTINGS
    )
    with pytest.raises(StorageError, match=rf"Could not write {store.output}/data/train-000007.parquet: "):
        generate(config)
    found = store.objects()
    assert "data/train-000007.parquet" not in found
    assert ".cutmix_gen/shards/000007.json" not in found
    assert found.keys() & {f"data/train-00000{number}.parquet" for number in range(3)}
    store.proxy.troubles = []
    store.generate()
    assert without_place(store.tree()) == expected


def test_a_failed_upload_in_parts_leaves_nothing_under_a_final_name(store, monkeypatch):
    store.proxy.troubles = [Trouble("500", "PUT", "partNumber=2")]
    monkeypatch.setattr(objects, "ATTEMPTS", 1)
    with pytest.raises(StorageError, match=r"Could not write .*/shard: .*UploadPart"):
        put_bytes(parse_place(store.output) / "shard", b"x" * (11 << 20))
    store.proxy.troubles = []
    gc.collect()
    assert store.objects() == {}


def test_no_credential_is_written_or_said(store):
    store.proxy.troubles = [Trouble("500", "PUT", r"/data/train-000003\.parquet", times=6)]
    said = finish(start("--debug", "generate", store.source, store.output, *OPTIONS), 0)
    said += run("info", store.output) + run("verify", store.output, "--json")
    for secret in SECRETS.values():
        assert secret not in said
        assert not [key for key, content in store.objects().items() if secret.encode() in content]


def test_a_store_that_refuses_is_an_error_that_names_the_place_and_no_secret(store):
    place = f"s3://SECRETUSER:SECRETWORD@{store.output.removeprefix('s3://')}"
    store.proxy.troubles = [Trouble("403")]
    process = start("generate", store.source, place, *OPTIONS)
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "Traceback" not in errors
    assert store.source in errors or store.output in errors
    assert "SECRET" not in out + errors


def test_a_set_in_a_store_is_looked_at_like_any_other(store):
    store.generate()
    facts = json.loads(run("info", store.output, "--json"))
    assert facts["samples"] == {"original": 120, "synthetic": 240, "total": 360}
    assert json.loads(run("verify", store.output, "--deep", "--json"))["ok"]
    assert run("finalize", store.output)
    key = "data/train-000002.parquet"
    content = store.objects()[key]
    store.client.put_object(Bucket=store.output.split("/")[2], Key=f"sets/one/{key}", Body=content[:-9])
    wrong = json.loads(run("verify", store.output, "--json", code=3))
    assert [problem["shard"] for problem in wrong["problems"]] == [key]


def test_the_place_may_name_its_server_itself(store, expected, monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    query = f"?scheme=http&endpoint_override={store.proxy.address}"
    finish(start("generate", store.source + query, store.output + query, *OPTIONS), 0)
    assert without_place(store.tree()) == expected


def test_reading_goes_on_beside_the_work_and_is_bounded(store):
    place = parse_place(store.source) / "class-0"
    store.proxy.latency, work = 0.05, 0.002
    paths = [f"{number:04d}.jpg" for number in range(40)] * 8
    begun = time.monotonic()
    for content in read_ahead(lambda name: (place / name).read_bytes(), paths, place):
        assert content
        time.sleep(work)
    seconds = time.monotonic() - begun
    assert seconds < len(paths) * 2 * store.proxy.latency / 5, "one after another they take 32 s"
    assert 8 < store.proxy.most_open <= ahead.READERS


def test_pauses_between_attempts_grow(monkeypatch):
    pauses = []
    monkeypatch.setattr(objects, "time", SimpleNamespace(sleep=pauses.append))

    def fails():
        raise OSError("503 SlowDown")

    with pytest.raises(StorageError, match=r"Could not read s3://bucket/card \(6 attempts\): 503 SlowDown"):
        parse_place("s3://bucket/card")._patiently("read", fails)
    assert len(pauses) == objects.ATTEMPTS - 1
    for number, pause in enumerate(pauses):
        assert 0.5 * 2**number <= pause <= 0.75 * 2**number


def test_what_cannot_get_better_is_not_tried_again(store, monkeypatch):
    monkeypatch.setattr(objects, "_pause", lambda _: pytest.fail("it was tried again"))
    store.proxy.troubles = [Trouble("403", "PUT")]
    with pytest.raises(StorageError, match=r"Could not write .*/card: "):
        put_bytes(parse_place(store.output) / "card", b"content")


@pytest.mark.parametrize("size", [0, 1, 11 << 20])
def test_an_object_of_any_size_is_whole_after_trouble(store, size):
    content = bytes(range(251)) * (size // 251) + b"x" * (size % 251)
    store.proxy.troubles = [Trouble(kind, "PUT|GET", times=2, every=2) for kind in ("reset", "cut upload", "500")]
    place = parse_place(store.output) / "shard"
    put_bytes(place, content)
    assert place.read_bytes() == content
    assert store.objects()["shard"] == content


def wait_for_records(store, number):
    deadline = time.monotonic() + 60
    while store.records() < number:
        assert time.monotonic() < deadline, "no shard was made in a minute"
        time.sleep(0.01)
