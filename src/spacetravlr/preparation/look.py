"""What an h5ad file holds, told from a few kilobytes of it: h5py only, no matrix is loaded."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from spacetravlr.errors import InputError
from spacetravlr.preparation._columns import Column, index_of, read_column
from spacetravlr.preparation.coordinates import PAIRS
from spacetravlr.preparation.counts import classify_values
from spacetravlr.preparation.labels import SYMBOL_COLUMNS
from spacetravlr.prior import PriorNetwork, Species, infer_species
from spacetravlr.tissue._file import IMPUTED, MEASURED, open_hdf5
from spacetravlr.tissue.clusters import CELL_TYPE_NAMES, INTEGER_COLUMN
from spacetravlr.tissue.coordinates import SPATIAL_KEYS, find_coordinates
from spacetravlr.tissue.units import RECORD, Scale, Units, check_length, known_scale, measure_units

_ROWS = 16
_VALUES = 100_000


@dataclass(frozen=True, slots=True)
class Matrix:
    """X or a layer."""

    name: str
    storage: str
    """`dense`, `csr`, `csc`, or what the file calls it."""
    dtype: str
    values: str
    """`counts`, `log`, `linear`, `signed` or `unusable`, told from the first values."""
    filled: float | None
    """Share of values that are stored; None for a dense matrix."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a network is measured."""

    source: str
    genes: int
    """Measured genes that the network names."""
    edges: dict[str, int]
    """Edges of each kind with both ends measured."""
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FileSummary:
    """An h5ad file at a glance."""

    path: Path
    size: int
    """Bytes."""
    n_cells: int
    n_genes: int
    genes: tuple[str, ...]
    matrices: tuple[Matrix, ...]
    """X first, if there is one."""
    columns: tuple[Column, ...]
    """Of obs."""
    obsm: dict[str, tuple[int, ...]]
    uns: tuple[str, ...]
    species: Species
    units: Units | None
    """None if there are no usable coordinates."""
    no_units: str
    """Why not."""
    pair: tuple[str, str] | None
    """Columns of obs that `prepare` would take positions from, if obsm has none."""
    prepared: bool
    """Whether `prepare` made the file."""
    raw: Matrix | None = None
    """Of `raw`."""
    symbol_column: str | None = None
    """Column of var that `prepare` would take the names of genes from, where these are no symbols."""

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers."""
        return tuple(matrix.name for matrix in self.matrices if matrix.name != "X")

    @property
    def type_column(self) -> str | None:
        """Column that training takes its clusters from, if nobody names one."""
        names = [column.name for column in self.columns]
        return next((name for name in (INTEGER_COLUMN, "cell_type") if name in names), None)

    @property
    def possible_types(self) -> list[str]:
        """Columns that could name cell types, the known names first."""
        found = [column.name for column in self.columns if column.could_be_types]
        return sorted(found, key=lambda name: name.casefold() not in CELL_TYPE_NAMES)

    @property
    def missing(self) -> list[str]:
        """What training would lack."""
        lacks = []
        if "imputed_count" not in self.layers:
            lacks.append("layers['imputed_count']")
        if self.units is None:
            lacks.append("coordinates in obsm['spatial']")
        if self.type_column is None:
            lacks.append("obs['cell_type']")
        return lacks

    @property
    def judged(self) -> str | None:
        """Layer that held-out scores would predict unless another is named; None without a layer to train on."""
        if IMPUTED not in self.layers:
            return None
        return MEASURED if MEASURED in self.layers else IMPUTED

    @property
    def response(self) -> str:
        """The same in words; empty without a layer to train on."""
        if self.judged is None:
            return ""
        if self.judged == MEASURED:
            return f"held-out scores predict layer {MEASURED!r}, which is not imputed"
        if "truth" in self.uns:
            return f"held-out scores predict layer {IMPUTED!r}, the simulated expression"
        return (
            f"held-out scores predict layer {IMPUTED!r}, which is imputed, so they are too good: add {MEASURED!r} "
            "(spacetravlr prepare), or name a layer with [data].response_layer"
        )

    def coverage(self, data_dir: str | Path | None = None) -> Coverage:
        """Return how much of the network of the species is measured; a second for a large network."""
        network = PriorNetwork.load(self.species, data_dir)
        ends = {*network.table["source"].unique(), *network.table["target"].unique()}
        own = network.restrict(self.genes)
        return Coverage(own.source, len(ends.intersection(self.genes)), own.counts(), network.notices)


def look_at(path: str | Path, *, radius: float = 200.0, um_per_unit: float | None = None) -> FileSummary:
    """Return what an h5ad file holds.

    Parameters
    ----------
    path
        The file; `~` is expanded.
    radius
        For the units, coordinate units.
    um_per_unit
        Length of a unit; lengths are told in micrometres then.

    Raises
    ------
    ConfigError
        If radius or scale is not a positive number.
    InputError
        If it is no h5ad file or damaged.

    Notes
    -----
    Reads names, positions and columns of obs, never a matrix: the time does not depend on the size of the file.
    """
    check_length("radius", radius)
    check_length("um_per_unit", um_per_unit)
    where = Path(path).expanduser()
    with _open(where) as handle:
        try:
            return _summary(where, handle, radius, um_per_unit)
        except (OSError, KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"{where} cannot be read ({type(error).__name__}: {error}); is the file complete?"
            ) from error


def _open(path: Path) -> h5py.File:
    if path.is_dir():
        raise InputError(f"{path} is a folder; `spacetravlr prepare {path} -o ready.h5ad` makes an h5ad file of it")
    handle = open_hdf5(path)
    if "obs" not in handle or "var" not in handle:
        raw = "matrix" in handle
        handle.close()
        hint = f"a 10x matrix: `spacetravlr prepare {path} -o ready.h5ad` reads it" if raw else "no h5ad"
        raise InputError(f"{path} is HDF5, but {hint}")
    return handle


def _summary(path: Path, handle: h5py.File, radius: float, um_per_unit: float | None) -> FileSummary:
    genes = index_of(handle["var"])
    n_cells, n_genes = len(index_of(handle["obs"], names=False)), len(genes)
    obsm = handle.get("obsm", {})
    units, reason = _units(handle, n_cells, radius, um_per_unit)
    names = _column_names(handle["obs"])
    pair = None if any(key in obsm for key in SPATIAL_KEYS) else next((p for p in PAIRS if {*p} <= {*names}), None)
    if pair is not None:
        reason = f"positions are in obs[{pair[0]!r}] and obs[{pair[1]!r}], and prepare reads them there"
    return FileSummary(
        path=path,
        size=path.stat().st_size,
        n_cells=n_cells,
        n_genes=n_genes,
        genes=tuple(str(gene) for gene in genes),
        matrices=tuple(_matrices(handle, (n_cells, n_genes))),
        columns=tuple(read_column(handle["obs"], name) for name in names),
        obsm={name: _shape(obsm[name]) for name in obsm},
        uns=tuple(handle.get("uns", {})),
        species=infer_species(str(gene) for gene in genes),
        units=units,
        no_units=reason,
        pair=pair,
        prepared=f"uns/{RECORD}" in handle,
        raw=_matrix("raw", handle["raw/X"], _shape(handle["raw/X"])) if "raw/X" in handle else None,
        symbol_column=next((name for name in SYMBOL_COLUMNS if name in _column_names(handle["var"])), None),
    )


def _units(handle: h5py.File, n_cells: int, radius: float, um_per_unit: float | None) -> tuple[Units | None, str]:
    obsm = handle.get("obsm", {})
    try:
        xy = find_coordinates(list(obsm), lambda key: obsm[key][()], n_cells)
    except InputError as error:
        return None, str(error)
    except (TypeError, ValueError):
        return None, "the coordinates are stored as a table: prepare reads them"
    if um_per_unit is not None:
        return measure_units(xy * um_per_unit, radius, scale=Scale(1.0, "as given")), ""
    return measure_units(xy, radius, scale=known_scale(handle.get("uns", {}), handle["obs"], xy)), ""


def _matrices(handle: h5py.File, shape: tuple[int, int]) -> Iterator[Matrix]:
    layers = handle.get("layers", {})
    nodes: list[tuple[str, Any]] = [("X", handle["X"])] if "X" in handle else []
    for name, node in [*nodes, *((name, layers[name]) for name in layers)]:
        found = _matrix(name, node, shape)
        if found is not None:
            yield found


def _matrix(name: str, node: Any, shape: tuple[int, ...]) -> Matrix | None:
    if isinstance(node, h5py.Dataset):
        if node.shape is None or len(node.shape) != 2:
            return None
        first = np.asarray(node[:_ROWS]).reshape(-1)[:_VALUES]
        return Matrix(name, "dense", str(node.dtype), _kind(first), None)
    kind = str(node.attrs.get("encoding-type", node.attrs.get("h5sparse_format", "table")))
    if "data" not in node:
        return Matrix(name, kind, "", "unusable", None)
    data = node["data"]
    share = data.shape[0] / max(1, math.prod(shape))
    return Matrix(name, kind.removesuffix("_matrix"), str(data.dtype), _kind(data[:_VALUES]), share)


def _kind(values: np.ndarray[Any, Any]) -> str:
    if not (np.issubdtype(values.dtype, np.number) or values.dtype == np.bool_):
        return "unusable"
    return classify_values(values)


def _column_names(table: Any) -> list[str]:
    if isinstance(table, h5py.Dataset):
        return [str(name) for name in (table.dtype.names or ())[1:]]
    order = [name.decode() if isinstance(name, bytes) else str(name) for name in table.attrs.get("column-order", ())]
    return [name for name in order if name in table] or [
        name for name in table if name not in {"__categories", str(table.attrs.get("_index", "_index"))}
    ]


def _shape(node: Any) -> tuple[int, ...]:
    stored = getattr(node, "shape", None)
    if stored is None:
        stored = node.attrs.get("shape", ())
    return tuple(int(value) for value in stored)
