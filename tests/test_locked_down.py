"""Nothing goes out but to the store that was named, and no password of it is written anywhere."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from pyarrow.fs import LocalFileSystem

from cutmix_gen.cli import main
from cutmix_gen.errors import StorageError, UsageError
from cutmix_gen.storage import objects, parse_place
from tests.sets import make_folder

SECRETS = ("someone", "Top/Secret", "Top%2FSecret", "AnotherSecret", "Hidden")
QUERY = "region=here&access_token=AnotherSecret&endpoint_override=http://Hidden:Hidden@127.0.0.1:1"
AUTHORITY = "someone:Top%2FSecret@bucket"


@pytest.fixture
def store(tmp_path, monkeypatch) -> Path:
    """Return the folder that s3://USER:PASSWORD@BUCKET is for the length of a test."""
    objects._opened.cache_clear()
    monkeypatch.setattr(objects._Root, "open", lambda _: (LocalFileSystem(), str(tmp_path / "store")))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    yield tmp_path / "store"
    objects._opened.cache_clear()


def uri(path: str) -> str:
    return f"s3://{AUTHORITY}/{path}?{QUERY}"


def leaks(text: str) -> list[str]:
    return [secret for secret in SECRETS if secret in text]


def test_no_password_is_in_any_file_or_word_of_a_run(store, tmp_path, caplog):
    make_folder(store / "images", per_class=10)
    (store / "images/class-0/bad.jpg").write_bytes(b"no image")
    caplog.set_level(logging.DEBUG)
    said = ""
    for command, code in (
        (["generate", uri("images"), uri("out"), "--max-failures", "1", "--sidecars"], 3),
        (["generate", uri("images"), uri("out"), "--max-failures", "1", "--json"], 3),
        (["generate", uri("images"), uri("out"), "--seed", "1"], 2),
        (["generate", uri("images"), uri("images/out")], 2),
        (["info", uri("out")], 0),
        (["info", uri("out"), "--json"], 0),
        (["verify", uri("out"), "-j", "1"], 0),
        (["finalize", uri("out"), "--license", "mit"], 0),
        (["info", uri("nothing")], 1),
    ):
        options = ["--backend", "serial"] if command[0] == "generate" else []
        result = CliRunner().invoke(main, [*command, *options])
        assert result.exit_code == code, result.output
        said += result.output + result.stderr
    assert "s3://bucket/out" in said
    assert not leaks(said + caplog.text)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert not leaks(path.read_bytes().decode("latin-1")), path
    run = json.loads((store / "out/.cutmix_gen/runs/0001.json").read_text())
    assert run["source"] == "s3://bucket/images?region=here&endpoint_override=http://127.0.0.1:1"


def test_what_a_store_says_of_a_failure_is_without_its_secrets(monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(objects, "_pause", lambda _: None)
    place = parse_place(uri("out"))

    def fail():
        raise OSError(f"GET {uri('out')} as someone with Top/Secret (Top%2FSecret) and AnotherSecret, Hidden@")

    with pytest.raises(StorageError) as caught:
        place._patiently("read", fail)
    assert not leaks(str(caught.value) + repr(place) + caplog.text)


@pytest.mark.parametrize("text", ["s3://someone:Top/Secret@bucket/x", "s3://someone:Top?Secret@bucket/x"])
def test_a_password_that_is_cut_by_its_own_characters_is_refused_without_being_said(text):
    with pytest.raises(UsageError, match="Write / as %2F") as caught:
        parse_place(text)
    assert not leaks(str(caught.value))
    assert "Secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["hdfs://host:8020/x", "s3://bucket/x", "hdfs://[::1]:8020/x", "abfs://box@host/x"])
def test_a_port_is_no_password(text):
    assert str(parse_place(text)) == text


MISSPELT = (
    *("s3:/{}", "s3//{}", "s3:{}", "S3:/{}", " s3://{}", "gs:/{}", "hdfs:{}", "abfs:/{}", "file:/{}"),
    *("fsspec+memory:/{}", "S3://{}/Secret", "s3:///{}", "s3://someone:12/{}", "https:/{}", "wasbs:/{}"),
)
GIVEN = "someone:Top/Secret@bucket/x?secret_key=AnotherSecret"


@pytest.mark.parametrize("form", MISSPELT)
def test_a_uri_gone_wrong_is_refused_and_its_secrets_are_not_said(form, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = form.format(GIVEN)
    for place in (text, Path(text))[: 1 + (":" in form)]:  # of s3// a Path leaves a folder s3
        with pytest.raises(UsageError) as caught:
            parse_place(place)
        assert not leaks(str(caught.value))
    folder = make_folder(tmp_path / "images", per_class=2)
    for arguments in (["generate", folder, text], ["info", text], ["convert", folder, text, "--format", "webdataset"]):
        result = CliRunner().invoke(main, [*map(str, arguments)])
        assert result.exit_code == 2, result.output
        assert not leaks(result.output + result.stderr)
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


@given(
    begin=st.text(st.sampled_from("sS3:gh+. fi\t"), max_size=8),
    slashes=st.integers(1, 5),
    rest=st.sampled_from([GIVEN, "someone:Secret@bucket/x", "someone:Secret@bucket/Hidden@x", "someone:12/Secret@b"]),
)
def test_no_place_has_a_password_in_its_name_however_it_is_misspelt(begin, slashes, rest):
    try:
        place = str(parse_place(f"{begin}:{'/' * slashes}{rest}"))
    except UsageError as error:
        place = str(error)
    assert not leaks(place.replace("Hidden@x", ""))  # of the path


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("S3://bucket/x", "s3://bucket/x"),
        ("S3://me:word@bucket/X", "s3://bucket/X"),
        ("HDFS://Host:8020/x", "hdfs://Host:8020/x"),
        ("FILE:///data/x", "/data/x"),
        ("file://localhost/data/x%20y", "/data/x y"),
        ("s3", "s3"),
        ("s3/x", "s3/x"),
        ("./s3:x", "s3:x"),
        ("data/s3://x", "data/s3:/x"),
        ("photos@home:2024", "photos@home:2024"),
        ("C:/data", "C:/data"),
    ],
)
def test_what_is_a_uri_or_a_path_is_taken_for_one(text, place):
    assert str(parse_place(text)) == place


