"""Which cells a perturbation is applied to: masks, indices, names, labels, regions, queries, and lists in files."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spacetravlr.errors import InputError, UsageError, did_you_mean, listing
from spacetravlr.perturbation._labels import labelled, text_labels
from spacetravlr.perturbation._read import read_records, read_text
from spacetravlr.perturbation.regions import Region, is_geojson

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger("spacetravlr")

Cells = Any
"""None (all cells), a boolean mask, row indices, cell names, ``{obs column: labels}``, an obs query string, a `Region`
(or GeoJSON, or a `Path` to a file of polygons)."""


def resolve_cells(
    cells: Cells,
    cell_names: Sequence[str],
    *,
    obs: pd.DataFrame | None = None,
    xy: NDArray[np.float64] | None = None,
    labels: NDArray[Any] | None = None,
) -> NDArray[np.int64]:
    """Return the rows that a scope means.

    Parameters
    ----------
    cells
        None for all cells; a boolean mask ``(n_cells,)``; integer row indices; cell names; labels such as
        ``{"cell_type": ["B cell", "T cell"]}`` (several columns: cells that match all of them); a query string for
        ``obs`` such as ``"cell_type == 'B cell'"``; a `Region`, a GeoJSON object, or a `pathlib.Path` to a GeoJSON or
        CSV file with a polygon in tissue coordinates. An empty list means no cell.
    cell_names
        ``(n_cells,)`` names in row order.
    obs
        ``(n_cells, ...)`` table of cells, needed for a query string and for labels.
    xy
        ``(n_cells, 2)`` coordinates, needed for a region.
    labels
        ``(n_cells,)`` cluster labels, known as ``cluster`` and ``cell_type`` where `obs` has no such column.

    Returns
    -------
    Sorted row indices without repeats.

    Raises
    ------
    InputError
        If a mask has the wrong length, an index is out of range, a name, column or label is unknown, no cell lies in
        a region, or a query cannot be evaluated.
    UsageError
        For a query string without ``obs``, or a region without ``xy``.
    """
    n_cells = len(cell_names)
    if cells is None:
        return np.arange(n_cells)
    if isinstance(cells, str):
        return _query(cells, obs, n_cells)
    if is_region(cells):
        return _region(cells, xy)
    if isinstance(cells, Mapping):
        return _labelled(cells, obs, labels, n_cells)
    values = np.asarray(list(cells) if isinstance(cells, Iterable) and not hasattr(cells, "__array__") else cells)
    if values.ndim != 1:
        raise InputError(f"cells must be a list or a one-dimensional array, not of shape {values.shape}")
    if not len(values):
        return np.empty(0, dtype=np.int64)
    if values.dtype.kind == "b":
        if len(values) != n_cells:
            raise InputError(f"the mask of cells has {len(values)} entries, but there are {n_cells} cells")
        return np.flatnonzero(values)
    if values.dtype.kind in "iu":
        outside = values[(values < 0) | (values >= n_cells)]
        if len(outside):
            raise InputError(f"cell index {outside[0]} is out of range: there are {n_cells} cells (0..{n_cells - 1})")
        return np.unique(values.astype(np.int64))
    if all(isinstance(value, str) for value in values.tolist()):
        rows = _rows_of_names(cell_names)
        unknown = [value for value in values.tolist() if value not in rows]
        if unknown:
            raise InputError(_unknown_cells(unknown, cell_names))
        return np.unique(np.fromiter((rows[value] for value in values.tolist()), dtype=np.int64, count=len(values)))
    raise InputError(
        f"cells must be a boolean mask, integer indices or names, not values of type {values.dtype}: {values[0]!r}"
    )


def is_region(cells: Cells) -> bool:
    """Say whether a scope is a part of the tissue."""
    return isinstance(cells, Region | Path) or is_geojson(cells)


def read_cells_csv(
    path: Path | str, column: str, cell_names: Sequence[str], *, left_out: Container[str] = ()
) -> NDArray[np.int64]:
    """Read one column of a table whose columns are lists of cell names.

    Everything is read as text, so names like ``007`` keep their zeros. Columns may have different lengths; blank
    entries are skipped and blanks around names are removed. Only the chosen column is checked.

    Parameters
    ----------
    path
        Comma-separated file with a header row.
    column
        Header of the column to use.
    cell_names
        ``(n_cells,)`` names in row order.
    left_out
        Names of cells that this part of the sample does without: they are skipped, with a warning.

    Returns
    -------
    Sorted row indices without repeats; none if the column is all blank (nothing is perturbed then).

    Raises
    ------
    InputError
        If the file cannot be read, the column is not in the header (or is there twice), a name is unknown, or all
        cells are left out.
    """
    if not column.strip():
        raise InputError(f"no column was named for the cell lists in {path}: give one of its headers")
    records = read_records(Path(path))
    header = [name.strip() for name in records[0]] if records else []
    places = [place for place, name in enumerate(header) if name == column.strip()]
    if len(places) != 1:
        problem = "has no column" if not places else "has more than one column"
        raise InputError(f"{path} {problem} {column!r}; its header is: {listing(header)}")
    entries = [
        (f"row {number}", record[places[0]].strip() if len(record) > places[0] else "")
        for number, record in enumerate(records[1:], start=2)
    ]
    return _listed(f"{path}, column {column!r}", [one for one in entries if one[1]], cell_names, left_out)


def read_cell_list(path: Path | str, cell_names: Sequence[str], *, left_out: Container[str] = ()) -> NDArray[np.int64]:
    """Read a file with one cell name per line; blank lines and lines that start with ``#`` are skipped.

    Parameters
    ----------
    path
        The text file.
    cell_names
        ``(n_cells,)`` names in row order.
    left_out
        As for `read_cells_csv`.

    Returns
    -------
    Sorted row indices without repeats, at least one.

    Raises
    ------
    InputError
        If the file cannot be read, names no cell, names an unknown one, or all cells are left out.
    """
    lines = enumerate(read_text(Path(path)).splitlines(), start=1)
    named = [(f"line {number}", line.strip()) for number, line in lines if line.strip()]
    named = [one for one in named if not one[1].startswith("#")]
    if not named:
        raise InputError(f"{path} names no cell: write one cell name per line")
    return _listed(str(path), named, cell_names, left_out)


def _listed(
    where: str, entries: Sequence[tuple[str, str]], cell_names: Sequence[str], left_out: Container[str]
) -> NDArray[np.int64]:
    """Return the rows of cells that a file lists, given as pairs (place in the file, name)."""
    rows = _rows_of_names(cell_names)
    found: set[int] = set()
    elsewhere: set[str] = set()
    for place, name in entries:
        if name in rows:
            found.add(rows[name])
        elif name in left_out:
            elsewhere.add(name)
        else:
            raise InputError(f"{where}, {place}: {_unknown_cells([name], cell_names)}")
    if elsewhere and not found:
        raise InputError(f"{where}: all {len(elsewhere)} cells that it names are in other conditions than this run")
    if elsewhere:
        logger.warning(
            "%s: %d of %d cells are in other conditions than this run, and are left out",
            *(where, len(elsewhere), len(elsewhere) + len(found)),
        )
    return np.array(sorted(found), dtype=np.int64)


def _query(query: str, obs: pd.DataFrame | None, n_cells: int) -> NDArray[np.int64]:
    if obs is None:
        raise UsageError(f"cells={query!r} is read as an obs query, but no obs table is there; give names as a list")
    if len(obs) != n_cells:
        raise InputError(f"the obs table has {len(obs)} rows, but there are {n_cells} cells")
    try:
        # empty dictionaries: a query sees columns only, no variable of this program
        mask = np.asarray(obs.eval(query, local_dict={}, global_dict={}))
    except Exception as error:  # pandas raises whatever the expression makes Python raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"cannot evaluate the obs query {query!r}: {reason} (columns: {listing(map(str, obs.columns))})"
        ) from error
    if mask.dtype.kind != "b" or mask.shape != (n_cells,):
        raise InputError(f"the obs query {query!r} gives no true or false for each cell: write a comparison")
    return np.flatnonzero(mask)


def _region(cells: Any, xy: NDArray[np.float64] | None) -> NDArray[np.int64]:
    if xy is None:
        raise UsageError("a region needs the coordinates of the cells, but none are there; give names as a list")
    if isinstance(cells, Path):
        return Region.read(cells).rows(xy)
    return (cells if isinstance(cells, Region) else Region.from_geojson(cells)).rows(xy)


def _labelled(
    wanted: Mapping[str, Any], obs: pd.DataFrame | None, labels: NDArray[Any] | None, n_cells: int
) -> NDArray[np.int64]:
    if not wanted:
        raise UsageError("cells={} names no column: give {'cell_type': ['...']}, or None for all cells")
    mask = np.ones(n_cells, dtype=bool)
    for column, values in wanted.items():
        codes, known = text_labels(labelled(column, obs, labels, n_cells))
        several = isinstance(values, Iterable) and not isinstance(values, str)
        asked = text_labels(np.array(list(values) if several else [values], dtype=object))[1]
        places = {label: place for place, label in enumerate(known)}
        unknown = [label for label in asked if label not in places]
        if unknown:
            hint = did_you_mean(unknown[0], known)
            raise InputError(
                f"no cell has the {column} {listing(map(repr, unknown), 5)}{hint} (known: {listing(known)})"
            )
        mask &= np.isin(codes, [places[label] for label in asked])
    return np.flatnonzero(mask)


def _rows_of_names(cell_names: Sequence[str]) -> dict[str, int]:
    rows = {str(name): row for row, name in enumerate(cell_names)}
    if len(rows) < len(cell_names):
        twice = [name for name, count in Counter(map(str, cell_names)).items() if count > 1]
        raise InputError(f"cells cannot be chosen by name: these names are not unique: {listing(twice, 5)}")
    return rows


def _unknown_cells(unknown: Iterable[str], cell_names: Sequence[str]) -> str:
    names = list(dict.fromkeys(unknown))
    # comparing with every name of a large tissue takes seconds; a sample shows the naming scheme as well
    hint = did_you_mean(names[0], map(str, cell_names[:2000]))
    return f"no cell is called {listing(map(repr, names), 5)}{hint}"
