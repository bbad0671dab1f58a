"""The examples of public names run, and their docstrings tell of every parameter and of no other."""

from __future__ import annotations

import doctest
import importlib
import inspect
import os
import re
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

import spacetravlr as stl

REPOSITORY = Path(__file__).resolve().parent.parent
SECTION = re.compile(r"^(\w[\w ]*)\n-{3,}$", re.MULTILINE)
DOORS = {"datasets", "pl", "pp", "tl"}


def public() -> Iterator[tuple[str, Any]]:
    """Every name people script against: the classes, those behind the doors, and what else the reference lists."""
    for name in listed():
        room, _, inner = name.rpartition(".")
        if room and room not in DOORS:
            yield name, getattr(importlib.import_module(f"spacetravlr.{room}"), inner)
    for name in stl.__all__:
        if name in DOORS:
            door = getattr(stl, name)
            yield from ((f"{name}.{inner}", getattr(door, inner)) for inner in door.__all__)
        elif name != "__version__":
            yield name, getattr(stl, name)


def listed() -> list[str]:
    """The names on the page of the Python reference."""
    page = (REPOSITORY / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
    tables = re.findall(r"^\.\. autosummary::\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    return [name for table in tables for name in re.findall(r"^   (\w[\w.]*)$", table, re.MULTILINE)]


def methods(owner: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The public methods and properties that a class defines."""
    for name, found in vars(owner).items():
        if name.startswith("_"):
            continue
        inner = getattr(found, "__func__", None) or getattr(found, "fget", None) or getattr(found, "func", found)
        if inspect.isfunction(inner):
            yield name, inner


def documented() -> Iterator[tuple[str, Any]]:
    for name, found in public():
        yield name, found
        if inspect.isclass(found):
            yield from ((f"{name}.{inner}", method) for inner, method in methods(found))


def sections(found: Any) -> dict[str, list[str]]:
    """The names that each section of a docstring tells of: its lines without indentation."""
    parts = SECTION.split(inspect.getdoc(found) or "")
    heads = {}
    for title, body in zip(parts[1::2], parts[2::2], strict=True):
        names = [line for line in body.splitlines() if line and not line.startswith(" ")]
        heads[title] = [name.strip() for line in names for name in line.split(",")]
    return heads


def arguments(found: Any) -> set[str]:
    return set(inspect.signature(found).parameters) - {"self", "cls"}


PUBLIC = dict(public())
DOCUMENTED = dict(documented())


def test_the_reference_lists_every_public_name() -> None:
    assert sorted(listed()) == sorted(PUBLIC)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_every_parameter_is_told_of_and_no_other(name: str) -> None:
    found = DOCUMENTED[name]
    told = sections(found)
    assert (inspect.getdoc(found) or "").strip(), f"{name} has no docstring"
    listed = told.get("Parameters", [])
    held = told.get("Attributes", []) if hasattr(found, "__dataclass_fields__") else []
    assert sorted(listed + held) == sorted(arguments(found)), name


@pytest.mark.parametrize("name", DOCUMENTED)
def test_sections_come_in_the_order_of_numpydoc(name: str) -> None:
    order = ["Parameters", "Attributes", "Returns", "Yields", "Raises", "See Also", "Notes", "References", "Examples"]
    told = list(sections(DOCUMENTED[name]))
    assert told == [section for section in order if section in told], name


@pytest.mark.parametrize("name", [name for name, found in PUBLIC.items() if inspect.isclass(found)])
def test_no_property_reads_like_a_type(name: str) -> None:
    for inner, method in methods(PUBLIC[name]):
        if isinstance(vars(PUBLIC[name])[inner], property | cached_property):
            # the tool that lays out the reference takes what is before a colon for the type
            assert ": " not in (inspect.getdoc(method) or "").partition("\n\n")[0], inner


@pytest.fixture(scope="module")
def common(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the examples start from, as the reference tells it, in a directory of its own."""
    page = (REPOSITORY / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
    start = re.search(r"<!-- examples start from this -->\n```python\n(.*?)```", page, re.DOTALL)
    assert start is not None
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("examples"))
    names: dict[str, Any] = {}
    exec(start[1], names)
    yield names
    os.chdir(before)


def examples(name: str) -> list[doctest.DocTest]:
    """The examples of a public name; those of a class are also those of its methods."""
    found = PUBLIC[name]
    owners = {name: found}
    if inspect.isclass(found):
        owners |= {f"{name}.{inner}": method for inner, method in methods(found)}
    parser = doctest.DocTestParser()
    made = (parser.get_doctest(inspect.getdoc(one) or "", {}, words, None, 0) for words, one in owners.items())
    return [one for one in made if one.examples]


@pytest.mark.parametrize("name", PUBLIC)
def test_the_examples_run(name: str, common: dict[str, Any]) -> None:
    found = examples(name)
    assert found, f"{name} has no example"
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    said: list[str] = []
    for one in found:
        assert not any(doctest.SKIP in example.options for example in one.examples), (
            f"an example of {one.name} is skipped"
        )
        assert any(example.want for example in one.examples), f"the example of {one.name} shows nothing"
        one.globs = dict(common)
        runner.run(one, out=said.append)
    assert runner.failures == 0, "".join(said)
