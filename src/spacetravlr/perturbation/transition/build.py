"""Transition fields: from a simulated effect to arrows on an embedding."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spacetravlr.errors import InputError, did_you_mean
from spacetravlr.perturbation.scopes import Cells, resolve_cells
from spacetravlr.perturbation.transition._align import find_embedding
from spacetravlr.perturbation.transition._grid import choose_size, grid_axis, grid_sums, scaled
from spacetravlr.perturbation.transition._settings import NullMode, check_count, check_field_settings
from spacetravlr.perturbation.transition._vectors import Changes, cell_vectors
from spacetravlr.perturbation.transition.field import TransitionField

if TYPE_CHECKING:
    import anndata

    from spacetravlr.perturbation.effect import Effect

logger = logging.getLogger("spacetravlr")


def transition_field(
    effect: Effect,
    basis: str = "X_umap",
    *,
    adata: anndata.AnnData | None = None,
    embedding: ArrayLike | None = None,
    n_neighbors: int = 150,
    temperature: float = 0.05,
    remove_null: bool = True,
    null_mode: NullMode = "clip_renorm",
    unit_directions: bool = False,
    grid_scale: float = 1.0,
    grid_size: int | tuple[int, int] | None = None,
    vector_scale: float = 0.85,
    delta_rescale: float = 1.0,
    magnitude_threshold: float = 0.0,
    full_graph: bool = False,
    full_graph_max_cells: int = 4096,
    cells: Cells = None,
    genes: Sequence[str] | None = None,
    max_grid_points: int = 20_000,
    n_jobs: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> TransitionField:
    r"""Return which way a perturbation moves the cells on an embedding.

    A cell moves towards those neighbours that differ from it in the way the perturbation changes it. With the change
    ``d_i`` of cell ``i``, rounded to three decimals, and its expression ``x_i``, the correlation over genes
    ``r_ij = corr(x_j - x_i, d_i)`` with each of its nearest neighbours on the embedding gives the weights
    ``P_ij = softmax_j(r_ij / temperature)`` and the arrow ``v_i = sum_j P_ij (u_j - u_i)``. Where one of the two does
    not vary over genes, the correlation is 1. A grid point has the sum of the arrows of the cells in its box.

    Parameters
    ----------
    effect
        A simulated perturbation.
    basis
        The embedding in ``obsm`` of `adata`, with or without ``X_``; also the name of an `embedding` given as an array.
    adata
        Where the embedding is; it must hold all cells of the effect, in any order.
    embedding
        ``(n_cells, 2)`` positions instead, in the order of the cells of the effect; further columns are ignored.
    n_neighbors
        Number of nearest neighbours, the cell itself not counted; of cells at the same distance those of lower index.
    temperature
        Of the softmax; below 1e-9 counts as 1e-9.
    remove_null
        Whether to subtract the weights without any perturbation, which are uniform. Cells that do not change then
        have no arrow.
    null_mode
        ``"clip_renorm"`` keeps the positive differences and rescales them to a sum of 1; ``"raw"`` keeps all
        differences with their signs.
    unit_directions
        Whether neighbours count by direction only, not by distance.
    grid_scale
        Density of the grid by the rule below.
    grid_size
        Number of grid points on each axis, or on both, instead of the rule.
    vector_scale
        Largest absolute component of the arrows of the grid, units of the embedding.
    delta_rescale
        Factor of the changes before rounding.
    magnitude_threshold
        Arrows of the grid shorter than this, after scaling, become zero.
    full_graph
        Whether to compare with all other cells, as far as there are no more than `full_graph_max_cells`.
    full_graph_max_cells
        Largest number of cells for the full graph; larger tissues use nearest neighbours.
    cells
        Cells whose changes count, as for a simulation: a mask, indices, names, or an obs query. All other cells count
        as unchanged. None for all.
    genes
        Genes over which is correlated; None for all.
    max_grid_points
        Most points of the grid. The rule gives way to it with a warning.
    n_jobs
        Number of threads; None for as many as BLAS has.
    progress
        Called after each block of cells with the number of blocks done and their total; from several threads.
    cancelled
        Asked before each block of cells; true stops the work.

    Returns
    -------
    The field.

    Raises
    ------
    InputError
        If embedding, cells or genes are unknown or do not fit the effect.
    UsageError
        Unless exactly one of `adata` and `embedding` is given.
    ConfigError
        If a setting is out of its range.
    SimulationCancelledError
        If it was cancelled.

    Notes
    -----
    The number of grid points on an axis is ``floor(sqrt((span + 1) * 10 * grid_scale / q))^2`` within 4..10000, where
    ``q`` is the mean absolute difference of the positions of consecutive cells. This is the rule of the compiled
    edition of SpaceTravLR; it depends on the order of the cells: give `grid_size` to fix the grid.

    Correlations that all agree within 1e-10 point nowhere: with `remove_null` such a cell has no arrow.

    Time: cells x neighbours x genes, on all threads. Memory: the expression is used as it is (float32 or float64),
    and a few MB per thread. The result does not depend on the number of threads.

    The method is that of CellOracle (Kamimoto et al., Nature 2023), itself after velocyto (La Manno et al., Nature
    2018), with all neighbours and without their randomised control.

    Examples
    --------
    >>> umap = np.random.default_rng(0).normal(size=(300, 2))
    >>> arrows = stl.tl.transition_field(effect, "X_umap", embedding=umap, n_neighbors=20, grid_size=8)
    >>> arrows.vectors.shape, arrows.cell_vectors.shape
    ((64, 2), (300, 2))
    """
    settings = check_field_settings(
        n_neighbors=n_neighbors,
        temperature=temperature,
        remove_null=remove_null,
        null_mode=null_mode,
        unit_directions=unit_directions,
        grid_scale=grid_scale,
        grid_size=grid_size,
        vector_scale=vector_scale,
        delta_rescale=delta_rescale,
        magnitude_threshold=magnitude_threshold,
        full_graph=full_graph,
        full_graph_max_cells=full_graph_max_cells,
        max_grid_points=max_grid_points,
    )
    workers = None if n_jobs is None else check_count("n_jobs", n_jobs)
    positions = find_embedding(effect, basis=basis, adata=adata, embedding=embedding)
    if not effect.baseline.size:
        raise InputError("the effect has no cells or no genes: there is nothing to show")
    size = choose_size(
        positions, grid_scale=settings.grid_scale, grid_size=settings.grid_size, max_points=settings.max_grid_points
    )
    in_scope = None if cells is None else _mask(cells, effect)
    if settings.full_graph and len(positions) > settings.full_graph_max_cells:
        logger.warning(
            "%d cells are too many for the full graph (full_graph_max_cells is %d): %d nearest neighbours are used",
            *(len(positions), settings.full_graph_max_cells, settings.n_neighbors),
        )
    changes = Changes(effect, None if genes is None else _gene_columns(genes, effect), in_scope, settings.delta_rescale)
    arrows, used = cell_vectors(changes, positions, settings, n_jobs=workers, progress=progress, cancelled=cancelled)
    grid_x, grid_y = (grid_axis(positions[:, axis], size[axis]) for axis in (0, 1))
    return TransitionField(
        grid_x=grid_x,
        grid_y=grid_y,
        vectors=scaled(
            grid_sums(arrows, positions, grid_x, grid_y),
            vector_scale=settings.vector_scale,
            magnitude_threshold=settings.magnitude_threshold,
        ),
        cell_vectors=arrows,
        embedding=positions,
        basis=basis,
        params={**settings.record(), "n_neighbors": used, "grid_size": size},
        effect=effect,
        in_scope=in_scope,
    )


def _mask(cells: Any, effect: Effect) -> NDArray[np.bool_]:
    mask = np.zeros(len(effect.cells), dtype=bool)
    mask[resolve_cells(cells, effect.cells, obs=effect.obs)] = True
    return mask


def _gene_columns(genes: Sequence[str], effect: Effect) -> NDArray[np.int64]:
    """Return the sorted columns of genes in the baseline."""
    names = [genes] if isinstance(genes, str) else list(genes)
    if not names:
        raise InputError("genes is empty: name at least one, or give None for all")
    place = {gene: column for column, gene in enumerate(effect.genes)}
    for name in names:
        if name not in place:
            hint = did_you_mean(str(name), place)
            raise InputError(f"gene {name!r} is not in this effect{hint}")
    return np.unique(np.array([place[name] for name in names], dtype=np.int64))
