"""Principal components, neighbours, UMAP and Leiden clusters, by scanpy."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from spacetravlr.errors import InputError, MissingExtraError
from spacetravlr.preparation.nearest import NearestTransformer, nearest_distances
from spacetravlr.threads import one_blas_thread

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from spacetravlr.preparation.options import PrepareOptions


def scanpy() -> Any:
    """Return scanpy.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        with quiet():
            import scanpy as package
    except ImportError as error:
        raise MissingExtraError.of("pp", "preparing a sample needs scanpy", reason=error) from error
    return package


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what libraries have to say to programmers away, and BLAS on one thread: the same bits on any machine."""
    # its BLAS is not numpy's, and only a library that is loaded can be held to one thread
    import scipy.linalg  # noqa: F401

    before = logging.getLogger("scanpy").level
    with warnings.catch_warnings(), one_blas_thread():
        warnings.simplefilter("ignore")
        logging.getLogger("scanpy").setLevel(logging.ERROR)
        try:
            yield
        finally:
            logging.getLogger("scanpy").setLevel(before)


def principal_components(
    expression: sparse.csr_matrix, options: PrepareOptions
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return the coordinates of the cells, (n_cells, k), and the share of variance of each.

    Parameters
    ----------
    expression
        (n_cells, n_genes) of the variable genes.
    options
        Number of components and seed; there are at most as many as cells or genes allow.

    Raises
    ------
    InputError
        If there are too few genes for one component.
    """
    import anndata

    k = min(options.n_pca_components, expression.shape[0] - 1, expression.shape[1] - 1)
    if k < 1:
        raise InputError(f"{expression.shape[1]} variable gene(s) are too few for principal components")
    view = anndata.AnnData(expression)
    with quiet():
        scanpy().pp.pca(view, n_comps=k, svd_solver="arpack", random_state=options.random_seed)
    return np.asarray(view.obsm["X_pca"], dtype=np.float32), np.asarray(view.uns["pca"]["variance_ratio"])


def neighbours(adata: AnnData, options: PrepareOptions) -> None:
    """Write the graph of neighbours in `obsm["X_pca"]` as scanpy does: obsp `distances` and `connectivities`."""
    k = min(options.n_neighbors, adata.n_obs)
    with quiet():
        scanpy().pp.neighbors(adata, use_rep="X_pca", transformer=NearestTransformer(k, options.random_seed))


def distances_within(
    coordinates: NDArray[np.float32], options: PrepareOptions, samples: Sequence[str]
) -> sparse.csr_matrix:
    """Return the distances of a graph of neighbours that connects no two samples.

    Parameters
    ----------
    coordinates
        (n_cells, k) principal coordinates.
    options
        Number of neighbours and seed.
    samples
        (n_cells,) labels; a sample of one or two cells has no neighbours.

    Returns
    -------
    (n_cells, n_cells), a row holds the distances of a cell to its neighbours.
    """
    labels = np.asarray(samples, dtype=np.str_)
    n = len(labels)
    # lists and not sums of matrices: those would forget cells at distance 0
    rows, columns, values = ([np.zeros(0, dtype=kind)] for kind in (np.int64, np.int64, np.float64))
    for label in np.unique(labels):
        at = np.flatnonzero(labels == label)
        if len(at) < 3:
            continue
        with quiet():
            part = nearest_distances(
                coordinates[at], min(options.n_neighbors, len(at)) - 1, options.random_seed
            ).tocoo()
        rows.append(at[part.row])
        columns.append(at[part.col])
        values.append(part.data)
    where = (np.concatenate(rows), np.concatenate(columns))
    return sparse.csr_matrix((np.concatenate(values), where), shape=(n, n))


def umap(adata: AnnData, options: PrepareOptions) -> None:
    """Write the UMAP of the graph of neighbours: `obsm["X_umap"]`, (n_cells, 2)."""
    with quiet():
        scanpy().tl.umap(
            adata,
            min_dist=options.min_dist,
            spread=options.spread,
            maxiter=options.n_epochs,
            alpha=options.umap_learning_rate,
            random_state=options.random_seed,
        )


def leiden(adata: AnnData, options: PrepareOptions, column: str) -> int:
    """Write the Leiden clusters of the graph to a column of obs, and return how many there are.

    Raises
    ------
    MissingExtraError
        If igraph is not installed.
    """
    try:
        with quiet():
            scanpy().tl.leiden(
                adata,
                resolution=options.leiden_resolution,
                n_iterations=options.leiden_max_iter,
                flavor="igraph",
                directed=False,
                random_state=options.random_seed,
                key_added=column,
            )
    except ImportError as error:
        raise MissingExtraError.of("pp", "Leiden clusters need igraph", reason=error) from error
    return len(adata.obs[column].cat.categories)
