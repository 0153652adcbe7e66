"""A store that is a folder of this machine, for tests in one process: files go the way that they go with any store."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyarrow.fs import LocalFileSystem

from cutmix_gen.storage import objects


class Buckets:
    """Every place `s3://BUCKET/PATH` is BUCKET/PATH in a folder; what is opened is noted.

    Parameters
    ----------
    root : Path
    monkeypatch : MonkeyPatch
    """

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.opened: list[str] = []
        monkeypatch.setattr(objects, "_opened", self._open)
        monkeypatch.setattr(objects, "_pause", lambda _: None)

    def _open(self, uri: str) -> tuple[LocalFileSystem, str]:
        self.opened.append(uri)
        bucket = uri.partition("://")[2].partition("?")[0].rpartition("@")[2]
        folder = self.root / bucket
        folder.mkdir(parents=True, exist_ok=True)
        return LocalFileSystem(), str(folder)

    def __truediv__(self, path: str) -> Path:
        return self.root / path
