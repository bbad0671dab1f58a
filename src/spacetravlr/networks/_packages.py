"""Tables that installed packages offer: resources of liana, networks of decoupler."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pandas as pd

from spacetravlr.errors import ConfigError, InputError, MissingExtraError, listing

NETS = ("collectri", "dorothea")
_SPECIES = {"human": "consensus", "mouse": "mouseconsensus"}


def default_resource(species: str) -> str:
    """Return the resource of liana for a species: its consensus of mouse, or of human."""
    return _SPECIES.get(species, "consensus")


def package_table(source: str, species: str, levels: tuple[str, ...]) -> tuple[pd.DataFrame, str]:
    """Ask a package for a table.

    Parameters
    ----------
    source
        `liana:RESOURCE` (`liana:` takes the consensus of the species), `decoupler:collectri`, `decoupler:dorothea`.
    species
        Species of the network.
    levels
        Confidence levels asked of DoRothEA.

    Returns
    -------
    The table, and package and version it comes from.

    Raises
    ------
    MissingExtraError
        The package is not installed.
    ConfigError
        There is no network of that name.
    InputError
        The package fails; decoupler loads its networks from the internet.
    """
    package, _, name = source.partition(":")
    if package == "liana":
        name = name or default_resource(species)
        module = _import("liana")
        table = _ask(lambda: _liana(module, name), source)
    else:
        name = name or "collectri"
        if name not in NETS:
            raise ConfigError(f"{source}: decoupler's TF networks are {listing(NETS)}")
        module = _import("decoupler")
        table = _ask(lambda: _decoupler(module, name, species, levels), source)
    if not isinstance(table, pd.DataFrame) or table.empty:
        raise InputError(f"{source}: {package} returned no table")
    return table, f"{package} {getattr(module, '__version__', '(unknown version)')}, {name}"


def _import(package: str) -> ModuleType:
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise MissingExtraError(f"{package} is not installed; pip install {package}, or give a file") from error


def _ask(question: Callable[[], Any], source: str) -> Any:
    try:
        return question()
    except (ConfigError, InputError):
        raise
    except Exception as error:
        # these packages load from the internet and raise whatever their libraries raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"{source}: the package failed ({reason}); it may need the internet") from error


def _liana(module: ModuleType, name: str) -> Any:
    door = getattr(module, "resource", None) or getattr(module, "rs", None)
    select = getattr(door, "select_resource", None)
    if select is None:
        raise InputError("this version of liana has no select_resource; give its table as a file")
    return select(name)


def _decoupler(module: ModuleType, name: str, species: str, levels: tuple[str, ...]) -> Any:
    extra = {"levels": list(levels)} if name == "dorothea" else {}
    door = getattr(module, "op", None)
    ask = getattr(door, name, None) or getattr(module, f"get_{name}", None)  # version 2, version 1
    if ask is None:
        raise InputError(f"this version of decoupler has no {name}; give its table as a file")
    return ask(organism=species, **extra)
