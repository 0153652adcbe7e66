"""The dataset card: a README.md that people read and that `datasets.load_dataset` takes its bearings from."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from cutmix_gen.config import GenerateConfig
from cutmix_gen.manifest import Manifest, RunInfo, SetInfo
from cutmix_gen.records import ShardRecord
from cutmix_gen.storage import parse_place, put_bytes
from cutmix_gen.version import __version__


def write_card(manifest: Manifest) -> None:
    """Write the card of a set from its records."""
    info, runs, records = manifest.read_set(), manifest.runs(), list(manifest.records())
    put_bytes(manifest.root / "README.md", card_text(info, runs, records).encode())


def card_text(info: SetInfo, runs: list[RunInfo], records: list[ShardRecord]) -> str:
    """Return the card: YAML that names the files, splits and features, and a short text for people."""
    split_of = {run.number: str(run.config["split"]) for run in runs}
    splits: dict[str, list[ShardRecord]] = defaultdict(list)
    for record in records:
        splits[split_of[record.run]].append(record)
    originals = sum(record.samples for record in records if record.kind == "original")
    mixed = sum(record.samples for record in records if record.kind == "cutmix")
    planned = sum(run.shards for run in runs)
    unfinished = (
        "" if len(records) == planned else f"\n\n**Unfinished:** {planned - len(records)} shards are still to be made."
    )
    head = ["---", *_yaml(info, splits, planned), "---"]
    strategies = sorted({name for record in records if record.kind == "cutmix" for name in record.strategies})
    body = f"""
# A training set with CutMix samples

{originals:,} original images and {mixed:,} mixed ones ({", ".join(strategies) or "none"}) of {len(info.classes):,}
classes, {info.mode} as {info.image_format.upper()}, in {len(records):,} {info.shard_format} shards. Each sample has an
exact soft label: the share of the pixels that each source image owns.{unfinished}

| field | meaning |
|---|---|
| `label` | class of the largest share |
| `soft_label` | a weight for each class, sums to 1{"" if info.dense_labels else " (left out: too many classes)"} |
| `label_index`, `label_weight` | class and share of each source image, base first |
| `synthetic`, `strategy` | whether and how the sample was mixed |
| `lam`, `lam_drawn` | share that the base owns, and the value that was drawn for it |
| `sources`, `boxes` | the source images, and where each donor shows: `[x1, y1, x2, y2]`, half open |
| `recipe` | all that it takes to make the sample again |

In a WebDataset, `label` is `KEY.cls`, `soft_label` is `KEY.soft.npy`, and `KEY.json` has the other fields.

Made with cutmix-gen {__version__}, {len(runs)} run{"s" if len(runs) > 1 else ""}:

{chr(10).join(_run_text(run) for run in runs)}
"""
    return "\n".join(head) + "\n" + body


def _run_text(run: RunInfo) -> str:
    config = GenerateConfig(source=parse_place(run.source), output=Path("out"), **run.config)
    return f"- run {run.number}, of {run.num_images:,} source images: `{config.chosen_options()}`"


def _yaml(info: SetInfo, splits: dict[str, list[ShardRecord]], planned: int) -> list[str]:
    """Return the lines of the YAML block; texts are quoted, whatever they hold."""
    lines = ["configs:", "- config_name: default", "  data_files:"]
    for split in splits:
        lines += [f"  - split: {_quoted(split)}", f'    path: "data/{split}-*.{info.shard_extension}"']
    lines += ["dataset_info:", "  features:"]
    lines += _webdataset_features(info) if info.shard_format == "webdataset" else _parquet_features(info)
    if sum(map(len, splits.values())) < planned:
        return lines  # readers compare the counts with what they find, and more is being made
    lines.append("  splits:")
    for split, records in splits.items():
        lines += [
            f"  - name: {_quoted(split)}",
            f"    num_bytes: {sum(record.bytes for record in records)}",
            f"    num_examples: {sum(record.samples for record in records)}",
        ]
    return lines


def _quoted(text: str) -> str:
    """Return a text as a double-quoted scalar of YAML 1.1, which has no surrogate pairs as JSON has."""
    plain = (char if char.isprintable() and char not in '"\\' else f"\\U{ord(char):08x}" for char in text)
    return '"' + "".join(plain) + '"'


_PLAIN = (
    "label_index",
    "label_weight",
    "synthetic",
    "strategy",
    "lam",
    "lam_drawn",
    "sources",
    "boxes",
    "recipe",
)
_TYPES = {
    "label_index": "sequence: int32",
    "label_weight": "sequence: float32",
    "synthetic": "dtype: bool",
    "strategy": "dtype: string",
    "lam": "dtype: float32",
    "lam_drawn": "dtype: float32",
    "sources": "sequence: string",
    "recipe": "dtype: string",
}


def _parquet_features(info: SetInfo) -> list[str]:
    lines = ["  - name: key", "    dtype: string", "  - name: image", "    dtype: image", "  - name: label"]
    lines += _class_names(info)
    if info.dense_labels:
        lines += ["  - name: soft_label", "    sequence: float32"]
    return lines + _plain_features("  ")


def _webdataset_features(info: SetInfo) -> list[str]:
    extension = info.schema.extension
    lines = [f"  - name: {extension}", "    dtype: image", "  - name: cls", *_class_names(info)]
    if info.dense_labels:
        lines += ["  - name: soft.npy", "    sequence: float32"]
    lines += [
        "  - name: json",
        "    struct:",
        "    - name: key",
        "      dtype: string",
        *_plain_features("    "),
    ]
    return [*lines, "  - name: __key__", "    dtype: string", "  - name: __url__", "    dtype: string"]


def _class_names(info: SetInfo) -> list[str]:
    names = [f"          '{number}': {_quoted(name)}" for number, name in enumerate(info.classes)]
    return ["    dtype:", "      class_label:", "        names:", *names]


def _plain_features(indent: str) -> list[str]:
    lines = []
    for name in _PLAIN:
        lines.append(f"{indent}- name: {name}")
        if name == "boxes":
            lines += [f"{indent}  sequence:", f"{indent}    sequence: int32"]
        else:
            lines.append(f"{indent}  {_TYPES[name]}")
    return lines
