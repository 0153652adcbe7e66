"""The fields of what commands print with --json, as the code describes them; run it to write them into README.md."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_type_hints

from cutmix_gen.cli.answers import ANSWERS

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- fields: python -m tests.fields -->\n", "<!-- end of fields -->\n"


class Described(NamedTuple):
    """A field of an object."""

    name: str
    meaning: str
    inner: type | None
    """The kind of object that it holds, one or a list."""


def described(kind: type) -> list[Described]:
    """Return the fields of a dataclass, with what stands under them in the code."""
    meanings = _meanings(kind)
    hints = get_type_hints(kind)
    return [Described(item.name, meanings[item.name], _inner(hints[item.name])) for item in fields(kind)]


def answer_fields(command: str) -> list[Described]:
    """Return the fields of what a command prints."""
    return [each for name in ANSWERS[command] for each in described(_found(name))]


def _found(name: str) -> type:
    module, _, kind = name.rpartition(".")
    found: type = getattr(import_module(module), kind)
    return found


def _meanings(kind: type) -> dict[str, str]:
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    meanings = {}
    for item, after in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(item, ast.AnnAssign) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            meanings[item.target.id] = " ".join(after.value.value.split())
    return meanings


def _inner(hint: Any) -> type | None:
    return next((each for each in (hint, *get_args(hint)) if is_dataclass(each)), None)


def lines() -> Iterator[str]:
    """Give a table of all fields."""
    yield from ("| field | meaning |", "|---|---|")
    for command in ANSWERS:
        yield f"| **`{command}`** | |"
        yield from _rows(answer_fields(command), "")


def _rows(found: list[Described], before: str) -> Iterator[str]:
    for each in found:
        meaning = each.meaning.replace("|", "\\|").removesuffix(".")
        yield f"| `{before}{each.name}` | {meaning[0].lower() + meaning[1:]} |"
        if each.inner:
            yield from _rows(described(each.inner), f"{before}{each.name}.")


def written(text: str) -> str:
    """Return the text of README.md with the table in its place."""
    before, _, rest = text.partition(BEGIN)
    table = "\n".join(lines())
    return f"{before}{BEGIN}\n{table}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    README.write_text(written(README.read_text()))
