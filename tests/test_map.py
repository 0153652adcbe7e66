"""The map of the package, `cutmix_gen/README.md`, speaks of what is there."""

from __future__ import annotations

import re
from pathlib import Path

import cutmix_gen
from tests.test_imports import FLOORS

ROOT = Path(cutmix_gen.__file__).parent
MAP = (ROOT / "README.md").read_text()
PATHS = re.findall(r"`((?:[a-z_]+/)*[a-z_]+(?:\.py|/))`", MAP)


def test_every_path_on_the_map_is_there():
    assert len(PATHS) > 40
    assert [path for path in PATHS if not ((ROOT / path).exists() or (ROOT.parent / path).exists())] == []


def test_every_room_is_on_the_map():
    rooms = {path.name for path in ROOT.iterdir() if (path / "__init__.py").is_file()}
    assert rooms <= {path.strip("/") for path in PATHS}


def test_the_map_has_the_floors_of_the_test():
    table = MAP.partition("| floor |")[2].partition("\n\n")[0].splitlines()[2:]
    floors = [set(re.findall(r"`([a-z_]+)(?:\.py|/)?`", line.split("|")[2])) for line in table]
    assert floors == [set(rooms.split()) - {"__init__", "__main__"} for rooms in FLOORS[:-1]]
