from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from cutmix_gen import GenerateConfig, generate, open_dataset
from cutmix_gen.cli import main
from cutmix_gen.errors import SetError, UsageError
from cutmix_gen.exports.loaders import LOADERS
from cutmix_gen.exports.loaders.script import snippet
from cutmix_gen.shards import SHARD_FORMATS
from tests.sets import make_folder

ROOT = Path(__file__).parent.parent.parent
HOSTILE = ['"); raise SystemExit("', "$root ${split}", "new\nline \\ '''", 'tri"""ple', "ключ\u2028\u202e"]
"""Names that a careless script would run, or trip over."""
CASES = {
    "plain": {},
    "wide": {"size": "40x24", "copies": 2.5, "shard_size": 7},
    "sparse": {"dense_labels": "never", "strategy": ("multi",), "mix_option": ("sources=4",)},
    "smooth": {"label_smoothing": 0.1},
    "gray": {"mode": "L", "image_format": "png"},
    "webp": {"image_format": "webp", "quality": 100},
    "deep": {"mode": "I;16", "image_format": "png"},
    "pairs": {"pairs": ("class-0,class-1,12",), "shard_size": 7},
    "mixed only": {"originals": False},
}


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    return make_folder(tmp_path_factory.mktemp("images"), per_class=8)


def made(source, output, **options) -> Path:
    generate(GenerateConfig(source=source, output=output, backend="serial", **options))
    return output


def opened(output, tmp_path, framework="numpy", **constants):
    """Return what a script defines, its constants changed as its reader would change them."""
    script = snippet(output, framework)
    for name, value in constants.items():
        assert script.count(f"{name} = None") == 1
        script = script.replace(f"{name} = None", f"{name} = {value!r}")
    path = tmp_path / "script.py"
    path.write_text(script, encoding="utf-8")
    return runpy.run_path(str(path))


def keys_of(script, epoch) -> list[str]:
    """Return the keys of an epoch, told by the images, in the order of the script."""
    key_of = {image: key for parts in _shards(script) for key, (image, _) in script["read"](parts)}
    return [key_of[image] for task in script["tasks"](epoch) for image, _ in script["samples"](task, epoch)]


def _shards(script):
    return [script["path"](n) for run in script["SHARDS"]["train"].values() for n in _numbers(run)]


def _numbers(run):
    originals, copies, others = run
    return [number for part in (originals, *copies, others) for number in part]


@pytest.mark.parametrize("shard_format", SHARD_FORMATS)
@pytest.mark.parametrize("case", CASES)
def test_a_script_reads_what_the_package_reads(images, tmp_path, shard_format, case):
    output = made(images, tmp_path / "out", format=shard_format, **CASES[case])
    script, dataset = opened(output, tmp_path), open_dataset(output)
    found = [sample for shard in sorted(_shards(script)) for sample in script["read"](shard)]
    assert [key for key, _ in found] == [sample.row.key for sample in dataset]
    for (_, (image, label)), sample in zip(found, dataset, strict=True):
        np.testing.assert_allclose(label, sample.soft_label, atol=1e-7)
        pixels, most = script["decode"](image), np.iinfo(sample.image.dtype).max
        assert pixels.dtype == np.float32
        assert pixels.shape == (*sample.image.shape[:2], 3 if sample.image.ndim == 3 else 1)
        # Decoders of JPEG differ by a few steps.
        np.testing.assert_allclose(pixels, sample.image.reshape(pixels.shape) / most, atol=0.02)


@pytest.mark.parametrize("shard_format", SHARD_FORMATS)
def test_a_script_brings_images_to_one_size(tmp_path, shard_format):
    folder = tmp_path / "images" / "a"
    folder.mkdir(parents=True)
    for number in range(8):
        Image.new("I;16", (300 + 20 * number, 600), 1000 * number).save(folder / f"{number}.png")
    output = made(tmp_path / "images", tmp_path / "out", format=shard_format, copies=0)
    script = opened(output, tmp_path)
    assert script["SIZE"] == (138, 224)
    pixels = {
        round(float(script["decode"](image).max()) * 65535) for _, (image, _) in script["read"](_shards(script)[0])
    }
    assert pixels == {1000 * number for number in range(8)}


@pytest.mark.parametrize("shard_format", SHARD_FORMATS)
def test_names_stay_names(tmp_path, shard_format, capsys):
    folder = make_folder(tmp_path / "images", per_class=2, classes=len(HOSTILE))
    for number, name in enumerate(HOSTILE):
        (folder / f"class-{number}").rename(folder / name)
    output = made(folder, tmp_path / 'a "set" of $1 \\ [x]', format=shard_format)
    generate_sidecars(output)
    for framework in LOADERS:
        if framework != "webdataset" or shard_format == "webdataset":
            compile(snippet(output, framework), framework, "exec")
    script = opened(output, tmp_path)
    assert script["CLASSES"] == list(open_dataset(output).classes)
    script["train"](script["batches_of"])
    assert capsys.readouterr().out.startswith("epoch 0: 20 samples, loss ")


def generate_sidecars(output):
    assert CliRunner().invoke(main, ["finalize", str(output), "--sidecars"]).exit_code == 0


