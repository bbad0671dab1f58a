"""The matrices that derivatives are made of, laid out for the compiled loop."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spacetravlr.errors import ConfigError, InputError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class SplashInputs:
    """Received ligands and expression by gene, ready for any number of targets.

    Attributes
    ----------
    n_cells
        Number of cells.
    index
        Cell names, if a data frame brought them.
    ligands, tfl_ligands, genes
        Row numbers by name in the three matrices.
    received, received_tfl
        ``(n_ligands, padded cells)`` received ligands.
    expression
        ``(n_genes, padded cells)`` expression with values up to the threshold set to 0.
    """

    n_cells: int
    index: pd.Index[Any] | None
    ligands: dict[str, int]
    tfl_ligands: dict[str, int]
    genes: dict[str, int]
    received: NDArray[np.float64]
    received_tfl: NDArray[np.float64]
    expression: NDArray[np.float64]

    @classmethod
    def prepare(
        cls,
        received: pd.DataFrame | ArrayLike | None,
        received_tfl: pd.DataFrame | ArrayLike | None,
        expression: pd.DataFrame | ArrayLike,
        *,
        genes: Sequence[str] | None = None,
        ligands: Sequence[str] | None = None,
        tfl_ligands: Sequence[str] | None = None,
        needed: Collection[str] | None = None,
        min_expression: float = 1e-9,
    ) -> SplashInputs:
        """Check and lay out the matrices.

        Parameters
        ----------
        received
            ``(n_cells, n_ligands)`` ligands received, for ligand-receptor pairs; None if there are none.
        received_tfl
            ``(n_cells, n_ligands)`` ligands received, for ligand-regulator pairs; None if there are none.
        expression
            ``(n_cells, n_genes)`` expression.
        genes
            Names of the expression columns, unless a data frame brings them.
        ligands
            Names of the columns of `received`, unless a data frame brings them.
        tfl_ligands
            Names of the columns of `received_tfl`; None takes `ligands`.
        needed
            The genes of which columns are kept (`modulator_genes`); None keeps all.
        min_expression
            Expression up to here counts as 0.

        Returns
        -------
        The inputs. Cost and memory: one copy of the columns kept.

        Raises
        ------
        InputError
            If names are missing or occur twice, or shapes disagree.
        ConfigError
            If `min_expression` is negative or not a number.
        """
        import pandas as pd

        if not min_expression >= 0:
            raise ConfigError(f"splash: min_expression is {min_expression}; give a number of at least 0")
        levels, at_gene = _feature_rows(expression, genes, needed, "expression", floor=min_expression)
        n_cells = len(np.asarray(expression))
        lr, at_ligand = _feature_rows(received, ligands, needed, "received")
        if received_tfl is received and tfl_ligands is None:
            tfl, at_tfl_ligand = lr, at_ligand
        else:
            names = ligands if tfl_ligands is None else tfl_ligands
            tfl, at_tfl_ligand = _feature_rows(received_tfl, names, needed, "received_tfl")
        for data, what in ((received, "received"), (received_tfl, "received_tfl")):
            if data is not None and len(np.asarray(data)) != n_cells:
                raise InputError(f"splash: expression of {n_cells} cells, but {what} of {len(np.asarray(data))}")
        frames = (data for data in (expression, received, received_tfl) if isinstance(data, pd.DataFrame))
        index = next((frame.index for frame in frames), None)
        return cls(n_cells, index, at_ligand, at_tfl_ligand, at_gene, lr, tfl, levels)


def _feature_rows(
    data: pd.DataFrame | ArrayLike | None,
    names: Sequence[str] | None,
    needed: Collection[str] | None,
    what: str,
    *,
    floor: float = -np.inf,
) -> tuple[NDArray[np.float64], dict[str, int]]:
    """Return the columns needed as rows, padded with zero cells to whole blocks, and their places by name."""
    from spacetravlr.betas._kernels import BLOCK, columns_to_rows

    if data is None:
        return np.empty((0, 0)), {}
    columns = getattr(data, "columns", None)
    if columns is not None:
        names = [str(name) for name in columns]
    matrix = np.asarray(data)
    if matrix.ndim != 2:
        raise InputError(f"splash: {what} has {matrix.ndim} dimension(s); give cells x columns")
    names = () if names is None and matrix.shape[1] == 0 else names
    if names is None or len(names) != matrix.shape[1]:
        given = "no names" if names is None else f"{len(names)} names"
        raise InputError(f"splash: {what} has {matrix.shape[1]} columns and {given}; give one name per column")
    if len(set(names)) < len(names):
        raise InputError(f"splash: a column of {what} is named twice; give each name once")
    kept = [column for column, name in enumerate(names) if needed is None or name in needed]
    padded = -(-len(matrix) // BLOCK) * BLOCK
    rows = np.empty((len(kept), padded))
    rows[:, len(matrix) :] = 0.0
    places: Sequence[int] = kept
    if matrix.dtype != np.float64 or not matrix.flags.c_contiguous:
        matrix, places = np.ascontiguousarray(matrix[:, kept], dtype=np.float64), range(len(kept))
    view = matrix.view()
    # one compiled version serves writable and read-only input alike
    view.flags.writeable = False
    columns_to_rows(rows, view, np.array(places, dtype=np.uint32), float(floor))
    return rows, {names[column]: row for row, column in enumerate(kept)}
