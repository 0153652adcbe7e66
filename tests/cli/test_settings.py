from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cutmix_gen.cli import main
from cutmix_gen.cli.settings import toml_text
from cutmix_gen.config import GenerateConfig
from tests.sets import make_folder, tree


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["generate", *map(str, arguments)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return make_folder(tmp_path_factory.mktemp("source") / "images", per_class=10)


@pytest.fixture
def settings(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "run.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def printed(*arguments: str | Path) -> dict:
    result = call(*arguments, "--print-config")
    assert result.exit_code == 0, result.output
    return tomllib.loads(result.output)


def test_a_printed_configuration_holds_every_option_or_its_place():
    text = call("--print-config").output
    for item in fields(GenerateConfig):
        if "help" in item.metadata:
            assert f"\n{item.name.replace('_', '-')} = " in text or f"\n# {item.name.replace('_', '-')} = " in text
            assert item.metadata["help"] in text


def test_a_printed_configuration_reads_back_as_it_was(tmp_path):
    options = ["--copies", "2.5", "--strategy", "patches:2", "--strategy", "cutmix", "--mix-option", "grid=3",
               "--size", "64x32", "--no-originals", "--seed", "7", "-j", "1", "--license", 'a "b" \\ ü 猫']  # fmt: skip
    file = tmp_path / "run.toml"
    file.write_text(call(*options, "--print-config").output, encoding="utf-8")
    assert call("--config", file, "--print-config").output == file.read_text(encoding="utf-8")
    facts = tomllib.loads(file.read_text(encoding="utf-8"))
    assert facts["license"] == 'a "b" \\ ü 猫'
    assert facts["strategy"] == ["patches:2", "cutmix"]
    assert facts["originals"] is False


def test_every_character_of_a_text_survives():
    for code in [*range(0x2100), 0xFFFD, 0x1F600]:
        text = f"a{chr(code)}b"
        assert tomllib.loads(f"x = {toml_text(text)}")["x"] == text


def test_names_are_those_of_the_options_and_the_command_line_wins(settings):
    file = settings('copies = 3\nshard_size = 50\nsize = 224\nstrategy = "patches"\nhflip = 1\n')
    facts = printed("--config", file, "--hflip", "0.25")
    assert (facts["copies"], facts["size"], facts["strategy"]) == (3.0, "224x224", ["patches"])
    assert (facts["shard-size"], facts["hflip"]) == (50, 0.25)


@pytest.mark.parametrize(
    ("text", "options", "kept", "gone"),
    [
        ("copies = 3", ["--num-samples", "5"], "num-samples", "copies"),
        ("num-samples = 3", ["--copies", "2"], "copies", "num-samples"),
        ("append = true", ["--overwrite"], "overwrite", None),
    ],
)
def test_an_option_on_the_command_line_puts_its_rival_in_the_file_out_of_force(settings, text, options, kept, gone):
    facts = printed("--config", settings(text), *options)
    assert facts[kept]
    assert gone not in facts


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("coppies = 3", "has no option 'coppies'. Did you mean 'copies'?"),
        ("no-originals = true", "Did you mean 'originals'?"),
        ('copies = "3"', "copies must be a number from 0 to 100,000, but it is '3'"),
        ("shard-size = 9\nshard_size = 8", "shard_size is there twice"),
        ("seed = 1.5", "seed must be a whole number from 0 to 2^63 - 1, but it is 1.5"),
        ("seed = true", "seed must be a whole number from 0 to 2^63 - 1, but it is True"),
        ("originals = 1", "originals must be true or false, but it is 1"),
        ("strategy = [1]", "strategy must be text or a list of texts, but it is [1]"),
        ("split = 1979-05-27", "split must be text, but it is datetime.date(1979, 5, 27)"),
        ('format = "webdataste"', "format must be one of parquet, webdataset, but it is 'webdataste'. Did you mean"),
        ("[generate]\ncopies = 3", "has no option 'generate'"),
        ("copies = ", "but it is no TOML: Invalid value (at end of document)"),
        ("{]", "but it is no JSON: "),
        ('{"copies": 1}', "is no record of a run"),
        ('pairs = "none.csv"', "the file of pairs cannot be read"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_file_and_key(folder, tmp_path, settings, text, message):
    file = settings(text)
    result = call(folder, tmp_path / "out", "--config", file)
    assert result.exit_code == 2
    assert str(file) in result.output
    assert message in result.output
    assert not (tmp_path / "out").exists()


def test_pairs_may_be_a_file_beside_the_settings_or_its_lines(tmp_path, settings):
    (tmp_path / "pairs.csv").write_text("class-0,class-1,5\n")
    assert printed("--config", settings('pairs = "pairs.csv"'))["pairs"] == ["class-0,class-1,5"]
    assert printed("--config", settings('pairs = ["class-0,class-1,5"]'))["pairs"] == ["class-0,class-1,5"]


def test_the_record_of_a_run_makes_the_same_set_from_the_same_images_elsewhere(folder, tmp_path):
    options = ["--backend", "serial", "--copies", "2", "--strategy", "patches:2", "--strategy", "mixup", "--seed", "3",
               "--size", "16", "--fit", "random-resized-crop", "--hflip", "0.5", "--shard-size", "8"]  # fmt: skip
    assert call(folder, tmp_path / "one", *options).exit_code == 0
    shutil.copytree(folder, tmp_path / "elsewhere")
    record = tmp_path / "one/.cutmix_gen/runs/0001.json"
    result = call(tmp_path / "elsewhere", tmp_path / "two", "--config", record, "--backend", "serial")
    assert result.exit_code == 0, result.output
    assert tree(tmp_path / "two/data") == tree(tmp_path / "one/data")


def test_src_and_out_are_needed_to_make_a_set():
    result = call("--size", "32")
    assert result.exit_code == 2
    assert "SRC and OUT are missing" in result.output


def test_out_is_needed_to_make_a_set_of_a_folder(tmp_path):
    result = call(tmp_path)
    assert result.exit_code == 2
    assert "OUT is missing" in result.output
    assert "SRC and" not in result.output


def in_shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    program = f"{sys.executable} -m cutmix_gen generate"
    return subprocess.run(
        ["bash", "-c", line.replace("generate", program, 1)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_settings_and_pairs_may_come_through_pipes(folder, tmp_path):
    (tmp_path / "pairs.csv").write_text("class-0,class-1,5\n")
    made = in_shell(
        f"generate {folder} out --backend serial --config <(echo 'seed = 3') --pairs <(echo class-0,class-1,5)",
        tmp_path,
    )
    assert made.returncode == 0, made.stderr
    assert "Made 35 samples" in made.stdout
    for line in (
        "generate --config <(echo 'seed = 3') --pairs <(cat pairs.csv) --print-config",
        "generate --config <(echo 'seed = 3') --pairs - --print-config < pairs.csv",
        """generate --config <(printf 'seed = 3\npairs = "pairs.csv"\n') --print-config""",
    ):
        facts = tomllib.loads(in_shell(line, tmp_path).stdout)
        assert (facts["seed"], facts["pairs"]) == (3, ["class-0,class-1,5"])


@pytest.mark.parametrize("option", ["--config", "--pairs"])
@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("/dev/zero", "bytes at most, but it has more"),
        ("loop", "loop"),
        (".", "irectory"),
        ("none", "No such file|does not exist"),
        ("noise", "UTF-8"),
    ],
)
def test_what_is_no_file_of_settings_or_pairs_fills_no_memory(tmp_path, option, file, message):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "noise").write_bytes(bytes(range(256)))
    done = in_shell(f"ulimit -v 2000000; generate {option} {file} --print-config", tmp_path)
    assert done.returncode == 2, done.stderr
    assert re.search(message, done.stderr)
    assert "a bug of cutmix-gen" not in done.stderr
