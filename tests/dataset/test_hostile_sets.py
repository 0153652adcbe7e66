"""Sets from others: whatever stands in their files, reading them ends in this program's own error."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from cutmix_gen import GenerateConfig, generate, open_dataset, relabel
from cutmix_gen.cli import main
from cutmix_gen.dataset import ledger
from cutmix_gen.dataset.sealed_json import sealed
from cutmix_gen.errors import CutMixGenError
from cutmix_gen.exports.convert import convert_set
from cutmix_gen.exports.export import export_set
from cutmix_gen.mixing.recipe import parse_recipe
from cutmix_gen.shapes import Box
from cutmix_gen.shards import SHARD_FORMATS
from tests.sets import make_folder

RUN, RECORD, SET, INDEX = (
    ".cutmix_gen/runs/0001.json",
    ".cutmix_gen/shards/000001.json",
    ".cutmix_gen/dataset.json",
    ".cutmix_gen/runs/0001.arrow",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return make_folder(tmp_path_factory.mktemp("source") / "images", per_class=8, size=(16, 12))


@pytest.fixture(scope="module", params=SHARD_FORMATS)
def made(request, folder, tmp_path_factory) -> Path:
    """Return a small set."""
    output = tmp_path_factory.mktemp("made") / "out"
    generate(config(folder, output, format=request.param))
    return output


def config(source: Path, output: Path, **options) -> GenerateConfig:
    return GenerateConfig(source=source, output=output, backend="serial", shard_size=8, **options)


def read_all(output: Path) -> None:
    """Read everything of a set, in every way that this package has in one process."""
    dataset = open_dataset(output)
    for number in range(min(len(dataset), 100)):
        dataset[number]
    for key in ("0001-000-000000003", "0001-001-000000009"):
        dataset.find(key)


def use(output: Path, folder: Path) -> list[BaseException]:
    """Do all that can be done with a set; return the errors, each of which must be one of this program's own."""
    kind = json.loads((output / SET).read_bytes())["shard_format"] if is_json(output / SET) else ""
    other = next(name for name in SHARD_FORMATS if name != kind)
    errors: list[BaseException] = []
    for work in (
        lambda: read_all(output),
        lambda: convert_set(output, output.with_name("converted"), other, jobs=1),
        lambda: export_set(output, output.with_name("files"), "imagefolder", jobs=1),
        lambda: export_set(output, output.with_name("records"), "tfrecord", jobs=1),
        lambda: say("info", output),
        lambda: say("verify", output, "--deep", "-j", "1"),
        lambda: generate(config(folder, output, format=kind or "parquet")),
    ):
        try:
            work()
        except CutMixGenError as error:
            errors.append(error)
    return errors


def is_json(path: Path) -> bool:
    try:
        return path.is_file() and isinstance(json.loads(path.read_bytes()).get("shard_format"), str)
    except (OSError, ValueError, AttributeError, RecursionError):
        return False


