"""Imports go down only, there is no circle, and nothing below the command line speaks or exits."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import cutmix_gen

ROOT = Path(cutmix_gen.__file__).parent

FLOORS = (
    "version errors text parsing shapes ranges",
    "storage machine",
    "shards execute codecs",
    "mixing",
    "config",
    "dataset",
    "sources",
    "generation checking",
    "__init__ visualize exports",
    "cli",
    "__main__",
)
"""The rooms, from the ground up. A room imports from the floors below its own, and from no room of its own floor."""

FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms.split()}

BY_NAME = {
    "__init__.py": "what everybody uses is imported when it is first used: --help starts without NumPy and Arrow",
    "cli/__init__.py": "a command is imported when it is given: none pays for what another one imports",
    "execute/__init__.py": "an engine is imported when it is used: its package may not be installed",
    "execute/cluster.py": "the package of a cluster is imported when it is used, and named once",
    "exports/__init__.py": "an export is imported when it is asked for: its package may not be installed",
    "shards/__init__.py": "a shard format is imported when it is used: Arrow is slow to import",
}
"""Modules that import others by a name that is worked out, and why."""

MODULES = {path.relative_to(ROOT): ast.parse(path.read_text()) for path in sorted(ROOT.rglob("*.py"))}
SPEAKERS = {path for path in MODULES if path.parts[0] == "cli"}


def room_of(path):
    return path.parts[0].removesuffix(".py")


def dotted(path):
    parts = ("cutmix_gen", *path.with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {dotted(path): path for path in MODULES}


def imported(tree):
    """Give the full name of every module that a module imports, in its functions and for its types too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in NAMES else node.module for name in inner)


def rooms_imported(path):
    for name in imported(MODULES[path]):
        top, _, rest = name.partition(".")
        if top == "cutmix_gen" and rest:
            yield rest.partition(".")[0]


def called(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


@pytest.fixture(params=MODULES, ids=str)
def path(request):
    return request.param


def test_every_room_has_a_floor_and_every_floor_its_rooms():
    assert {room_of(path) for path in MODULES} == FLOOR_OF.keys()


def test_a_room_imports_from_the_floors_below_its_own(path):
    room = room_of(path)
    others = {other for other in rooms_imported(path) if other in FLOOR_OF and other != room}
    assert all(FLOOR_OF[other] < FLOOR_OF[room] for other in others), f"{path} is on floor {FLOOR_OF[room]}"


def test_there_is_no_circle_of_modules():
    """Imports in functions and for types alone count as well."""
    graph = {name: NAMES.keys() & set(imported(MODULES[path])) - {name} for name, path in NAMES.items()}
    list(TopologicalSorter(graph).static_order())


def test_only_known_modules_import_by_a_name_that_is_worked_out():
    found = {path.as_posix() for path, tree in MODULES.items() if "import_module" in set(called(tree))}
    assert found == BY_NAME.keys()


def test_only_the_command_line_imports_click(path):
    assert path in SPEAKERS or not any(name.partition(".")[0] == "click" for name in imported(MODULES[path]))


def test_only_the_command_line_speaks_and_exits(path):
    speaking = {"print", "exit", "quit", "input", "sys.exit", "os._exit", "sys.stdout.write", "sys.stderr.write"}
    # What ends there is a worker, when its parent was killed: there is no command line to tell any more.
    speaking -= {"os._exit"} if path == Path("execute/local.py") else set()
    assert path in SPEAKERS or not speaking & set(called(MODULES[path]))
    assert path in SPEAKERS or "SystemExit" not in ast.dump(MODULES[path])


def test_every_generator_of_random_numbers_is_one_of_the_named_streams(path):
    names = {name for name in called(MODULES[path]) if name.startswith(("np.random.", "numpy.random."))}
    assert not names or path == Path("mixing/streams.py")
    assert names <= {"np.random.default_rng", "np.random.SeedSequence"}
    assert "random" not in {name.partition(".")[0] for name in imported(MODULES[path])}