@pytest.mark.parametrize("shard_format", SHARD_FORMATS)
def test_an_epoch_takes_each_original_once_or_its_variant(images, tmp_path, shard_format):
    output = made(images, tmp_path / "out", format=shard_format, copies=2, shard_size=5)
    script = opened(output, tmp_path, MIX=0.5)
    orders = [keys_of(script, epoch) for epoch in range(4)]
    for epoch, keys in enumerate(orders):
        assert sorted(key[-9:] for key in keys) == [f"{number:09d}" for number in range(24)]
        assert {key[5:8] for key in keys} == {"000", f"{1 + epoch % 2:03d}"}
    assert len({tuple(sorted(keys)) for keys in orders}) == 4, "the coin falls the same in each epoch"


def test_the_coin_falls_with_the_probability_that_is_given(images, tmp_path):
    script = opened(made(images, tmp_path / "out"), tmp_path, MIX=0.3)
    tossed = [script["is_mixed"](f"0001-000-{number:09d}", epoch) for number in range(1000) for epoch in range(4)]
    assert abs(np.mean(tossed) - 0.3) < 4 * (0.3 * 0.7 / 4000) ** 0.5
    table = np.reshape(tossed, (1000, 4)).astype(float)
    assert np.abs(np.corrcoef(table.T) - np.eye(4)).max() < 4 / 1000**0.5


def test_an_epoch_of_a_broken_last_copy_has_each_original_too(images, tmp_path):
    output = made(images, tmp_path / "out", copies=1.5, shard_size=5)
    script = opened(output, tmp_path, MIX=1.0)
    keys = keys_of(script, 1)
    assert sorted(key[-9:] for key in keys) == [f"{number:09d}" for number in range(24)]
    assert {key[5:8] for key in keys} >= {"001", "002"}


def test_samples_without_a_base_are_no_part_of_a_mixed_epoch(images, tmp_path):
    output = made(images, tmp_path / "out", **CASES["pairs"])
    assert len(keys_of(opened(output, tmp_path), 0)) == 36
    assert {key[5:8] for key in keys_of(opened(output, tmp_path, MIX=0.5), 0)} == {"000"}


def test_each_split_has_its_own_shards(images, tmp_path):
    output = made(images, tmp_path / "out", split="val", copies=0)
    made(images, output, append=True, copies=1)
    made(images, output, append=True, copies=1, originals=False, seed=1)
    script = opened(output, tmp_path)
    assert script["SPLIT"] == "train"
    assert {split: list(runs) for split, runs in script["SHARDS"].items()} == {"val": [1], "train": [2, 3]}
    assert {key[:4] for key in keys_of(script, 0)} == {"0002", "0003"}
    assert {key[:4] for key in keys_of(opened(output, tmp_path, MIX=0.5), 0)} == {"0002"}


def test_changes_keep_an_image_what_it_is(images, tmp_path):
    script = opened(made(images, tmp_path / "out"), tmp_path)
    pixels = np.linspace(0, 1, 24 * 32 * 3, dtype=np.float32).reshape(24, 32, 3)
    rng = np.random.default_rng(0)
    for _ in range(50):
        changed = script["augment"](pixels, rng)
        assert (changed.shape, changed.dtype) == (pixels.shape, np.float32)
        assert changed.min() >= 0
        assert changed.max() <= 1
        best = max(abs(np.corrcoef(changed.mean(axis=(1, 2)), pixels.mean(axis=(1, 2)))[0]))
        assert best > 0.9, "rows stay where they are, but for a pixel or two"


def test_every_script_compiles_and_those_in_samples_are_what_the_command_prints(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    samples = {path.name: path.read_text() for path in (ROOT / "samples" / "loaders").glob("*.py")}
    printed = {}
    for folder, output, shards, options in (
        ("photos", "out-photos", "parquet", ["--size", "64"]),
        ("fashion-mnist", "out-tars", "webdataset", ["--format", "webdataset", "--sidecars"]),
    ):
        command = ["generate", f"samples/{folder}", output, "--backend", "serial", *options]
        assert CliRunner().invoke(main, command).exit_code == 0
        for framework in LOADERS:
            done = CliRunner().invoke(main, ["loader", output, "--framework", framework])
            name = f"{framework}_{shards}.py"
            if name == "webdataset_parquet.py":
                assert done.exit_code == 2
            else:
                printed[name] = done.output
                compile(done.output, name, "exec")
    assert len(printed) == 2 * len(LOADERS) - 1
    assert len(samples) == 4
    assert samples.items() <= printed.items()


def test_a_script_can_be_written_to_a_file(images, tmp_path):
    output = made(images, tmp_path / "out")
    command = ["loader", str(output), "--framework", "numpy"]
    done = CliRunner().invoke(main, [*command, "-o", str(tmp_path / "train.py")])
    assert done.output == f"Wrote {tmp_path / 'train.py'}.\n"
    assert (tmp_path / "train.py").read_text() == CliRunner().invoke(main, command).output


def test_a_script_that_cannot_run_is_not_printed(images, tmp_path):
    output = made(images, tmp_path / "out", format="parquet", shard_size=5)
    with pytest.raises(UsageError, match=r"webdataset does not read parquet shards.*cutmix-gen convert"):
        snippet(output, "webdataset")
    tars = made(images, tmp_path / "tars", format="webdataset")
    with pytest.raises(UsageError, match=r"index file beside each tar file.*finalize .*tars --sidecars"):
        snippet(tars, "dali")
    next((output / ".cutmix_gen" / "shards").glob("*3.json")).unlink()
    with pytest.raises(SetError, match="not finished: 1 of 10 shards are missing"):
        snippet(output, "numpy")
    with pytest.raises(SetError):
        snippet(tmp_path / "none", "numpy")
