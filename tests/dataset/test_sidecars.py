from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from cutmix_gen import GenerateConfig, generate
from cutmix_gen.checking import verify
from cutmix_gen.dataset.finalize import finalize
from cutmix_gen.dataset.manifest import Manifest
from cutmix_gen.errors import UsageError
from tests.sets import make_folder, tree


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("source") / "images", size=(8, 8))


def config_of(folder, output, **options):
    return GenerateConfig(source=folder, output=output, backend="serial", shard_size=40, **options)


def expected_index(path: Path) -> str:
    """Return the index of a tar file, made with the standard library."""
    samples: dict[str, list[str]] = {}
    with tarfile.open(path) as tar:
        for member in tar:
            key, _, kind = member.name.partition(".")
            samples.setdefault(key, []).append(f"{kind} {member.offset_data} {member.size} {member.name}")
    return "\n".join([f"v1.2 {len(samples)}", *map(" ".join, samples.values())]) + "\n"


def test_each_tar_shard_has_its_index(folder, tmp_path):
    generate(config_of(folder, tmp_path / "out", format="webdataset", sidecars=True))
    shards = sorted((tmp_path / "out/data").glob("*.tar"))
    assert len(shards) == 6
    for shard in shards:
        assert shard.with_suffix(".idx").read_text() == expected_index(shard)


@pytest.mark.parametrize(("shards", "extension"), [("parquet", "parquet"), ("webdataset", "tar")])
def test_the_list_of_shards_has_their_counts(folder, tmp_path, shards, extension):
    generate(config_of(folder, tmp_path / "out", format=shards, sidecars=True))
    facts = json.loads((tmp_path / "out/shards.json").read_text())
    assert facts["wids_version"] == 1
    assert [shard["url"] for shard in facts["shardlist"]] == [f"data/train-{n:06d}.{extension}" for n in range(6)]
    assert sum(shard["nsamples"] for shard in facts["shardlist"]) == 240
    for shard in facts["shardlist"]:
        assert (tmp_path / "out" / shard["url"]).stat().st_size == shard["filesize"]


def test_a_set_with_sidecars_is_all_good_and_can_be_replaced(folder, tmp_path):
    output = tmp_path / "out"
    generate(config_of(folder, output, format="webdataset", sidecars=True, license="mit"))
    assert verify(output, jobs=1).ok
    generate(config_of(folder, output, overwrite=True, seed=1))
    assert not {path for path in tree(output) if path.endswith((".idx", "shards.json", "card.json"))}
    assert verify(output, jobs=1).ok


def test_a_stranger_with_the_name_of_an_index_is_found(folder, tmp_path):
    generate(config_of(folder, tmp_path / "out", format="webdataset"))
    (tmp_path / "out/data/train-000099.idx").write_text("")
    assert [problem.shard for problem in verify(tmp_path / "out", jobs=1).problems] == ["data/train-000099.idx"]


def test_sidecars_and_licence_change_nothing_else(folder, tmp_path):
    generate(config_of(folder, tmp_path / "plain", format="webdataset"))
    generate(config_of(folder, tmp_path / "more", format="webdataset", sidecars=True, license="mit"))
    plain, more = tree(tmp_path / "plain"), tree(tmp_path / "more")
    same = {path for path in plain if path.endswith(".tar") or ".cutmix_gen/" in path}
    assert {path: plain[path] for path in same} == {path: more[path] for path in same}


def test_they_are_kept_up_to_date_once_they_are_there(folder, tmp_path):
    output = tmp_path / "out"
    generate(config_of(folder, output, format="webdataset"))
    assert not (output / "shards.json").exists()
    finalize(output, sidecars=True, license_name="cc0-1.0")
    before = tree(output)
    generate(config_of(folder, output, format="webdataset", append=True, seed=1))
    assert len(json.loads((output / "shards.json").read_text())["shardlist"]) == 12
    assert len(list((output / "data").glob("*.idx"))) == 12
    assert Manifest(output).read_license() == "cc0-1.0"
    after = tree(output)
    assert all(after[path] == before[path] for path in before if path.startswith("data/"))


def test_the_index_of_a_shard_that_is_made_again_is_made_again(folder, tmp_path):
    output = tmp_path / "out"
    config = config_of(folder, output, format="webdataset", sidecars=True)
    generate(config)
    (output / "data/train-000002.tar").unlink()
    (output / "data/train-000002.idx").write_text("old")
    generate(config)
    assert (output / "data/train-000002.idx").read_text() == expected_index(output / "data/train-000002.tar")


def test_a_licence_given_later_is_on_the_card(folder, tmp_path):
    generate(config_of(folder, tmp_path / "out"))
    generate(config_of(folder, tmp_path / "out", license="cc-by-4.0"))
    assert 'license: "cc-by-4.0"' in (tmp_path / "out/README.md").read_text()


@pytest.mark.parametrize("name", [" ", "two\nlines"])
def test_a_licence_is_a_name_on_one_line(folder, tmp_path, name):
    with pytest.raises(UsageError, match="--license"):
        config_of(folder, tmp_path, license=name)
