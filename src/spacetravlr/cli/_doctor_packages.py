"""Checks of Python and of the packages."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterator
from importlib import metadata

from spacetravlr import __version__
from spacetravlr.cli._doctor_check import Check
from spacetravlr.errors import PACKAGE, install_command
from spacetravlr.process import import_quietly

EXTRAS = {
    "pp": "prepare",
    "cnn": "the niche network, and solving on a graphics processor",
    "cluster": "training on several machines",
    "tui": "the dashboard",
    "viewer": "the viewer in a browser",
    "mcp": "the server for assistants",
}
"""The optional parts of this package, and what each of them is for."""
OLDEST = (3, 11)
_IMPORTED_AS = {"scikit-learn": "sklearn", "dask-jobqueue": "dask_jobqueue", "umap-learn": "umap"}
_READERS = {"spatialdata": "SpatialData stores"}
_REQUIREMENT = re.compile(r"^\s*([A-Za-z0-9._-]+)\s*(?:\[[^\]]*\])?\s*(?:>=\s*([0-9.]+))?")


def python() -> Iterator[Check]:
    """Tell the versions of this program and of Python."""
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {sys.executable}"
    if sys.version_info < OLDEST:
        yield Check("python", "problem", found, f"Python {OLDEST[0]}.{OLDEST[1]} or newer is needed")
    else:
        yield Check("python", "ok", found)
    yield Check("spacetravlr", "ok", __version__)


def required() -> Iterator[Check]:
    """Import every package that is needed, and compare its version with the oldest that will do."""
    wanted = requirements().get("", {})
    if not wanted:
        yield Check(
            "packages",
            "note",
            "the package is not installed, so it is not known which versions it needs",
            "python -m pip install -e . in the source tree",
        )
        return
    good = []
    for name, oldest in wanted.items():
        trouble = broken(name, oldest)
        if trouble:
            yield Check("packages", "problem", trouble, f"python -m pip install --upgrade '{name}>={oldest}'")
        else:
            good.append(f"{name} {version_of(name)}")
    yield Check("packages", "ok", ", ".join(good))


def extras() -> Iterator[Check]:
    """Tell which optional parts can be used."""
    for extra, needs in requirements().items():
        if extra not in EXTRAS:
            continue
        absent = [name for name in needs if version_of(name) is None]
        if absent:
            found = f"not installed: {', '.join(absent)}; for {EXTRAS[extra]}"
            yield Check(f"[{extra}]", "note", found, install_command(extra))
            continue
        troubles = [trouble for name, oldest in needs.items() if (trouble := broken(name, oldest))]
        if troubles:
            yield Check(f"[{extra}]", "problem", "; ".join(troubles), f"{install_command(extra)} --upgrade")
        else:
            yield Check(f"[{extra}]", "ok", ", ".join(f"{name} {version_of(name)}" for name in needs))


def readers() -> Iterator[Check]:
    """Tell which packages that only read a format are there."""
    for name, what in _READERS.items():
        version = version_of(name)
        if version is None:
            yield Check("readers", "note", f"{name} is not installed; for {what}", f"python -m pip install {name}")
        else:
            yield Check("readers", "ok", f"{name} {version}")


def requirements() -> dict[str, dict[str, str]]:
    """Return the oldest version of each package by extra; the empty name is what is always needed."""
    try:
        lines = metadata.requires(PACKAGE) or []
    except metadata.PackageNotFoundError:
        return {}
    found: dict[str, dict[str, str]] = {}
    for line in lines:
        head, _, condition = line.partition(";")
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)['\"]", condition)
        match = _REQUIREMENT.match(head)
        if match is not None:
            found.setdefault(extra[1] if extra else "", {})[match[1]] = match[2] or "0"
    return found


def version_of(name: str) -> str | None:
    """Return the version of an installed package, None if it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def broken(name: str, oldest: str) -> str:
    """Return what is wrong with a package: absent, too old, or it cannot be imported; empty if nothing is."""
    version = version_of(name)
    if version is None:
        return f"{name} is not installed"
    if _numbers(version) < _numbers(oldest):
        return f"{name} {version} is older than {oldest}"
    try:
        import_quietly(_IMPORTED_AS.get(name, name.replace("-", "_")))
    except Exception as error:  # noqa: BLE001 - a broken library may raise anything
        return f"{name} {version} cannot be imported ({type(error).__name__}: {error})"
    return ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3])
