"""The package: names, versions, the program, and the examples in docstrings and the book."""

from __future__ import annotations

import doctest
import importlib
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import artvcs as art
import pytest

ROOT = Path(__file__).parents[2]
MODULES = [
    "artvcs",
    "artvcs._bin",
    "artvcs._calls",
    "artvcs.compat.dstack.artifacts",
    "artvcs.compat.polyaxon.client",
    "artvcs.compat.polyaxon.tracking",
    "artvcs.errors",
    "artvcs.records",
    "artvcs.repository",
    "artvcs.run",
    "artvcs.snapshot",
    "artvcs.versions",
]


def test_the_versions_of_the_packages_and_the_program_are_equal() -> None:
    shown = subprocess.run([art.find_art_bin(), "--version"], capture_output=True, text=True)
    assert shown.stdout.split()[1] == art.__version__
    for manifest in ("Cargo.toml", "python/Cargo.toml"):
        text = (ROOT / manifest).read_text()
        assert re.findall(r'^version = "(.*)"', text, re.M) == [art.__version__]


def test_the_module_runs_the_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "artvcs", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("art ")


def test_the_package_is_typed_and_its_names_exist() -> None:
    assert (Path(art.__file__).parent / "py.typed").is_file()
    for name in art.__all__:
        assert hasattr(art, name)


def test_every_public_name_has_a_docstring() -> None:
    for module in map(importlib.import_module, MODULES):
        for name in module.__dict__.get("__all__", []):
            one = getattr(module, name)
            if isinstance(one, type | types.FunctionType):
                assert one.__doc__, f"{module.__name__}.{name}"
            if isinstance(one, type) and one.__module__.startswith("artvcs"):
                for inner, value in vars(one).items():
                    if not inner.startswith("_") and (callable(value) or hasattr(value, "__get__")):
                        assert value.__doc__, f"{module.__name__}.{name}.{inner}"


def run_examples(text: str, name: str) -> None:
    """Runs the examples of `text`, with no state of another text."""
    test = doctest.DocTestParser().get_doctest(text, {}, name, name, 0)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    report: list[str] = []
    runner.run(test, out=report.append)
    assert not runner.failures, "".join(report)


def examples() -> list[tuple[str, str]]:
    """Returns the docstrings with examples."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = []
    for name in MODULES:
        for test in finder.find(importlib.import_module(name), name):
            if test.examples and test.docstring:
                found.append((test.name, test.docstring))
    return found


@pytest.mark.parametrize(("name", "text"), examples())
def test_the_examples_of_docstrings_run(name: str, text: str) -> None:
    run_examples(text, name)


BLOCK = re.compile(r"^```(?:python|pycon)\n(.*?)^```", re.M | re.S)


@pytest.mark.parametrize("page", ["README.md", "book/src/python/guide.md"], ids=["README", "guide"])
def test_the_python_blocks_of_the_pages_run(page: str) -> None:
    blocks = BLOCK.findall((ROOT / page).read_text())
    assert blocks
    text = "\n".join(blocks)
    if ">>>" in text:
        run_examples(text, page)
    else:
        exec(compile(text, page, "exec"), {"__name__": "__main__"})
    assert os.path.isdir(".artifacts") or any(Path().glob("*/.artifacts"))