def say(*arguments: str | Path) -> None:
    """Run a command; a bug would say that it is one."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code in (0, 1, 2, 3)
    assert "a bug of cutmix-gen" not in result.output + result.stderr, result.stderr


@pytest.fixture
def copy(made, tmp_path):
    """Return a fresh copy of the set."""

    def fresh() -> Path:
        for name in ("out", "converted", "files", "records"):
            shutil.rmtree(tmp_path / name, ignore_errors=True)
        return Path(shutil.copytree(made, tmp_path / "out"))

    return fresh


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.sampled_from([float("nan"), float("inf"), -1, 0, 1, 2**31, 2**63, 2**64, "", "x", "../../x", "a\0b", "\ud800"]),
    st.lists(st.one_of(st.integers(-5, 10**10), st.text(max_size=3), st.none()), max_size=4),
    st.dictionaries(st.text(max_size=3), st.integers(-5, 5), max_size=3),
)


def spoilt(facts: dict, keys: list[str], junk) -> dict:
    """Return a copy of an object of JSON with something else in a place."""
    facts = json.loads(json.dumps(facts))
    inner = facts
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = junk
    return facts


def places(facts: dict) -> list[list[str]]:
    """Return where something stands in an object of JSON: each key, and each key of an object in it."""
    found = [[key] for key in facts]
    return found + [[key, inner] for key, value in facts.items() if isinstance(value, dict) for inner in value]


@pytest.mark.parametrize("name", [RUN, RECORD, SET])
def test_any_value_in_any_field_of_a_set_ends_in_its_own_error(copy, folder, name):
    @settings(max_examples=12)
    @given(data=st.data())
    def check(data):
        output = copy()
        facts = json.loads((output / name).read_bytes())
        keys = data.draw(st.sampled_from(places(facts)))
        (output / name).write_text(json.dumps(spoilt(facts, keys, data.draw(JUNK))))
        use(output, folder)

    check()


@pytest.mark.parametrize("name", [RUN, RECORD, SET])
def test_any_value_in_any_field_whose_seal_is_right_ends_in_its_own_error(copy, folder, name):
    @settings(max_examples=25)
    @given(data=st.data())
    def check(data):
        output = copy()
        facts = json.loads((output / name).read_bytes())
        del facts["seal"]
        keys = data.draw(st.sampled_from(places(facts)))
        (output / name).write_bytes(sealed(spoilt(facts, keys, data.draw(JUNK))))
        use(output, folder)

    check()


FILES = {
    "run": RUN,
    "record": RECORD,
    "set": SET,
    "index": INDEX,
    "copy": ".cutmix_gen/records.parquet",
    "copy's seal": ".cutmix_gen/records.parquet.sha256",
    "licence": ".cutmix_gen/card.json",
    "card": "README.md",
    "metadata": "croissant.json",
    "shards": "shards.json",
    "shard": "data/train-000001.{}",
    "sidecar": "data/train-000001.idx",
}
"""Each kind of file of a set."""


def put_pipe(path: Path) -> None:
    os.mkfifo(path)


def put_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as end:
        here = Path.cwd()
        os.chdir(path.parent)  # a socket's path has a hundred characters at most
        try:
            end.bind(path.name)
        finally:
            os.chdir(here)


def put_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def put_circle(path: Path) -> None:
    path.symlink_to(path.name)


def put_folder(path: Path) -> None:
    path.mkdir()


def use_with_other_kinds(made: str, folder: str, scratch: str, put: str) -> None:
    """Do all that can be done with a set of which one file after the other is no file."""
    ledger.WORTH_IT = 1
    for kind, name in FILES.items():
        output = Path(scratch, kind, "out")
        shutil.copytree(made, output)
        path = output / name.format(next((output / "data").glob("*1.[pt]a*")).suffix[1:])
        path.unlink(missing_ok=True)
        globals()[put](path)
        for record in (output / ".cutmix_gen/shards").glob("*.json"):
            if record.is_file():
                os.utime(record, (1_700_000_000, 1_700_000_000))
        errors = use(output, Path(folder))
        sys.stdout.write(f"{kind}: {errors}\n")


@pytest.mark.parametrize("put", [put_pipe, put_socket, put_device, put_circle, put_folder])
def test_what_is_no_file_makes_no_reader_of_a_set_wait_or_take_memory(made, folder, tmp_path, put):
    """Both would be seen: a process of its own has a minute, and little memory."""
    script = "import sys; from tests.dataset.test_hostile_sets import use_with_other_kinds as use; use(*sys.argv[1:])"
    command = [sys.executable, "-c", script, made, folder, tmp_path, put.__name__]
    done = subprocess.run(command, capture_output=True, check=False, preexec_fn=limit_memory, timeout=100, text=True)
    assert done.returncode == 0, done.stderr
    said = dict(line.split(":", 1) for line in done.stdout.splitlines())
    assert said.keys() == FILES.keys()


def limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (3 << 30, 3 << 30))


@pytest.mark.parametrize("name", [RUN, RECORD, SET, INDEX])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"\xff" * 100,
        b"null",
        b"1" * 5000,
        b"ARROW1\0\0" * 99,
        b"[1e400]",
        b"{" + b" " * (65 << 20) + b"}",
    ],
)
def test_bytes_that_are_no_such_file_end_in_an_error(copy, folder, name, content):
    output = copy()
    (output / name).write_bytes(content)
    if name == INDEX:
        (output / "data" / next((output / "data").iterdir()).name).unlink()  # it is read only where work is left
    assert use(output, folder)


def flipped(data: bytes, draw) -> bytes:
    """Return bytes with some of them changed."""
    found = bytearray(data)
    for _ in range(draw(st.integers(1, 3))):
        found[draw(st.integers(0, len(found) - 1))] = draw(st.integers(0, 255))
    return bytes(found[: draw(st.one_of(st.just(len(found)), st.integers(0, len(found))))])


def test_any_bytes_in_an_index_end_in_an_error_or_change_nothing(copy, folder):
    @settings(max_examples=25)
    @given(data=st.data())
    def check(data):
        output = copy()
        (output / INDEX).write_bytes(flipped((output / INDEX).read_bytes(), data.draw))
        for path in (output / "data").iterdir():
            path.unlink()
        with contextlib.suppress(CutMixGenError):
            generate(config(folder, output, format=json.loads((output / SET).read_bytes())["shard_format"]))

    check()


def test_any_bytes_in_a_tar_shard_end_in_an_error(folder, tmp_path):
    generate(config(folder, tmp_path / "out", format="webdataset"))
    path = sorted((tmp_path / "out/data").iterdir())[1]
    whole = path.read_bytes()

    @settings(max_examples=60)
    @given(data=st.data())
    def check(data):
        changed = flipped(whole, data.draw)
        path.write_bytes(changed[: len(whole)].ljust(len(whole), b"\0"))
        with contextlib.suppress(CutMixGenError):
            read_all(tmp_path / "out")

    check()


RECIPE = json.loads(
    '{"run":1,"strategy":"cutmix","options":{},"params":{"lam":0.5,"x":0.5,"y":0.5},"size":[16,12],'
    '"views":[{"crop":[0,0,16,12],"place":[0,0,16,12],"flip":false},{"crop":[0,0,16,12],"place":[0,0,16,12],'
    '"flip":true}],"labels":[0,1],"num_classes":3,"smoothing":0.0}'
)


@settings(max_examples=300)
@given(keys=st.sampled_from(places(RECIPE)), junk=JUNK, strategy=st.sampled_from(["cutmix", "fmix", "multi", "x"]))
def test_any_value_in_a_recipe_ends_in_its_own_error(keys, junk, strategy):
    text = json.dumps(spoilt(RECIPE | {"strategy": strategy}, keys, junk))
    try:
        recipe = parse_recipe(text)
        recipe.ownership()
        recipe.shares_within(Box(0, 0, 4, 4))
        relabel(text, (0, 0, 4, 4))
    except CutMixGenError:
        pass


def test_the_recipe_that_is_spoilt_is_a_good_one():
    np.testing.assert_allclose(relabel(json.dumps(RECIPE), (0, 0, 16, 12)).sum(), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (["size"], [65536, 65536]),
        (["size"], [0, 5]),
        (["size"], [1, 10**30]),
        (["num_classes"], 10**12),
        (["labels"], [0]),
        (["labels"], [0, 3]),
        (["labels"], [-1, 0]),
        (["views"], []),
        (["params"], {"lam": [1]}),
        (["params"], {}),
        (["smoothing"], float("nan")),
    ],
)
def test_sizes_in_a_recipe_are_checked_before_memory_is_taken(keys, value):
    with pytest.raises(CutMixGenError):
        relabel(json.dumps(spoilt(RECIPE, keys, value)), (0, 0, 4, 4))


@pytest.mark.parametrize(
    ("name", "keys", "value"),
    [
        (RUN, ["shards"], 10**15),
        (RUN, ["num_images"], 10**15),
        (RUN, ["config", "split"], "../../up"),
        (RUN, ["config", "jobs"], 10**6),
        (RUN, ["part_images"], 0),
        (RUN, ["class_counts"], [1]),
        (RUN, ["first_shard"], 10**12),
        (RECORD, ["samples"], 10**15),
        (RECORD, ["run"], 7),
        (RECORD, ["kind"], "other"),
        (RECORD, ["class_weight"], [1.0]),
        (RECORD, ["lam_histogram"], []),
        (RECORD, ["file"], "data/../../x-000001.parquet"),
        (RECORD, ["skipped"], [{"path": 5, "reason": "x"}]),
        (SET, ["classes"], []),
        (SET, ["classes"], ["a", "a", "b"]),
        (SET, ["sources"], 10**9),
        (SET, ["shard_format"], "pickle"),
        (SET, ["image_format"], "eps"),
        (SET, ["mode"], "CMYK"),
    ],
)
def test_facts_that_no_set_has_are_an_error(copy, folder, name, keys, value):
    output = copy()
    facts = json.loads((output / name).read_bytes())
    (output / name).write_text(json.dumps(spoilt(facts, keys, value)))
    before = sorted(path for path in output.parent.rglob("*") if path.is_file())
    assert use(output, folder) or "problem" in CliRunner().invoke(main, ["verify", str(output), "-j", "1"]).output
    for path in sorted(path for path in output.parent.rglob("*") if path.is_file()):
        assert path in before or path.is_relative_to(output) or path.parent.name != output.parent.name