@pytest.mark.parametrize("text", ["file://images/x", "file://x", "file://someone:Secret@host/x", "file://["])
def test_a_file_uri_names_no_other_machine(text):
    with pytest.raises(UsageError, match="three slashes") as caught:
        parse_place(text)
    assert not leaks(str(caught.value))


@pytest.mark.parametrize(
    "arguments",
    [
        ["generate", "SRC", "OUT", "--config", "{}"],
        ["generate", "SRC", "OUT", "--pairs", "{}"],
        ["generate", "SRC", "OUT", "{}"],
        ["generate", "SRC", "OUT", "--strategy", "{}"],
        ["generate", "SRC", "OUT", "--format", "{}"],
        ["generate", "SRC", "OUT", "--copies", "{}"],
        ["generate", "SRC", "OUT", "--slice", "{}"],
        ["generate", "SRC", "OUT", "--{}"],
        ["{}"],
        ["--{}"],
        ["report", "OUT", "-o", "{}"],
        ["export", "OUT", "{}", "--format", "{}"],
        ["replay", "OUT", "KEY", "--source", "{}"],
        ["grid", "OUT", "-o", "{}"],
    ],
)
@pytest.mark.parametrize("form", ["s3://someone:Secret@bucket/x", "s3:/someone:Top/Secret@bucket/x?key=Hidden"])
@pytest.mark.usefixtures("store")
def test_a_uri_in_the_wrong_place_is_not_repeated(arguments, form, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, [each.format(form) for each in arguments])
    assert result.exit_code in (1, 2)
    assert not leaks(result.output + result.stderr)
    assert "a bug" not in result.output + result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["scratch"]


OFFLINE = """
import socket, sys
class NoSocket(socket.socket):
    def __init__(self, family=-1, *arguments, **named):
        if family != socket.AF_UNIX:
            raise AssertionError("a socket was opened")
        super().__init__(family, *arguments, **named)
def refuse(*_arguments, **_named):
    raise AssertionError("a name was looked up")
socket.socket, socket.getaddrinfo, socket.create_connection = NoSocket, refuse, refuse
from cutmix_gen.cli import main
main()
"""


def test_local_work_opens_no_connection(tmp_path):
    folder = make_folder(tmp_path / "images", per_class=10)
    work = [
        ["generate", folder, tmp_path / "out", "-j", "1"],
        ["verify", tmp_path / "out", "--deep", "-j", "1"],
        ["info", tmp_path / "out"],
        ["convert", tmp_path / "out", tmp_path / "tars", "--format", "webdataset", "-j", "1"],
        ["export", tmp_path / "out", tmp_path / "files", "--format", "imagefolder", "-j", "1"],
    ]
    for arguments in work:
        done = subprocess.run([sys.executable, "-c", OFFLINE, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_a_connection_would_show():
    for call in ("create_connection(('127.0.0.1', 1))", "socket(2, 1)", "getaddrinfo('localhost', 1)"):
        code = OFFLINE.replace("main()", f"socket.{call}")
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert "AssertionError" in done.stderr
