"""Derivatives of a target's expression with respect to its modulator genes."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spacetravlr.betas._columns import PREFIX
from spacetravlr.betas._splash_inputs import SplashInputs
from spacetravlr.betas._splash_plan import SplashPlan
from spacetravlr.betas.table import Betas, Coefficients
from spacetravlr.errors import ConfigError, InputError, listing
from spacetravlr.threads import for_each_block

if TYPE_CHECKING:
    import pandas as pd

_log = logging.getLogger("spacetravlr")


# up to this many rows, coefficients are laid out by modulator first: a block of cells finds them in the cache
_SHARED_ROWS = 512
_CHUNK = 1024  # cells that all targets go through before the next ones, while their features are in the cache
_AT_ONCE = 8  # targets; more gain nothing
_MEMORY = 1 << 30  # bytes of results at once

_NONE = np.empty((0, 0))


@dataclass(frozen=True, eq=False)
class SplashTask:
    """One target to be worked on.

    Attributes
    ----------
    plan
        The plan made for the inputs.
    values
        ``(n_rows, n_modulators)`` coefficients, C order.
    rows
        ``(n_cells,)`` row of each cell, -1 for none (its derivatives are 0).
    out
        ``(n_genes_of_plan, n_cells)`` C order float64 to write into.
    """

    plan: SplashPlan
    values: Coefficients
    rows: NDArray[np.int64]
    out: NDArray[np.float64]


def run_splash(
    tasks: Sequence[SplashTask], *, inputs: SplashInputs, scale: float = 1.0, cap: float | None = None
) -> None:
    """Fill the results of some targets, on as many threads as BLAS has; nothing is checked.

    Parameters
    ----------
    tasks
        The targets. Several at once read the inputs from the cache; `splash_batches` says how many.
    inputs
        Received ligands and expression.
    scale
        Factor of every product with a ligand or its partner (terms 2 to 5).
    cap
        Largest absolute value of a derivative; None for no limit.
    """
    from spacetravlr.betas._kernels import splash_cells

    prepared = [_arguments(task, inputs, float(scale), math.inf if cap is None else float(cap)) for task in tasks]
    starts = range(0, inputs.n_cells, _CHUNK)

    def work(number: int) -> None:
        begin = starts[number]
        for task, arguments in zip(tasks, prepared, strict=True):
            splash_cells(task.out, begin, min(begin + _CHUNK, inputs.n_cells), *arguments)

    for_each_block(work, len(starts))


def splash_batches(sizes: Sequence[int], n_cells: int) -> Iterator[slice]:
    """Cut targets into runs that are worked on at once: at most 8, and 1 GB of results unless one alone has more.

    Parameters
    ----------
    sizes
        Number of modulator genes of each target.
    n_cells
        Number of cells.
    """
    start, total = 0, 0
    for place, size in enumerate(sizes):
        if place > start and (place - start == _AT_ONCE or (total + size) * n_cells * 8 > _MEMORY):
            yield slice(start, place)
            start, total = place, 0
        total += size
    if start < len(sizes):
        yield slice(start, len(sizes))


def _arguments(task: SplashTask, inputs: SplashInputs, scale: float, cap: float) -> list[Any]:
    plan, values = task.plan, np.asarray(task.values)
    factors, table = np.where(plan.scaled, scale, 1.0), _NONE
    if len(values) <= _SHARED_ROWS:
        table = np.zeros((values.shape[1], len(values) + 1))
        np.multiply(values.T, factors[:, None], out=table[:, :-1])
    arrays: list[NDArray[Any]] = [table, values, factors, task.rows, inputs.features]
    indices: list[NDArray[Any]] = [plan.kinds, plan.place, plan.tf, plan.gate, plan.runs, plan.betas, plan.partners]
    # read-only views: one compiled version serves writable and read-only arrays alike
    return [*map(_read_only, arrays + indices), cap]


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
        ``(n_cells, n_ligands)`` ligands received, for ligand-TF pairs; None if there are none.
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

    Examples
    --------
    >>> from spacetravlr.betas import splash
    >>> table, tissue = run.betas("Agr2"), run.tissue()
    >>> ligands = sorted({*table.ligands, *table.tfl_ligands})
    >>> received = stl.SignalField(tissue.xy, radius=200.0).apply(tissue.columns(ligands))
    >>> rows = table.rows_for(tissue.row_keys, tissue.cells)
    >>> found = splash(table, received, received, adata.to_df(), ligands=ligands, rows=rows)
    >>> found.shape == (300, len(table.modulator_genes)), "beta_Pax6" in found
    (True, True)
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
    ((frame, dropped),) = splash_frames([betas], inputs, [rows], scale=scale, cap=cap)
    warn_of_dropped(dropped, f"splash of {betas.target}")
    return frame


def splash_frames(
    tables: Sequence[Betas],
    inputs: SplashInputs,
    rows: Sequence[ArrayLike | None],
    *,
    scale: float,
    cap: float | None,
) -> Iterator[tuple[pd.DataFrame, tuple[str, ...]]]:
    """Yield the derivatives of each target as `splash` does, and the pairs left out; some targets are done at once."""
    import pandas as pd

    for batch in splash_batches([len(betas.modulator_genes) for betas in tables], inputs.n_cells):
        tasks = []
        for betas, own in zip(tables[batch], rows[batch], strict=True):
            plan, checked = SplashPlan.build(betas, inputs), _checked_rows(own, inputs.n_cells, betas)
            tasks.append(SplashTask(plan, betas.values, checked, np.empty((len(plan.genes), inputs.n_cells))))
        run_splash(tasks, inputs=inputs, scale=scale, cap=cap)
        while tasks:
            task = tasks.pop(0)
            columns = [PREFIX + name for name in task.plan.genes]
            # genes are rows in memory, as in the blocks of a data frame: nothing is copied
            yield pd.DataFrame(task.out.T, index=inputs.index, columns=columns, copy=False), task.plan.dropped


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
