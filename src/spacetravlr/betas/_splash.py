"""Derivatives of a target's expression with respect to its modulator genes."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spacetravlr.betas._columns import PREFIX
from spacetravlr.betas._splash_inputs import SplashInputs
from spacetravlr.betas._splash_plan import SplashPlan
from spacetravlr.betas.table import Betas, Coefficients
from spacetravlr.errors import ConfigError, InputError, listing

if TYPE_CHECKING:
    import pandas as pd

_log = logging.getLogger("spacetravlr")


def splash_arrays(
    plan: SplashPlan,
    values: Coefficients,
    rows: NDArray[np.int64],
    *,
    inputs: SplashInputs,
    scale: float = 1.0,
    cap: float | None = None,
    out: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Run a plan; nothing is checked.

    Parameters
    ----------
    plan
        The plan made for these inputs.
    values
        ``(n_rows, n_modulators)`` coefficients, C order.
    rows
        ``(n_cells,)`` row of each cell, -1 for none (its derivatives are 0).
    inputs
        Received ligands and expression.
    scale
        Factor of every product with a ligand or its partner (terms 2 to 5).
    cap
        Largest absolute value of a derivative; None for no limit.
    out
        ``(n_genes_of_plan, n_cells)`` C order float64 to write into; None allocates.

    Returns
    -------
    ``(n_genes_of_plan, n_cells)`` derivatives, `out` if given. Cost: two multiply-adds per pair and cell, in the
    caller's thread and without the interpreter lock; the result is written once.
    """
    from spacetravlr.betas._kernels import splash_rows

    if out is None:
        out = np.empty((len(plan.genes), len(rows)))
    read_only = [
        *(values, rows, inputs.received, inputs.received_tfl, inputs.expression),
        *(plan.tf, plan.gate, plan.ends, plan.betas, plan.partners),
    ]
    # read-only views: one compiled version serves writable and read-only arrays alike
    arguments: list[Any] = [out, *map(_read_only, read_only), float(scale), math.inf if cap is None else float(cap)]
    splash_rows(*arguments)
    return out


def splash(
    betas: Betas,
    received: pd.DataFrame | ArrayLike | None,
    received_tfl: pd.DataFrame | ArrayLike | None,
    expression: pd.DataFrame | ArrayLike,
    genes: Sequence[str] | None = None,
    *,
    ligands: Sequence[str] | None = None,
    tfl_ligands: Sequence[str] | None = None,
    rows: ArrayLike | None = None,
    scale: float = 1.0,
    cap: float | None = None,
    min_expression: float = 1e-9,
) -> pd.DataFrame:
    """Return the derivative of a target's expression with respect to each of its modulator genes.

    With b the coefficients of the cell's row, RL and RT the received ligands, X the expression with values up to
    `min_expression` set to 0, and s the scale, the contributions are: ``b`` to a plain modulator; ``s b RL_l`` to the
    receptor r of a pair ``l$r`` where ``X_r > 0`` and ``s b X_r`` to its ligand; ``s b X_t`` to the ligand of ``l#t``
    and ``s b RT_l`` to its regulator t. Contributions to one gene are added, then limited to ``[-cap, cap]``.

    For many targets `Betabase.splash` lays out the matrices once.

    Parameters
    ----------
    betas
        The target's coefficients.
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
    rows
        ``(n_cells,)`` row of each cell as given by `Betas.rows_for`, -1 for none; None if the rows are the cells.
    scale
        The factor s, for every contribution but the first.
    cap
        Largest absolute value of a derivative; None for no limit.
    min_expression
        Expression up to here counts as 0.

    Returns
    -------
    ``(n_cells, n_modulator_genes)`` derivatives: target expression per unit of modulator expression (or per unit of
    received ligand). Columns are ``beta_<gene>``, sorted by gene. A pair of which a gene is missing from the columns
    given contributes nothing, with one warning.

    Raises
    ------
    InputError
        If names are missing or occur twice, shapes disagree or `rows` points outside the table.
    ConfigError
        If `scale`, `cap` or `min_expression` is impossible.
    """
    check_settings(scale, cap)
    inputs = SplashInputs.prepare(
        *(received, received_tfl, expression),
        genes=genes,
        ligands=ligands,
        tfl_ligands=tfl_ligands,
        needed=frozenset(betas.modulator_genes),
        min_expression=min_expression,
    )
    frame, dropped = splash_frame(betas, inputs, rows, scale=scale, cap=cap)
    warn_of_dropped(dropped, f"splash of {betas.target}")
    return frame


def splash_frame(
    betas: Betas, inputs: SplashInputs, rows: ArrayLike | None, *, scale: float, cap: float | None
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the derivatives of one target as `splash` does, and the pairs left out."""
    import pandas as pd

    plan = SplashPlan.build(betas, inputs)
    checked = _checked_rows(rows, inputs.n_cells, betas)
    derivatives = splash_arrays(plan, betas.values, checked, inputs=inputs, scale=scale, cap=cap)
    columns = [PREFIX + name for name in plan.genes]
    return pd.DataFrame(derivatives.T, index=inputs.index, columns=columns, copy=False), plan.dropped


def warn_of_dropped(pairs: Sequence[str], what: str) -> None:
    """Log one warning for pairs left out, if there are any."""
    if pairs:
        _log.warning(
            "%s: %d pair(s) left out, because a gene of theirs is not among the columns given: %s",
            *(what, len(pairs), listing(pairs)),
        )


def check_settings(scale: float, cap: float | None) -> None:
    """Refuse a scale or cap that has no meaning."""
    if not math.isfinite(scale):
        raise ConfigError(f"splash: scale is {scale}; give a finite number")
    if cap is not None and not cap >= 0:
        raise ConfigError(f"splash: cap is {cap}; give a number of at least 0, or None for no limit")


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view


def _checked_rows(rows: ArrayLike | None, n_cells: int, betas: Betas) -> NDArray[np.int64]:
    n_rows = len(betas.row_labels)
    if rows is None:
        if n_rows != n_cells:
            raise InputError(
                f"splash of {betas.target}: {n_rows} rows of betas for {n_cells} cells; give rows=betas.rows_for(...)"
            )
        return np.arange(n_cells)
    array = np.asarray(rows)
    if array.shape != (n_cells,) or array.dtype.kind not in "iu":
        raise InputError(f"splash of {betas.target}: rows must be {n_cells} row numbers, one per cell")
    if n_cells and (array.min() < -1 or array.max() >= n_rows):
        raise InputError(f"splash of {betas.target}: rows must lie between -1 and {n_rows - 1}")
    return np.ascontiguousarray(array, dtype=np.int64)
