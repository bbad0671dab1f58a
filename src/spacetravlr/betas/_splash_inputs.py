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
        Rows of the features by name: ligands received in either kind of pairs, and expression.
    features
        ``(n_blocks, n_features, BLOCK)`` a block of cells after the other, the last one filled up with zeros;
        expression up to the threshold is 0.
    """

    n_cells: int
    index: pd.Index[Any] | None
    ligands: dict[str, int]
    tfl_ligands: dict[str, int]
    genes: dict[str, int]
    features: NDArray[np.float64]

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
            ``(n_cells, n_ligands)`` ligands received, for ligand-TF pairs; None if there are none.
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
        parts = [_part(expression, genes, needed, "expression"), _part(received, ligands, needed, "received")]
        # one copy of ligands that are received alike in both kinds of pairs is read faster than two
        same = received_tfl is received and tfl_ligands is None
        if not same:
            parts.append(_part(received_tfl, ligands if tfl_ligands is None else tfl_ligands, needed, "received_tfl"))
        n_cells = len(parts[0].matrix)
        for part, data in zip(parts[1:], (received, received_tfl), strict=False):
            if data is not None and len(part.matrix) != n_cells:
                raise InputError(f"splash: expression of {n_cells} cells, but {part.what} of {len(part.matrix)}")
        frames = (data for data in (expression, received, received_tfl) if isinstance(data, pd.DataFrame))
        index = next((frame.index for frame in frames), None)
        features, places = _lay_out(parts, n_cells, floor=float(min_expression))
        return cls(n_cells, index, places[1], places[-1], places[0], features)


@dataclass(frozen=True, eq=False)
class _Part:
    """One of the matrices, with the columns of it that are kept, by name."""

    what: str
    matrix: NDArray[Any]
    columns: dict[str, int]


def _part(
    data: pd.DataFrame | ArrayLike | None, names: Sequence[str] | None, needed: Collection[str] | None, what: str
) -> _Part:
    """Check one matrix and its names."""
    if data is None:
        return _Part(what, np.empty((0, 0)), {})
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
    return _Part(what, matrix, {name: column for column, name in enumerate(names) if needed is None or name in needed})


def _lay_out(parts: Sequence[_Part], n_cells: int, *, floor: float) -> tuple[NDArray[np.float64], list[dict[str, int]]]:
    """Return the columns kept as features, of which the floor applies to those of the first part, and their places."""
    from spacetravlr.betas._kernels import BLOCK, columns_to_blocks

    features = np.empty((-(-n_cells // BLOCK), sum(len(part.columns) for part in parts), BLOCK))
    places, top = [], 0
    for number, part in enumerate(parts):
        matrix, columns = part.matrix, list(part.columns.values())
        if matrix.dtype not in (np.float64, np.float32) or not matrix.flags.c_contiguous:
            matrix, columns = np.ascontiguousarray(matrix[:, columns], dtype=np.float64), list(range(len(columns)))
        view = matrix.view()
        # one compiled version serves writable and read-only input alike
        view.flags.writeable = False
        columns_to_blocks(features, top, view, np.array(columns, dtype=np.uint32), -np.inf if number else floor)
        places.append({name: top + place for place, name in enumerate(part.columns)})
        top += len(part.columns)
    return features, places
