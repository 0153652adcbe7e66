"""Imports go down only, and nothing below the command line speaks or exits."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import cutmix_gen

ROOT = Path(cutmix_gen.__file__).parent

FLOORS = {
    0: "errors fields streams machine layout ranges parsing records storage version libraries seals text facts "
    "quantities columns listing walk leftovers numbering",
    1: "masks pairing labels geometry mixing ownership recipe saliency permutation quotas tally codecs shards execute "
    "webdatasets parquet_images",
    2: "config config_values option source index manifest framing draws images exports drawing",
    3: "placement remaining ledger deletion plan archives card croissant sidecars space",
    4: "begin decide resolution parts samples produce reader epochs verify describe cropping gallery grid sketch "
    "preview report replay explain",
    5: "make conversion exporting loaders estimate batch words",
    6: "cli __main__ __init__",
}
"""The rooms of each floor: a module may import from its own floor and from those below, never from above."""

FLOOR_OF = {room: floor for floor, rooms in FLOORS.items() for room in rooms.split()}
MODULES = {path.relative_to(ROOT): ast.parse(path.read_text()) for path in sorted(ROOT.rglob("*.py"))}
SPEAKERS = {path for path in MODULES if path.parts[0] == "cli"}


def room_of(path):
    return path.parts[0].removesuffix(".py")


def dotted(path):
    parts = ("cutmix_gen", *path.with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree, only_top_level=False):
    """Give the full name of every module that a module imports, or might; inside functions too."""
    nodes = tree.body if only_top_level else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rooms_imported(tree):
    for name in imported(tree):
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


def test_every_room_has_a_floor():
    assert {room_of(path) for path in MODULES} <= FLOOR_OF.keys()


def test_a_room_imports_from_its_own_floor_and_from_below(path):
    above = {room for room in rooms_imported(MODULES[path]) if FLOOR_OF.get(room, 0) > FLOOR_OF[room_of(path)]}
    assert not above, f"{path} is on floor {FLOOR_OF[room_of(path)]}"


def test_no_two_modules_import_each_other():
    names = {dotted(path): path for path in MODULES}
    graph = {
        name: {other for other in imported(MODULES[path], only_top_level=True) if other in names and other != name}
        for name, path in names.items()
        if path.name != "__init__.py" or path.parent != Path()
    }
    list(TopologicalSorter(graph).static_order())


def test_only_the_command_line_imports_click(path):
    assert path in SPEAKERS or not any(name.partition(".")[0] == "click" for name in imported(MODULES[path]))


def test_only_the_command_line_speaks_and_exits(path):
    speaking = {"print", "exit", "quit", "input", "sys.exit", "os._exit", "sys.stdout.write", "sys.stderr.write"}
    # What ends there is a worker, when its parent was killed: there is no command line to tell any more.
    speaking -= {"os._exit"} if path == Path("execute/local.py") else set()
    assert path in SPEAKERS or not speaking & set(called(MODULES[path]))
    assert path in SPEAKERS or "SystemExit" not in ast.dump(MODULES[path])


def test_the_global_random_generator_is_never_used(path):
    names = {name for name in called(MODULES[path]) if name.startswith(("np.random.", "numpy.random."))}
    assert not names or path == Path("streams.py"), "streams.py names every stream"
    assert names <= {"np.random.default_rng", "np.random.SeedSequence"}
    assert "random" not in {name.partition(".")[0] for name in imported(MODULES[path])}
