"""The result: arrows for cells and for the points of a grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import anndata

    from spacetravlr.perturbation.effect import Effect


@dataclass(frozen=True, eq=False)
class TransitionField:
    """Which way a perturbation moves the cells on an embedding.

    Attributes
    ----------
    grid_x, grid_y
        ``(nx,)`` and ``(ny,)`` coordinates of the grid.
    vectors
        ``(nx * ny, 2)`` arrows of the grid points, point ``(ix, iy)`` at ``ix * ny + iy``; their largest absolute
        component is `vector_scale`.
    cell_vectors
        ``(n_cells, 2)`` arrows of the cells, in units of the embedding.
    embedding
        ``(n_cells, 2)`` positions of the cells.
    basis
        Name of the embedding, such as ``"X_umap"``.
    params
        Settings, and what came of them: number of neighbours, size of the grid.
    effect
        The simulation.
    in_scope
        ``(n_cells,)`` cells whose changes were counted, or None for all.
    """

    grid_x: NDArray[np.float64]
    grid_y: NDArray[np.float64]
    vectors: NDArray[np.float64]
    cell_vectors: NDArray[np.float64]
    embedding: NDArray[np.float64]
    basis: str
    params: Mapping[str, Any]
    effect: Effect
    in_scope: NDArray[np.bool_] | None = None

    def __repr__(self) -> str:
        grid = f"{len(self.grid_x)} x {len(self.grid_y)} grid points"
        return f"TransitionField({self.basis!r}: {len(self.cell_vectors):,} cells, {grid}; {self.effect!r})"

    @property
    def points(self) -> NDArray[np.float64]:
        """``(nx * ny, 2)`` positions of the grid points, in the order of `vectors`."""
        across, along = np.meshgrid(self.grid_x, self.grid_y, indexing="ij")
        return np.stack([across.ravel(), along.ravel()], axis=1)

    def to_obsm(self, adata: anndata.AnnData, name: str, *, layer: bool = True) -> str:
        """Write the arrows of the cells where scVelo and CellRank look for a velocity called ``delta_<name>``.

        Written are ``obsm["delta_<name>_<basis>"]`` (basis without ``X_``), the arrows;
        ``layers["delta_<name>"]``, the change of expression, float32; and
        ``uns["spacetravlr"]["transition_fields"][name]``, the settings. The embedding is added to ``obsm`` if it is
        not there. Cells and genes are matched by name; genes that the effect does not know get 0.

        Parameters
        ----------
        adata
            Cells of the effect, all or some, in any order.
        name
            Of the perturbation.
        layer
            Whether to write the layer, 4 bytes x cells x genes.

        Returns
        -------
        The key in ``obsm``.

        Raises
        ------
        InputError
            If a cell is not in the effect, no gene is, or ``adata`` holds another embedding under the same name.
        """
        from spacetravlr.perturbation.transition._export import write_field

        return write_field(self, adata, name, layer=layer)
