"""The targets of the fuzz: each is one reader of this program, and what its inputs are made of."""

from __future__ import annotations

from tests.fuzz import mending
from tests.fuzz.mending import Mend
from tests.fuzz.pictures import image_reader, source_reader
from tests.fuzz.reading import Target
from tests.fuzz.sets import HOME, replay_reader, set_reader, write, write_copy, write_index, write_shard
from tests.fuzz.settings import pairs_reader, relabel_reader, settings_reader

_JSON = (b'"', b"{", b"}", b"[", b"]", b":", b",", b"\\ud800", b"\\u0000", b"Infinity", b"1E999", b'"seal":"0"}')
_TAR = (
    *(b"ustar\x0000", b"ustar  \0", b"77777777777\0", b"\x80" + bytes(11), b"\xff" * 12, b"L", b"x", b"g", b"S", b"5"),
    *(b"30 GNU.sparse.major=1\n", b"22 size=99999999999999\n", b".cls", b".jpg", b".json", b"../"),
)
_PARQUET = (
    *(b"PAR1", b"\x15\x00", b"\x15\xfe\xff\xff\xff\x0f", b"\x19\xfc", b"\xff\xff\xff\xff\x07", b"huggingface"),
    *(b"ARROW:schema", b"names", b'{"info":'),
)
_IMAGE = (
    *(b"\xff\xd8\xff", b"\xff\xc0", b"\xff\xc4", b"\xff\xda", b"\xff\xd9", b"\xff\xe1", b"Exif\0\0II*\0", b"MPF\0"),
    *(b"IHDR", b"IDAT", b"tRNS", b"eXIf", b"acTL", b"RIFF", b"VP8X", b"ANMF", b"GIF89a", b"II*\0", b"MM\0*", b"BM"),
    b"P6",
)
_TOML = (
    *(b"=", b"[", b"]", b"[[a]]\n", b"a.b.c.d = 1\n", b"'''", b'"""', b"inf", b"nan", b"1979-05-27", b"0x"),
    *(b"size = ", b"copies = 1e305\n", b"seed = -1\n", b'slice = "0/99999999999999999999"\n', b'pairs = "a.csv"\n'),
)


def _set_target(name: str, mend: Mend = mending.nothing, words: tuple[bytes, ...] = _JSON) -> Target:
    return Target((f"sets/*/{name}",), set_reader(name, write), mend, words)


TARGETS: dict[str, Target] = {
    "image, pillow": Target(("images/*",), image_reader("pillow"), mending.png, _IMAGE),
    "image, turbo": Target(("images/*",), image_reader("turbo"), mending.png, _IMAGE),
    "source, tar": Target(("tars/*",), source_reader("a.tar"), mending.tar, _TAR),
    "source, parquet": Target(("parquets/*",), source_reader("a.parquet"), words=_PARQUET),
    "shard, parquet": Target(
        ("sets/parquet/data/train-000001.parquet",),
        set_reader("train-000001", write_shard, "parquet"),
        words=_PARQUET,
    ),
    "shard, tar": Target(
        ("sets/webdataset/data/train-000001.tar",),
        set_reader("train-000001", write_shard, "webdataset"),
        mending.tar,
        _TAR,
    ),
    "dataset.json": _set_target(f"{HOME}/dataset.json"),
    "dataset.json, sealed": _set_target(f"{HOME}/dataset.json", mending.seal),
    "run": _set_target(f"{HOME}/runs/0001.json"),
    "run, sealed": _set_target(f"{HOME}/runs/0001.json", mending.seal),
    "record": _set_target(f"{HOME}/shards/000001.json"),
    "record, sealed": _set_target(f"{HOME}/shards/000001.json", mending.seal),
    "licence, sealed": _set_target(f"{HOME}/card.json", mending.seal),
    "card": _set_target("README.md", words=(b"---", b"- ", b": ", b"\xff", b"{", b"|")),
    "list of shards": _set_target("shards.json"),
    "copy of records": Target(
        (f"sets/*/{HOME}/records.parquet",), set_reader(f"{HOME}/records.parquet", write_copy), words=_PARQUET
    ),
    "source index": Target(
        (f"sets/*/{HOME}/runs/0001.arrow",),
        set_reader(f"{HOME}/runs/0001.arrow", write_index),
        words=(b"ARROW1", b"\xff\xff\xff\xff", b"\0\0\0\0"),
    ),
    "recipe, relabel": Target(("recipes/*",), relabel_reader, words=_JSON),
    "recipe, replay": Target(("recipes/*",), replay_reader, words=_JSON),
    "settings, TOML": Target(("settings/*.toml",), settings_reader("a.toml"), words=_TOML),
    "settings, JSON": Target(("settings/*.json",), settings_reader("a.json"), words=_JSON),
    "pairs": Target(("pairs/*",), pairs_reader, words=(b",", b'"', b"cat,dog,", b"count", b"\n", b"\xef\xbb\xbf")),
}
"""Every reader, by name."""
