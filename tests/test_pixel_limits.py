"""What a set allows itself is not what its readers take: their own limit of pixels counts, unless more is asked for."""

from __future__ import annotations

import json
import resource
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from cutmix_gen import GenerateConfig, generate, open_dataset
from cutmix_gen.checking import verify
from cutmix_gen.checking.replay import replay
from cutmix_gen.cli import main
from cutmix_gen.errors import SetError
from cutmix_gen.storage import sha256
from cutmix_gen.visualize.report import write_report
from tests.sets import make_folder, reseal

SIDE = 20_000
MIXED = "0001-001-000000003"


def png(width: int, height: int) -> bytes:
    """Return a grayscale PNG of zeros, a thousandth as large as its pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(width + 1)) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("limits")
    folder = make_folder(root / "images", per_class=4, size=(20, 16))
    generate(
        GenerateConfig(
            source=folder, output=root / "out", backend="serial", max_pixels=10**9, mode="L", image_format="png"
        )
    )
    return root / "out"


@pytest.fixture
def bomb(made, tmp_path) -> Path:
    """Return a set with an image of 400 million pixels, and the recipe to it; records and seals are right."""
    output = Path(shutil.copytree(made, tmp_path / "out"))
    image = png(SIDE, SIDE)
    for shard in (0, 1):
        record = output / f".cutmix_gen/shards/{shard:06d}.json"
        path = output / json.loads(record.read_text())["file"]
        table = pq.read_table(path)
        rows = table.to_pylist()
        row = rows[3]
        row["image"]["bytes"] = image
        row["recipe"] = json.dumps(json.loads(row["recipe"]) | {"size": [SIDE, SIDE]})
        pq.write_table(
            pa.Table.from_pylist(rows, schema=table.schema),
            path,
            compression={name: "none" if "image" in name else "zstd" for name in leaves(path)},
        )
        reseal(record, bytes=path.stat().st_size, sha256=sha256(path))
    return output


def leaves(path: Path) -> list[str]:
    return [pq.ParquetFile(path).metadata.schema.column(n).path for n in range(len(pq.ParquetFile(path).schema))]


@pytest.mark.parametrize(
    "command",
    [
        ("verify", "OUT", "--deep", "-j", "1"),
        ("verify", "OUT", "--replay", "24", "-j", "1"),
        ("replay", "OUT", MIXED),
        ("grid", "OUT", "-o", "HERE/grid.png", "--key", MIXED),
        ("report", "OUT", "-o", "HERE/report.html"),
    ],
    ids=lambda command: " ".join(command[:1] + command[2:3]),
)
def test_a_set_that_allows_itself_a_thousand_million_pixels_takes_no_memory(bomb, tmp_path, command):
    words = [word.replace("OUT", str(bomb)).replace("HERE", str(tmp_path)) for word in command]

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (1_200_000_000, 1_200_000_000))

    done = subprocess.run(
        [sys.executable, "-m", "cutmix_gen", *words], capture_output=True, check=False, preexec_fn=limit, text=True
    )
    assert done.returncode in (1, 3), done.stderr
    said = done.stdout + done.stderr
    assert "400,000,000" in said
    assert "memory" not in said


def test_the_reader_takes_no_larger_image_unless_it_is_asked_for_by_name(made):
    for index in (0, 20):
        with pytest.raises(SetError, match=r"claims 320 pixels, more than --max-pixels allows \(100\)"):
            open_dataset(made, max_pixels=100)[index]
        assert open_dataset(made, max_pixels=320)[index].image.shape == (16, 20)
        with pytest.raises(SetError, match="claims 320 pixels"):
            open_dataset(made, max_pixels=100).originals()[0]


@pytest.mark.parametrize("deep", [False, True])
def test_verify_takes_no_larger_image_unless_it_is_asked_for_by_name(made, deep):
    problems = verify(made, deep=deep, jobs=1, max_pixels=100).problems
    assert len(problems) == 24
    assert all("320 pixels" in problem.problem for problem in problems)
    assert verify(made, deep=deep, jobs=1, max_pixels=320).ok


def test_a_replay_takes_no_larger_image_unless_it_is_asked_for_by_name(made):
    assert "320 pixels" in replay(made, MIXED, max_pixels=100).problem
    assert replay(made, MIXED, max_pixels=320).same


def test_a_report_takes_no_larger_image_unless_it_is_asked_for_by_name(made, tmp_path):
    with pytest.raises(Exception, match="320 pixels"):
        write_report(made, tmp_path / "report.html", max_pixels=100)
    assert write_report(made, tmp_path / "report.html", max_pixels=320)


@pytest.mark.parametrize("command", [("verify", "--deep", "-j", "1"), ("replay", MIXED), ("grid",), ("report",)])
def test_each_command_that_decodes_has_the_option(made, tmp_path, command):
    name, *words = command
    picture = ["-o", str(tmp_path / "out.png")] if name in ("grid", "report") else []
    for limit, codes in (("100", (1, 3)), ("320", (0,))):
        said = CliRunner().invoke(main, [name, str(made), *words, *picture, "--max-pixels", limit])
        assert said.exit_code in codes, said.output
        assert (limit == "320") != ("320 pixels" in said.output)
