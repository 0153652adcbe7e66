from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import cutmix_gen

MODULES = ["cutmix_gen", *(module.name for module in pkgutil.walk_packages(cutmix_gen.__path__, "cutmix_gen."))]


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_the_examples_in_docstrings_are_true(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples():
    examples = [
        doctest.DocTestFinder().find(importlib.import_module(f"cutmix_gen.{name}")) for name in ("mixing.batch", "text")
    ]
    assert all(any(test.examples for test in tests) for tests in examples)
