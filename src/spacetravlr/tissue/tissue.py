"""`Tissue`: a checked, read-only view of one AnnData or h5ad file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.errors import InputError, listing, nearest
from spacetravlr.tissue._file import open_sample, pick_layer
from spacetravlr.tissue.clusters import (
    cell_type_column,
    choose_cluster_column,
    majority_labels,
    read_clusters,
)
from spacetravlr.tissue.coordinates import find_coordinates
from spacetravlr.tissue.matrix import ExpressionMatrix

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray

MatrixOf = Callable[[str], ExpressionMatrix]


class Tissue:
    """One sample: names, coordinates, clusters, and expression read by column.

    Build it with `from_anndata` or `open`. Nothing is filtered, normalised or imputed.

    Parameters
    ----------
    genes
        Names of all measured genes, unique.
    obs
        Table of the cells; its index holds the cell names, unique.
    xy
        (n_cells, 2), coordinate units. Cells without a position hold NaN.
    matrix_of
        Returns a layer by name.
    layer
        The expression layer that `columns` reads by default.
    cluster_key
        obs column of the clusters; None takes `cell_type_int` if present, else `cell_type`.
    path
        The file behind it, if there is one.

    Raises
    ------
    InputError
        If there are no cells or genes, names repeat, or the layer or cluster column is missing or unusable.
    """

    def __init__(
        self,
        *,
        genes: Sequence[str],
        obs: pd.DataFrame,
        xy: NDArray[np.float64],
        matrix_of: MatrixOf,
        layer: str = "imputed_count",
        cluster_key: str | None = None,
        path: Path | None = None,
    ) -> None:
        if not len(obs) or not len(genes):
            raise InputError(f"the sample is empty: {len(obs)} cells x {len(genes)} genes")
        self.genes = tuple(genes)
        self.cells = tuple(str(name) for name in obs.index)
        _refuse_repeats("gene", self.genes)
        _refuse_repeats("cell", self.cells)
        self.obs = obs
        self.xy = xy
        self.path = path
        self.layer = "X" if layer in {"", "X"} else layer
        self._matrix_of = matrix_of
        self._matrices = {self.layer: matrix_of(self.layer)}
        self.clusters, self.row_keys = read_clusters(obs, choose_cluster_column(obs, cluster_key))

    @classmethod
    def from_anndata(cls, adata: AnnData, layer: str = "imputed_count", cluster_key: str | None = None) -> Tissue:
        """View an AnnData in memory.

        Parameters
        ----------
        adata
            Sample with coordinates in obsm (`spatial`, `X_spatial` or `spatial_loc`).
        layer
            Expression layer; `X` or an empty text names the main matrix.
        cluster_key
            obs column of the clusters.

        Raises
        ------
        InputError
            As for the class, or if there are no usable coordinates.

        Examples
        --------
        >>> import spacetravlr as stl
        >>> tissue = stl.Tissue.from_anndata(stl.datasets.simulated_tissue(n_cells=300, n_genes=60))
        >>> tissue.n_cells, tissue.n_genes
        (300, 60)
        """
        shape = (adata.n_obs, adata.n_vars)
        _refuse_empty(shape)

        def matrix_of(name: str) -> ExpressionMatrix:
            stored = pick_layer(name, list(adata.layers.keys()), lambda known: adata.layers[known], adata.X)
            return ExpressionMatrix.from_array(stored, name, shape)

        obs = adata.obs.copy()
        obs.index = obs.index.astype(str)
        return cls(
            genes=[str(name) for name in adata.var_names],
            obs=obs,
            xy=find_coordinates(adata.obsm.keys(), lambda key: adata.obsm[key], adata.n_obs),
            matrix_of=matrix_of,
            layer=layer,
            cluster_key=cluster_key,
        )

    @classmethod
    def open(cls, path: str | Path, layer: str = "imputed_count", cluster_key: str | None = None) -> Tissue:
        """View an h5ad file; tables and coordinates are read now, expression when asked for.

        Parameters
        ----------
        path
            The file; `~` is expanded.
        layer
            Expression layer; `X` or an empty text names the main matrix.
        cluster_key
            obs column of the clusters.

        Raises
        ------
        InputError
            If the file is missing, no h5ad or damaged, and as for the class.
        """
        where = Path(path).expanduser()
        sample = open_sample(where)
        shape = (len(sample.obs), len(sample.genes))
        _refuse_empty(shape, where)

        def matrix_of(name: str) -> ExpressionMatrix:
            return ExpressionMatrix.from_hdf5(sample.layer_node(name), name, shape)

        return cls(
            genes=sample.genes,
            obs=sample.obs,
            xy=find_coordinates(sample.obsm_keys(), sample.obsm, shape[0]),
            matrix_of=matrix_of,
            layer=layer,
            cluster_key=cluster_key,
            path=where.resolve(),
        )

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.cells)

    @property
    def n_genes(self) -> int:
        """Number of measured genes."""
        return len(self.genes)

    @cached_property
    def gene_index(self) -> dict[str, int]:
        """Column of every gene."""
        return {gene: column for column, gene in enumerate(self.genes)}

    @cached_property
    def cluster_cell_types(self) -> dict[str, str]:
        """Majority cell type name of each cluster label; empty if obs has no such column."""
        column = cell_type_column(self.obs)
        return {} if column is None else majority_labels(self.clusters, self.obs[column])

    @property
    def n_without_position(self) -> int:
        """Number of cells whose coordinates are not finite."""
        return int((~np.isfinite(self.xy).all(axis=1)).sum())

    def columns(self, genes: Sequence[str], *, layer: str | None = None) -> NDArray[np.float64]:
        """Read the expression of some genes.

        Parameters
        ----------
        genes
            Names, in the order wanted.
        layer
            Another layer than the default one.

        Returns
        -------
        (n_cells, len(genes)), expression units.

        Raises
        ------
        InputError
            If a gene is not measured, or its expression is not finite somewhere.
        """
        unknown = [gene for gene in genes if gene not in self.gene_index]
        if unknown:
            close = nearest(unknown[0], self.genes)
            raise InputError(f"not measured: {listing(unknown, 5)}" + (f"; did you mean {close!r}?" if close else ""))
        name = self.layer if layer is None else layer
        if name not in self._matrices:
            self._matrices[name] = self._matrix_of(name)
        values = self._matrices[name].columns([self.gene_index[gene] for gene in genes])
        finite = np.atleast_1d(np.isfinite(values).all(axis=0))
        if not finite.all():
            bad = [gene for gene, good in zip(genes, finite.tolist(), strict=True) if not good]
            raise InputError(
                f"layer {name!r} holds NaN or infinite values in {len(bad)} gene(s): {listing(bad, 5)}; "
                "impute or remove them"
            )
        return values

    @cached_property
    def fingerprint_genes(self) -> tuple[str, ...]:
        """Some genes spread over the sample, the same for every run on it."""
        at = np.unique(np.linspace(0, self.n_genes - 1, min(self.n_genes, 64)).astype(np.int64))
        return tuple(self.genes[index] for index in at)

    def fingerprint(self, values: NDArray[np.float64]) -> str:
        """Return a SHA-256 of positions, clusters and the expression of `fingerprint_genes`.

        Parameters
        ----------
        values
            (n_cells, len(fingerprint_genes)), expression units.
        """
        total = sha256(np.ascontiguousarray(self.xy).tobytes())
        total.update("\0".join(self.clusters.labels).encode() + self.clusters.codes.tobytes())
        total.update(np.ascontiguousarray(values, dtype=np.float64).tobytes())
        return total.hexdigest()

    def obs_column(self, column: str) -> pd.Series:
        """Return a column of obs.

        Raises
        ------
        InputError
            If it does not exist.
        """
        if column not in self.obs.columns:
            close = nearest(column, [str(name) for name in self.obs.columns])
            hint = f"; did you mean {close!r}?" if close else "."
            raise InputError(f"obs has no column {column!r}{hint} Columns: {listing(self.obs.columns, 25)}")
        return self.obs[column]

    def gene_means(self, genes: Sequence[str] | None = None) -> dict[str, float]:
        """Return the mean over all cells of some (or all) genes, expression units."""
        names = self.genes if genes is None else tuple(genes)
        means: dict[str, float] = {}
        for start in range(0, len(names), 512):
            block = names[start : start + 512]
            means.update(zip(block, self.columns(block).mean(axis=0).tolist(), strict=True))
        return means


def _refuse_empty(shape: tuple[int, int], path: Path | None = None) -> None:
    if 0 in shape:
        where = f"{path}: " if path else ""
        raise InputError(f"{where}the sample is empty: {shape[0]} cells x {shape[1]} genes")


def _refuse_repeats(kind: str, names: tuple[str, ...]) -> None:
    if len(set(names)) == len(names):
        return
    unique, counts = np.unique(np.asarray(names, dtype=np.str_), return_counts=True)
    repeated = [str(name) for name in unique[counts > 1]]
    fix = "var_names_make_unique()" if kind == "gene" else "obs_names_make_unique()"
    raise InputError(f"{len(repeated)} {kind} name(s) occur more than once: {listing(repeated, 5)}; use adata.{fix}")
