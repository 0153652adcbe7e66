"""The dataset card: a README.md that people read and that `datasets.load_dataset` takes its bearings from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from cutmix_gen.dataset.croissant import croissant_text
from cutmix_gen.dataset.info import RunInfo, SetInfo
from cutmix_gen.dataset.layout import CARD, METADATA, shard_pattern
from cutmix_gen.dataset.ledger import Ledger
from cutmix_gen.dataset.manifest import Manifest
from cutmix_gen.dataset.records import ShardRecord
from cutmix_gen.errors import SetError
from cutmix_gen.shards.rows import FIELDS
from cutmix_gen.storage import put_bytes
from cutmix_gen.version import __version__


def write_card(manifest: Manifest, records: list[ShardRecord] | None = None) -> None:
    """Write the card of a set, and the same facts for machines.

    Parameters
    ----------
    manifest : Manifest
    records : list of ShardRecord, optional
        All that the set has, as `told_of` gives them, from whoever has read them already.
    """
    for name, content in card_files(manifest, records):
        put_bytes(manifest.root / name, content)


def card_files(manifest: Manifest, records: list[ShardRecord] | None = None) -> Iterator[tuple[str, bytes]]:
    """Give name and content of the files that `write_card` writes."""
    info, runs = manifest.read_set(), manifest.runs()
    records = told_of(Ledger(manifest).records()) if records is None else records
    license_name = manifest.read_license()
    yield CARD, card_text(info, runs, records, license_name).encode()
    splits = list(_by_split(runs, records))
    yield METADATA, croissant_text(info, records, splits, license_name).encode()


def told_of(records: Iterable[ShardRecord]) -> list[ShardRecord]:
    """Return what a card tells of records: not the number for each class, which would take gigabytes together."""
    return [replace(record, class_weight=[]) for record in records]


def card_text(info: SetInfo, runs: list[RunInfo], records: list[ShardRecord], license_name: str = "") -> str:
    """Return the card: YAML that names the files, splits and features, and a short text for people."""
    originals = sum(record.samples for record in records if record.kind == "original")
    mixed = sum(record.samples for record in records if record.kind == "cutmix")
    planned = sum(run.shards for run in runs)
    unfinished = (
        "" if len(records) == planned else f"\n\n**Unfinished:** {planned - len(records)} shards are still to be made."
    )
    license_line = [f"license: {_quoted(license_name)}"] if license_name else []
    head = ["---", *license_line, *_yaml(info, runs, records), "---"]
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
    return f"- run {run.number}, of {run.num_images:,} source images: `{run.config_in(Path('out')).chosen_options()}`"


def _by_split(runs: list[RunInfo], records: list[ShardRecord]) -> dict[str, list[ShardRecord]]:
    split_of = {run.number: str(run.config["split"]) for run in runs}
    splits: dict[str, list[ShardRecord]] = defaultdict(list)
    for record in records:
        if record.run not in split_of:
            raise SetError(f"The record of {record.file} is of run {record.run}, which the set has not.")
        splits[split_of[record.run]].append(record)
    return splits


def _yaml(info: SetInfo, runs: list[RunInfo], records: list[ShardRecord]) -> list[str]:
    """Return the lines of the YAML block; texts are quoted, whatever they hold."""
    configs = {"default": _by_split(runs, records)}
    for config, kind in (("original_only", "original"), ("cutmix_only", "cutmix")):
        chosen = [record for record in records if record.kind == kind]
        if 0 < len(chosen) < len(records):
            configs[config] = _by_split(runs, chosen)
    is_complete = len(records) == sum(run.shards for run in runs)
    features = _webdataset_features(info) if info.shard_format == "webdataset" else _parquet_features(info)
    lines = ["configs:"]
    for config, splits in configs.items():
        lines += [f"- config_name: {config}", "  data_files:"]
        for split, of_split in splits.items():
            lines += [f"  - split: {_quoted(split)}", *_paths(info, split, of_split, everything=config == "default")]
    lines.append("dataset_info:")
    for config, splits in configs.items():
        lines.append(f"- config_name: {config}")
        # The features are said once, however many classes there are.
        lines += ["  features: &features", *features] if config == "default" else ["  features: *features"]
        if is_complete:  # otherwise readers would compare the counts with what they find, and more is being made
            lines += _counts(splits)
    return lines


def _paths(info: SetInfo, split: str, records: list[ShardRecord], *, everything: bool) -> list[str]:
    if everything:
        return [f'    path: "{shard_pattern(split, "*", info.shard_extension)}"']
    patterns = number_patterns(sorted(record.shard for record in records))
    return ["    path:", *(f'    - "{shard_pattern(split, pattern, info.shard_extension)}"' for pattern in patterns)]


def _counts(splits: dict[str, list[ShardRecord]]) -> list[str]:
    lines = ["  splits:"]
    for split, records in splits.items():
        lines += [
            f"  - name: {_quoted(split)}",
            f"    num_bytes: {sum(record.bytes for record in records)}",
            f"    num_examples: {sum(record.samples for record in records)}",
        ]
    return lines


def number_patterns(numbers: list[int]) -> list[str]:
    """Return file name patterns for ascending shard numbers: a few, however many numbers there are in a row.

    >>> number_patterns([*range(8, 120), 200])
    ['00000[8-9]', '0000[1-9][0-9]', '0001[0-1][0-9]', '000200']
    """
    patterns: list[str] = []
    for _, group in groupby(enumerate(numbers), key=lambda each: each[1] - each[0]):
        row = [number for _, number in group]
        first, last = row[0], row[-1]
        while first <= last:
            text = f"{first:06d}"
            stop = min(last, 10 ** len(text) - 1)  # numbers of more digits have names of more digits
            patterns += _cover(text, str(stop).zfill(len(text)))
            first = stop + 1
    return patterns


def _cover(first: str, last: str) -> list[str]:
    """Return patterns for all numbers of so many digits from the first to the last."""
    rest = len(first) - 1
    if first == last:
        return [first]
    if first[0] == last[0]:
        return [first[0] + pattern for pattern in _cover(first[1:], last[1:])]
    low, high, begin, end = int(first[0]), int(last[0]), [], []
    if first[1:] != "0" * rest:
        begin = [first[0] + pattern for pattern in _cover(first[1:], "9" * rest)]
        low += 1
    if last[1:] != "9" * rest:
        end = [last[0] + pattern for pattern in _cover("0" * rest, last[1:])]
        high -= 1
    middle = [(f"[{low}-{high}]" if low < high else str(low)) + "[0-9]" * rest] if low <= high else []
    return [*begin, *middle, *end]


def _quoted(text: str) -> str:
    """Return a text as a double-quoted scalar of YAML 1.1, which has no surrogate pairs as JSON has."""
    plain = (char if char.isprintable() and char not in '"\\' else f"\\U{ord(char):08x}" for char in text)
    return '"' + "".join(plain) + '"'


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
    """Return the features that have the same form in both shard formats."""
    lines = []
    for field in FIELDS:
        if field.name not in ("key", "image", "label", "soft_label"):
            lines.append(f"{indent}- name: {field.name}")
            lines += [f"{indent}  {'  ' * depth}sequence:" for depth in range(len(field.shape) - 1)]
            inner = indent + "  " * len(field.shape[1:])
            lines.append(f"{inner}  {'sequence' if field.shape else 'dtype'}: {field.kind}")
    return lines
