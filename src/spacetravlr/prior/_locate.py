"""Where the network file of a species lies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spacetravlr.prior.species import Species

VARIABLE = "SPACETRAVLR_DATA_DIR"
"""Environment variable that names a directory of network files."""

PACKAGE_DATA = Path(__file__).resolve().parent / "data"
PARENTS = 9


@dataclass(frozen=True)
class Location:
    """Outcome of the search."""

    path: Path | None
    """The first file found, or None."""
    notices: tuple[str, ...]
    """One line for each directory the user named in vain."""


def locate_network(species: Species, data_dir: str | os.PathLike[str] | None = None) -> Location:
    """Find ``{species}_network.parquet``; the first existing file wins.

    The order is: the given directory; the directory named by `VARIABLE`; the data directory of the package; ``data/``
    in the current directory and in up to nine of its parents. A named directory without the file is not an error: the
    search goes on, and the fact is noted.

    Parameters
    ----------
    species
        Which file.
    data_dir
        ``[grn].network_data_dir``; ``~`` is expanded.
    """
    name = f"{species}_network.parquet"
    notices: list[str] = []
    for given, label in ((data_dir, "[grn].network_data_dir"), (os.environ.get(VARIABLE), VARIABLE)):
        if not given or not str(given).strip():
            continue
        folder = _expanded(given)
        if _is_file(folder / name):
            return Location(folder / name, tuple(notices))
        notices.append(f"{label}: no {name} in {folder}; looking elsewhere")
    for folder in (PACKAGE_DATA, *_upwards()):
        if _is_file(folder / name):
            return Location(folder / name, tuple(notices))
    return Location(None, tuple(notices))


def _expanded(given: str | os.PathLike[str]) -> Path:
    path = Path(given)
    try:
        return path.expanduser()
    except RuntimeError:  # no such user: then the name is meant as it stands
        return path


def _upwards() -> Iterator[Path]:
    try:
        here = Path.cwd()
    except OSError:  # the current directory was removed
        return
    for folder in (here, *here.parents[:PARENTS]):
        yield folder / "data"


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a parent that may not be searched counts as one without the file
        return False
