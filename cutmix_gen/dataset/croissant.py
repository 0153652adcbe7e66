"""Croissant metadata: what the set holds, for machines (format specification 1.0, MLCommons 2024)."""

from __future__ import annotations

import json
from typing import Any

from cutmix_gen.dataset.info import SetInfo
from cutmix_gen.dataset.layout import shard_pattern
from cutmix_gen.dataset.records import ShardRecord
from cutmix_gen.shards.rows import FIELDS, Field, fields_of
from cutmix_gen.version import __version__

_VERSION = "http://mlcommons.org/croissant/1.0"

_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The names of version 1.0, as every Croissant file has them."""

_KINDS = {
    "string": "sc:Text",
    "image": "sc:ImageObject",
    "bool": "sc:Boolean",
    "int32": "sc:Integer",
    "int64": "sc:Integer",
    "float32": "sc:Float",
}
_MIME = {"jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp"}


def croissant_text(info: SetInfo, records: list[ShardRecord], splits: list[str], license_: str) -> str:
    """Return the metadata as JSON-LD.

    Parameters
    ----------
    info : SetInfo
    records : list of ShardRecord
        Of the committed shards.
    splits : list of str
    license_ : str
        Empty where nothing is known.
    """
    samples = sum(record.samples for record in records)
    distribution, record_sets = _DESCRIBE[info.shard_format](info, records, splits)
    facts: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": "cutmix-gen-set",
        "description": f"{samples:,} images of {len(info.classes):,} classes, originals and CutMix samples made from "
        "them, with exact soft labels.",
        "conformsTo": _VERSION,
        **({"license": license_} if license_ else {}),
        "keywords": ["image classification", "CutMix", "soft labels", f"cutmix-gen {__version__}"],
        "distribution": distribution,
        "recordSet": [_classes(info), *record_sets],
    }
    return json.dumps(facts, indent=1, ensure_ascii=False) + "\n"


Described = tuple[list[dict[str, Any]], list[dict[str, Any]]]
"""The files and the record sets."""


def _parquet(info: SetInfo, _records: list[ShardRecord], splits: list[str]) -> Described:
    """Describe Parquet files: one file set, a column for each field."""
    fields = []
    for field in fields_of(dense=info.dense_labels):
        source: dict[str, Any] = {"fileSet": {"@id": "shards"}, "extract": {"column": field.name}}
        if field.name == "image":
            source["transform"] = {"jsonPath": "bytes"}
        fields.append(_field("samples", field, source))
    shards = _file_set("shards", "application/x-parquet", [shard_pattern(split, "*", "parquet") for split in splits])
    return [shards], [_record_set("samples", fields)]


def _webdataset(info: SetInfo, records: list[ShardRecord], _splits: list[str]) -> Described:
    """Describe tar files one by one, as archives have to be, and for each kind of member a set of records by key."""
    archives = [
        {
            "@type": "cr:FileObject",
            "@id": record.file,
            "name": record.file,
            "contentUrl": record.file,
            "contentSize": f"{record.bytes} B",
            "encodingFormat": "application/x-tar",
            "sha256": record.sha256,
        }
        for record in records
    ]
    inside = {"containedIn": [{"@id": record.file} for record in records]}
    key, image, label, _, *others = FIELDS
    text = f"All other fields as one JSON object: {', '.join(field.name for field in others)}."
    members = (
        ("images", info.schema.extension, _MIME[info.image_format], image),
        ("labels", "cls", "text/plain", label),
        ("fields", "json", "text/plain", Field("fields", "string", (), text)),
    )
    file_sets, record_sets = [], []
    for name, extension, mime, field in members:
        file_set = f"{name}-members"
        file_sets.append(_file_set(file_set, mime, [f"*.{extension}"]) | inside)
        source = {"fileSet": {"@id": file_set}}
        stem = {"extract": {"fileProperty": "filename"}, "transform": {"regex": r"^([^.]*)\..*$"}}
        content = source | {"extract": {"fileProperty": "content"}}
        record_sets.append(_record_set(name, [_field(name, key, source | stem), _field(name, field, content)]))
    return [*archives, *file_sets], record_sets


_DESCRIBE = {"parquet": _parquet, "webdataset": _webdataset}


def _file_set(name: str, mime: str, includes: list[str]) -> dict[str, Any]:
    return {"@type": "cr:FileSet", "@id": name, "name": name, "encodingFormat": mime, "includes": includes}


def _record_set(name: str, fields: list[dict[str, Any]]) -> dict[str, Any]:
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "field": fields}


def _field(record_set: str, field: Field, source: dict[str, Any]) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{record_set}/{field.name}",
        "name": field.name,
        "description": field.text,
        "dataType": _KINDS[field.kind],
        "source": source,
        **({"repeated": True} if field.shape else {}),
    }


def _classes(info: SetInfo) -> dict[str, Any]:
    columns = {"number": "sc:Integer", "name": "sc:Text"}
    return {
        "@type": "cr:RecordSet",
        "@id": "classes",
        "name": "classes",
        "description": "The classes, by the number that labels have.",
        "dataType": "sc:Enumeration",
        "key": {"@id": "classes/number"},
        "field": [
            {"@type": "cr:Field", "@id": f"classes/{name}", "name": name, "dataType": kind}
            for name, kind in columns.items()
        ],
        "data": [{"classes/number": number, "classes/name": name} for number, name in enumerate(info.classes)],
    }
