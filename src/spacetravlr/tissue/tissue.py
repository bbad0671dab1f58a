"""`Tissue`: a checked, read-only view of one AnnData or h5ad file."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.errors import InputError, did_you_mean, listing
from spacetravlr.tissue._file import layer_names, open_sample, pick_layer
from spacetravlr.tissue._layers import Layers, MatrixOf
from spacetravlr.tissue._refuse import refuse_empty, refuse_repeats
from spacetravlr.tissue.clusters import (
    cell_type_column,
    choose_cluster_column,
    majority_labels,
    read_clusters,
)
from spacetravlr.tissue.coordinates import find_coordinates
from spacetravlr.tissue.labels import CellGroups, group_by_label
from spacetravlr.tissue.matrix import ExpressionMatrix

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray

_ANSWERS = "truth"
"""Entry of uns that simulated tissues have."""


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
    sample_key
        obs column that tells which piece of tissue a cell is in, where there are several; None for one.
    path
        The file behind it, if there is one.
    simulated
        Whether it is one of `spacetravlr.datasets`, with the answer key beside it.

    Attributes
    ----------
    genes, cells, obs, xy, path, simulated
        As given; `cells` are the cell names.
    left_out
        Names of the cells of the file that a `subset` does without.
    clusters
        The clusters.
    row_keys
        (n_cells,) texts by which cells find their row in a coefficient file, in order of precedence.
    samples
        Pieces of tissue between which no signal passes; None for one piece.

    Raises
    ------
    InputError
        If there are no cells or genes, names repeat, or the layer, cluster or sample column is missing or unusable.

    Examples
    --------
    >>> tissue = stl.Tissue.from_anndata(adata)
    >>> tissue.n_cells, tissue.n_genes, tissue.clusters.labels
    (300, 60, ('0', '1', '2', '3', '4'))
    >>> tissue.columns(["Pax6", "Agr2"]).shape
    (300, 2)
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
        sample_key: str | None = None,
        path: Path | None = None,
        simulated: bool = False,
    ) -> None:
        if not len(obs) or not len(genes):
            raise InputError(f"the sample is empty: {len(obs)} cells x {len(genes)} genes")
        self.genes = tuple(genes)
        self.cells = tuple(str(name) for name in obs.index)
        refuse_repeats("gene", self.genes)
        refuse_repeats("cell", self.cells)
        self.obs = obs
        self.xy = xy
        self.path = path
        self.simulated = simulated
        self.left_out: frozenset[str] = frozenset()
        self._cluster_key = cluster_key
        self._layers = Layers(self.genes, matrix_of, layer)
        self.clusters, self.row_keys = read_clusters(obs, choose_cluster_column(obs, cluster_key))
        self.samples: CellGroups | None = None
        if sample_key is not None:
            self.samples = group_by_label(self.obs_column(sample_key), sample_key, missing="refuse")

    @classmethod
    def from_anndata(
        cls,
        adata: AnnData,
        layer: str = "imputed_count",
        cluster_key: str | None = None,
        *,
        sample_key: str | None = None,
    ) -> Tissue:
        """View an AnnData in memory.

        Parameters
        ----------
        adata
            Sample with coordinates in obsm (`spatial`, `X_spatial` or `spatial_loc`).
        layer
            Expression layer; `X` or an empty text names the main matrix.
        cluster_key
            obs column of the clusters.
        sample_key
            obs column of the pieces of tissue, where there are several.

        Raises
        ------
        InputError
            As for the class, or if there are no usable coordinates.
        """
        shape = (adata.n_obs, adata.n_vars)
        refuse_empty(shape)

        def matrix_of(name: str) -> ExpressionMatrix:
            stored = pick_layer(name, layer_names(adata), lambda known: adata.layers[known], adata.X)
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
            sample_key=sample_key,
            simulated=_ANSWERS in adata.uns,
        )

    @classmethod
    def open(
        cls,
        path: str | Path,
        layer: str = "imputed_count",
        cluster_key: str | None = None,
        *,
        sample_key: str | None = None,
    ) -> Tissue:
        """View an h5ad file; tables and coordinates are read now, expression when asked for.

        Parameters
        ----------
        path
            The file; `~` is expanded.
        layer
            Expression layer; `X` or an empty text names the main matrix.
        cluster_key
            obs column of the clusters.
        sample_key
            obs column of the pieces of tissue, where there are several.

        Raises
        ------
        InputError
            If the file is missing, no h5ad or damaged, and as for the class.
        """
        where = Path(path).expanduser()
        sample = open_sample(where)
        shape = (len(sample.obs), len(sample.genes))
        refuse_empty(shape, where)

        def matrix_of(name: str) -> ExpressionMatrix:
            return ExpressionMatrix.from_hdf5(sample.layer_node(name), name, shape)

        return cls(
            genes=sample.genes,
            obs=sample.obs,
            xy=find_coordinates(sample.obsm_keys(), sample.obsm, shape[0]),
            matrix_of=matrix_of,
            layer=layer,
            cluster_key=cluster_key,
            sample_key=sample_key,
            path=where.resolve(),
            simulated=_ANSWERS in sample.handle.get("uns", ()),
        )

    def subset(self, rows: NDArray[np.int64]) -> Tissue:
        """View some of the cells as a sample of their own, as if the file held nothing else.

        Parameters
        ----------
        rows
            Row numbers, ascending.

        Raises
        ------
        InputError
            If there are none.
        """
        matrix = self._layers.matrix
        part = Tissue(
            genes=self.genes,
            obs=self.obs.iloc[rows],
            xy=np.ascontiguousarray(self.xy[rows]),
            matrix_of=lambda name: matrix(name).subset(rows),
            layer=self.layer,
            cluster_key=self._cluster_key,
            sample_key=None if self.samples is None else self.samples.column,
            path=self.path,
            simulated=self.simulated,
        )
        part.left_out = self.left_out | (set(self.cells) - set(part.cells))
        return part

    def conditions(self, column: str) -> CellGroups:
        """Return the cells by the values of an obs column; those without a value are a group of their own, `_na`.

        Parameters
        ----------
        column
            The obs column.

        Raises
        ------
        InputError
            If the column does not exist, or holds the text `_na` beside missing values.
        """
        return group_by_label(self.obs_column(column), column, missing="group")

    def only(self, column: str, label: str) -> Tissue:
        """View the cells of one condition as a sample of their own.

        Parameters
        ----------
        column
            obs column.
        label
            One of the labels of `conditions`.

        Raises
        ------
        InputError
            If there is no such cell.
        """
        groups = self.conditions(column)
        rows = groups.rows(label)
        if not len(rows):
            hint = did_you_mean(label, groups.labels, ".")
            raise InputError(f"no cell has {label!r} in obs[{column!r}]{hint} Values: {listing(groups.labels)}")
        return self if len(rows) == self.n_cells else self.subset(rows)

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.cells)

    @property
    def n_genes(self) -> int:
        """Number of measured genes."""
        return len(self.genes)

    @property
    def layer(self) -> str:
        """The layer that `columns` reads by default."""
        return self._layers.default

    def has_layer(self, layer: str) -> bool:
        """Say whether the sample has a layer, and it is usable.

        Parameters
        ----------
        layer
            Its name; `X` or an empty text is the main matrix.
        """
        return self._layers.has(layer)

    @property
    def gene_index(self) -> dict[str, int]:
        """Column of every gene."""
        return self._layers.gene_index

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
        return self._layers.columns(genes, layer)

    @cached_property
    def fingerprint_genes(self) -> tuple[str, ...]:
        """Some genes spread over the sample, the same for every run on it."""
        at = np.unique(np.linspace(0, self.n_genes - 1, min(self.n_genes, 64)).astype(np.int64))
        return tuple(self.genes[index] for index in at)

    def fingerprint(self, values: NDArray[np.float64]) -> str:
        """Return a SHA-256 of positions, clusters, pieces of tissue and the expression of `fingerprint_genes`.

        Parameters
        ----------
        values
            (n_cells, len(fingerprint_genes)), expression units.
        """
        total = sha256(np.ascontiguousarray(self.xy).tobytes())
        total.update("\0".join(self.clusters.labels).encode() + self.clusters.codes.tobytes())
        if self.samples is not None:
            total.update(b"samples" + self.samples.codes.tobytes())
        total.update(np.ascontiguousarray(values, dtype=np.float64).tobytes())
        return total.hexdigest()

    def obs_column(self, column: str) -> pd.Series:
        """Return a column of obs.

        Parameters
        ----------
        column
            Its name.

        Raises
        ------
        InputError
            If it does not exist.
        """
        if column not in self.obs.columns:
            hint = did_you_mean(column, [str(name) for name in self.obs.columns], ".")
            raise InputError(f"obs has no column {column!r}{hint} Columns: {listing(self.obs.columns, 25)}")
        return self.obs[column]

    def gene_means(self, genes: Sequence[str] | None = None) -> dict[str, float]:
        """Return the mean over all cells of some genes, expression units.

        Parameters
        ----------
        genes
            Their names; None for all.

        Raises
        ------
        InputError
            As `columns`.
        """
        names = self.genes if genes is None else tuple(genes)
        means: dict[str, float] = {}
        for start in range(0, len(names), 512):
            block = names[start : start + 512]
            means.update(zip(block, self.columns(block).mean(axis=0).tolist(), strict=True))
        return means
