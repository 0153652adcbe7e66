"""From a set and the template of a framework to a script."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template

from cutmix_gen.errors import UsageError
from cutmix_gen.exports.loaders import LOADERS
from cutmix_gen.exports.loaders.set_facts import SetFacts, literal, set_facts
from cutmix_gen.storage import Place

_FOLDER = Path(__file__).parent
_PILLOW_MODES = {"RGB": "RGB", "L": "L", "I;16": "F"}
_DALI_TYPES = {"RGB": ("types.RGB", "types.UINT8"), "L": ("types.GRAY", "types.UINT8")}
_DALI_16_BIT = ("types.ANY_DATA", "types.UINT16")


def snippet(output: Place, framework: str) -> str:
    """Return a script that trains on a set with a framework, and needs nothing of this package.

    Parameters
    ----------
    output : Place
        The folder of the set; the script has it as it is written here.
    framework : str
        One of `LOADERS`.

    Raises
    ------
    SetError
        If there is no set, or it is not finished.
    UsageError
        If the framework does not read such a set.
    """
    facts = set_facts(output)
    body = Template(_template(framework, facts)).substitute(_parts(facts, framework))
    return _without_idle_imports(Template(body).substitute(_values(facts, framework)))


def _template(framework: str, facts: SetFacts) -> str:
    names = (f"{framework}_{facts.format}.txt", f"{framework}.txt")
    found = [path for name in names if (path := _FOLDER / "frameworks" / name).is_file()]
    if not found:
        raise UsageError(
            f"{framework} does not read {facts.format} shards, which {facts.root} has. Make a set of the other "
            "format from it with cutmix-gen convert, or take another framework."
        )
    if framework == "dali" and facts.format == "webdataset" and not facts.has_index_files:
        raise UsageError(
            f"DALI wants an index file beside each tar file, and {facts.root} has none. Write them with "
            f"cutmix-gen finalize {facts.root} --sidecars"
        )
    return found[0].read_text()


def _parts(facts: SetFacts, framework: str) -> dict[str, str]:
    """Return what templates have in common, by name; values come later, and stand for themselves here."""
    parts = {path.stem: path.read_text() for path in (_FOLDER / "parts").glob("*.txt")}
    kind = f"{facts.format}_{'dense' if facts.is_dense else 'sparse'}"
    parts["label"] = parts.get(f"label_{framework}_{kind}") or parts[f"label_{kind}"]
    parts["read"] = parts[f"read_{facts.format}"]
    return parts | {name: f"${name}" for name in _values(facts, framework)}


def _values(facts: SetFacts, framework: str) -> dict[str, str]:
    """Return what is particular to a set."""
    is_tar = facts.format == "webdataset"
    label_columns = ("soft_label",) if facts.is_dense else ("label_index", "label_weight")
    dali_type, dali_dtype = _DALI_TYPES.get(facts.mode, _DALI_16_BIT)
    return {
        "summary": facts.summary,
        "packages": LOADERS[framework] + ("" if is_tar or framework == "datasets" else ", pyarrow"),
        "root": literal(str(facts.root)),
        "split": literal(facts.split),
        "splits": ", ".join(facts.shards),
        "shards": "\n".join(facts.shard_lines()),
        "classes": "\n".join(f"    {literal(name)}," for name in facts.classes),
        "width": str(facts.size.width),
        "height": str(facts.size.height),
        "size_note": "width and height of all images" if facts.is_one_size else "they differ; all are brought to this",
        "channels": str(3 if facts.mode == "RGB" else 1),
        "extension": facts.extension,
        "label_columns": ", ".join(map(literal, label_columns)),
        "image_extension": facts.image_extension,
        "label_extension": "soft.npy" if facts.is_dense else "json",
        "key_column": "__key__" if is_tar else "key",
        "image_column": facts.image_extension if is_tar else "image",
        "pillow_mode": _PILLOW_MODES[facts.mode],
        "maximum": "65535" if facts.mode == "I;16" else "255",
        "largest": str(facts.largest),
        "dali_type": dali_type,
        "dali_dtype": dali_dtype,
        "dali_label": "fn.decoders.numpy(labels)" if facts.is_dense else "labels",
    }


def _without_idle_imports(script: str) -> str:
    """Leave out the imports that the script for this set does not use."""
    lines = script.splitlines(keepends=True)
    return "".join(line for line in lines if not _is_idle(line, script))


def _is_idle(line: str, script: str) -> bool:
    match = re.fullmatch(r"import (?:[\w.]+ as )?(\w+)\n", line)
    return match is not None and not re.search(rf"\b{match[1]}\.", script)
