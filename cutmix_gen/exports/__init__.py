"""Other forms for a set's samples: one file each, one line each in the registry."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from cutmix_gen.exports.base import Export

__all__ = ["EXPORTS", "Export", "make_export"]

EXPORTS = {
    "imagefolder": "ImageFolder",
    "tfrecord": "TFRecord",
}
"""Every form: the module of this package that holds it, and its class there. Imported when it is used."""


def make_export(name: str) -> Export:
    """Return a form by name.

    Raises
    ------
    UsageError
        If it needs a library that is not installed.
    """
    return cast(Export, getattr(import_module(f"{__name__}.{name}"), EXPORTS[name])())
