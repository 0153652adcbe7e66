"""The seeds of the fuzz, made of the pictures in `samples/`: `python -m tests.fuzz.seeds` writes them anew."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from cutmix_gen import GenerateConfig, generate
from cutmix_gen.dataset import ledger
from cutmix_gen.dataset.manifest import Manifest
from cutmix_gen.mixing.strategies import STRATEGIES
from tests.fuzz.reading import CORPUS
from tests.images import exif_orientation, file_of
from tests.sets import reseal

SAMPLES = Path(__file__).parents[2] / "samples"
_SIDE = 16
"""Pixels: what a reader does depends on the form of a file, not on its size."""


def main() -> None:
    """Write all seeds."""
    shutil.rmtree(CORPUS, ignore_errors=True)
    pictures = _pictures()
    _write("images", _images(pictures[0]))
    _write("tars", _tars(pictures))
    _write("parquets", _parquets(pictures))
    _write("pairs", _pairs())
    for number, picture in enumerate(pictures[:4]):
        _write(f"sources/{'cat' if number % 2 else 'dog'}", {f"{number}.png": file_of(picture, "PNG")})
    for shards in ("parquet", "webdataset"):
        _make_set(shards)
    _write("settings", _settings())
    _write("recipes", _recipes())


def _write(folder: str, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        path = CORPUS / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _pictures() -> list[Image.Image]:
    names = sorted((SAMPLES / "photos").glob("*/*-01.jpg"))
    return [Image.open(name).convert("RGB").resize((_SIDE, _SIDE)) for name in names]


def _images(picture: Image.Image) -> dict[str, bytes]:
    gray, palette = picture.convert("L"), picture.quantize(16)
    more: dict[str, Any] = {"save_all": True, "append_images": [picture.rotate(90)]}
    return {
        "plain.jpg": file_of(picture, "JPEG"),
        "gray.jpg": file_of(gray, "JPEG"),
        "progressive.jpg": file_of(picture, "JPEG", progressive=True),
        "turned.jpg": file_of(picture, "JPEG", exif=exif_orientation(6)),
        "cmyk.jpg": file_of(picture.convert("CMYK"), "JPEG"),
        "plain.png": file_of(picture, "PNG"),
        "gray.png": file_of(gray, "PNG"),
        "palette.png": file_of(palette, "PNG", transparency=bytes(range(0, 256, 16))),
        "16 bit.png": file_of(Image.fromarray(_deep(gray)), "PNG"),
        "animated.png": file_of(picture, "PNG", **more),
        "plain.webp": file_of(picture, "WEBP"),
        "lossless.webp": file_of(picture.convert("RGBA"), "WEBP", lossless=True),
        "animated.webp": file_of(picture, "WEBP", **more),
        "plain.gif": file_of(palette, "GIF"),
        "animated.gif": file_of(picture, "GIF", **more),
        "plain.bmp": file_of(picture, "BMP"),
        "palette.bmp": file_of(palette, "BMP"),
        "plain.ppm": file_of(picture, "PPM"),
        "gray.pgm": file_of(gray, "PPM"),
        "raw.tif": file_of(picture, "TIFF"),
        "lzw.tif": file_of(picture, "TIFF", compression="tiff_lzw"),
        "jpeg.tif": file_of(picture, "TIFF", compression="jpeg"),
        "group4.tif": file_of(picture.convert("1"), "TIFF", compression="group4"),
        "pages.tif": file_of(picture, "TIFF", **more),
    }


def _deep(gray: Image.Image) -> Any:
    import numpy as np  # noqa: PLC0415  the only use of it

    return np.asarray(gray).astype(np.uint16) * np.uint16(257)


def _tar(members: dict[str, bytes], form: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    data = buffer.getvalue().rstrip(b"\0")
    return data + bytes(-len(data) % 512 + 1024)  # without what fills the last record


def _tars(pictures: list[Image.Image]) -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    for number, picture in enumerate(pictures[:3]):
        members[f"{number:03d}.jpg"] = file_of(picture, "JPEG")
        members[f"{number:03d}.cls"] = b"%d" % (number % 2)
    named = {f"images/{'a' * 120}.{name}": data for name, data in members.items()}
    texts = {name: data if name.endswith("jpg") else b"cat" for name, data in members.items()}
    kinds = members | {"000.json": b'{"width":16}', "000.txt": b"a cat"}
    return {
        "ustar.tar": _tar(members, tarfile.USTAR_FORMAT),
        "pax.tar": _tar(named, tarfile.PAX_FORMAT),
        "gnu.tar": _tar(named, tarfile.GNU_FORMAT),
        "names.tar": _tar(texts, tarfile.USTAR_FORMAT),
        "more kinds.tar": _tar(dict(sorted(kinds.items())), tarfile.USTAR_FORMAT),
    }


def _parquets(pictures: list[Image.Image]) -> dict[str, bytes]:
    files = [file_of(picture, "JPEG", quality=30) for picture in pictures[:4]]
    images = pa.array([{"bytes": data, "path": f"{number}.jpg"} for number, data in enumerate(files)])
    numbers, names = pa.array([0, 1, 0, 1]), pa.array(["cat", "dog", "cat", "dog"])
    features = {"image": {"_type": "Image"}, "label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}
    named = {"huggingface": json.dumps({"info": {"features": features}})}
    plain = pa.table({"image": images, "label": numbers}).replace_schema_metadata(named)
    tables: dict[str, tuple[pa.Table, dict[str, Any]]] = {
        "plain": (plain, {"compression": "none", "use_dictionary": False}),
        "zstd": (plain, {"compression": "zstd"}),
        "groups": (plain, {"row_group_size": 2, "data_page_version": "2.0", "compression": "snappy"}),
        "bytes": (pa.table({"image": pa.array(files), "label": names}), {"compression": "none"}),
        "dictionary": (pa.table({"image": images, "label": names.dictionary_encode()}), {}),
        "nulls": (
            pa.table({"image": pa.array([None, *images.to_pylist()[1:]]), "label": pa.array([0, None, 1, 1])}),
            {},
        ),
        "lists": (pa.table({"image": images, "label": pa.array([[0], [1], [0, 1], []])}), {}),
        "floats": (pa.table({"image": images, "label": pa.array([0.0, 1.0, float("nan"), -1.0])}), {}),
        "integers": (pa.table({"image": numbers, "label": numbers}), {}),
    }
    return {f"{name}.parquet": _parquet(table, options) for name, (table, options) in tables.items()}


def _parquet(table: pa.Table, options: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **options)
    return buffer.getvalue()


def _pairs() -> dict[str, bytes]:
    return {
        "plain.csv": b"class_a,class_b,count\ncat,dog,3\ndog,cat,2\ncat,cat,1\n",
        "quoted.csv": b'"cat","dog",3\r\n"dog" , "cat",20\r\n',
        "marked.csv": b"\xef\xbb\xbfcat,dog,5\n\n",
    }


def set_config(output: Path, source: Path = CORPUS / "sources", **options: Any) -> GenerateConfig:
    """Return the settings of a set that lies among the seeds; it is called by its shard format."""
    settings: dict[str, Any] = {
        "format": output.name,
        "strategy": ("cutmix", "patches"),
        "num_samples": 3,
        "max_pixels": 1 << 20,
        "backend": "serial",
        "image_format": "jpeg",
        "quality": 50,
        "codec": "pillow",
        "sidecars": True,
        "license": "cc-by-4.0",
    }
    return GenerateConfig(source=source, output=output, **settings | options)


def _make_set(shards: str) -> None:
    """Make a set of two runs with everything that a set may have, the copy of its records too."""
    output = CORPUS / f"sets/{shards}"
    worth_it, ledger.WORTH_IT = ledger.WORTH_IT, 1
    try:
        generate(set_config(output))
        generate(set_config(output, append=True, seed=1))
    finally:
        ledger.WORTH_IT = worth_it
    for run in Manifest(output).run_numbers():
        reseal(
            Manifest(output).run_path(run), source="sources", source_state="0" * 64
        )  # no seed tells where it was made, or when


def _settings() -> dict[str, bytes]:
    run = json.loads((CORPUS / "sets/parquet/.cutmix_gen/runs/0001.json").read_bytes())
    return {
        "plain.toml": b'# Options\nsize = 224\ncopies = 2.5\nstrategy = ["cutmix", "patches:2"]\noriginals = false\n'
        b'mix-option = "grid=4"\nlam-range = "0.2,0.8"\nmax-failures = "5%"\nslice = "0/4"\nlicense = "cc-by-4.0"\n',
        "fit.toml": b'size = "32x24"\nfit = "random-resized-crop"\nscale = "0.2,1"\naspect = "3/4,4/3"\nhflip = 0.5\n'
        b'num-samples = 100\nimage-format = "webp"\nquality = 80\nmode = "RGB"\nshard-size = 100\nseed = 7\njobs = 2\n',
        "run.json": json.dumps(run).encode(),
    }


def _recipes() -> dict[str, bytes]:
    """Return a recipe of each strategy."""
    found: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in STRATEGIES:
            output = Path(folder, name)
            generate(GenerateConfig(source=CORPUS / "sources", output=output, strategy=(name,), backend="serial"))
            for path in sorted((output / "data").iterdir()):
                for text in pq.read_table(path, columns=["recipe"])["recipe"].to_pylist():
                    found[f"{json.loads(text)['strategy']}.json"] = text.encode()
    return found


if __name__ == "__main__":
    os.umask(0o022)
    main()
