from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import pytest

from tests.sets import finish, make_folder, start, tree
from tests.stores.proxy import Proxy

_numbers = itertools.count()

OPTIONS = ("--copies", "2", "--shard-size", "20", "--hflip", "0.5", "--size", "24", "-j", "2")
"""Of every run here."""
SETTINGS = {"copies": 2.0, "shard_size": 20, "hflip": 0.5, "size": "24"}
"""The same."""
SHARDS = 18
"""What they make of 120 images."""

SECRETS = {"AWS_ACCESS_KEY_ID": "AKIAVERYSECRETKEY", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI-very-secret"}


class Store:
    """Two buckets of an S3 server, which the program reaches through a proxy and the tests directly."""

    def __init__(self, client, proxy: Proxy, name: str) -> None:
        self.client = client
        self.proxy = proxy
        self.source, self.output = f"s3://{name}-src/images", f"s3://{name}-out/sets/one"
        for uri in (self.source, self.output):
            client.create_bucket(Bucket=_bucket(uri))

    def upload(self, folder: Path) -> None:
        for path in folder.rglob("*.jpg"):
            key = f"images/{path.relative_to(folder).as_posix()}"
            self.client.put_object(Bucket=_bucket(self.source), Key=key, Body=path.read_bytes())

    def objects(self, uri: str = "") -> dict[str, bytes]:
        """Return the content of every object of a bucket, by what comes after the folder in its key."""
        bucket, _, folder = (uri or self.output).removeprefix("s3://").partition("/")
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        return {
            key.removeprefix(f"{folder}/"): self.client.get_object(Bucket=bucket, Key=key)["Body"].read()
            for key in keys
            if not key.endswith("/")
        }

    def tree(self) -> dict[str, str]:
        return {key: hashlib.sha256(content).hexdigest() for key, content in self.objects().items()}

    def records(self) -> int:
        return sum("/shards/" in key for key in self.objects())

    def generate(self, *options: str, code: int = 0) -> str:
        """Make the set, and return what was said on standard error."""
        return finish(start("generate", self.source, self.output, *OPTIONS, *options), code)


def _bucket(uri: str) -> str:
    return uri.removeprefix("s3://").partition("/")[0]


@pytest.fixture(scope="session")
def server():
    from tests.stores.server import Server

    server = Server()
    yield server
    server.close()


@pytest.fixture(scope="session")
def client(server):
    import boto3  # of the extra test-stores

    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{server.port}",
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
    )
    yield client
    client.close()


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("source") / "images")


@pytest.fixture(scope="session")
def expected(folder, tmp_path_factory):
    """Return what a local run makes of the same images."""
    output = tmp_path_factory.mktemp("local") / "out"
    finish(start("generate", folder, output, *OPTIONS), 0)
    return without_place(tree(output))


def without_place(found: dict[str, str]) -> dict[str, str]:
    """Return what has to be the same wherever SRC and OUT lie: all but the note that names SRC."""
    return {name: digest for name, digest in found.items() if not name.startswith(".cutmix_gen/runs/0001.json")}


@pytest.fixture
def store(server, client, folder, monkeypatch):
    proxy = Proxy(server.port)
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{proxy.address}")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    store = Store(client, proxy, f"test-{next(_numbers)}")
    store.upload(folder)
    yield store
    proxy.close()
