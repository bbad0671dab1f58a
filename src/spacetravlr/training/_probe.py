"""A short measurement: how long a few targets take, on this machine, on this sample."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.events import Event, StageFinished
from spacetravlr.threads import one_blas_thread
from spacetravlr.training.descent import CoordinateDescent
from spacetravlr.training.diagnostics import SHIFTS
from spacetravlr.training.fits import BlockSolver, TargetFit, kept_clusters, orphan_reason, to_betas
from spacetravlr.training.inputs import read_inputs
from spacetravlr.training.plan import make_plan
from spacetravlr.training.solvers import make_regression
from spacetravlr.training.trainer import BLOCK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacetravlr.config import RunConfig
    from spacetravlr.prior import PriorNetwork
    from spacetravlr.tissue import Tissue
    from spacetravlr.training.plan import Plan

FEW = 8
"""Targets that are always fitted."""
_WORK = 80e9
"""Floating-point operations that the Gram matrices of the probe may take; more cells than that are not used."""
_LONG_ENOUGH = 1.0
"""Seconds; if a few targets take less, more are fitted, so that what a block costs once is in proportion."""
_DRAWS = 5


@dataclass(frozen=True)
class Probe:
    """What has been measured."""

    read_s: float
    """Seconds per gene that is read, as all times here on a machine that does nothing else."""
    receive_s: float
    """Seconds per ligand."""
    flop_s: float
    """Seconds per floating-point operation of the products."""
    fit_s: float
    """Seconds per target without bootstraps."""
    draw_s: float
    """Seconds per target and bootstrap, besides the Gram matrices."""
    columns: int
    """Distinct modulator columns of the targets that were fitted."""
    itemsize: int
    """Bytes of a value of the expression."""
    kept: float
    """Mean number of columns of a coefficient file, over all targets; a target without a model counts as 0."""
    active: float = 0.0
    """Mean number of coefficients of a cell that are not zero, over all cells and targets."""


def take_probe(tissue: Tissue, settings: RunConfig, network: PriorNetwork, targets: Sequence[str]) -> Probe:
    """Fit a few targets and time it.

    Parameters
    ----------
    tissue, network
        The sample, and the network restricted to its genes.
    settings
        Resolved.
    targets
        Those that have modulators; a few, evenly spaced, are fitted.

    Notes
    -----
    Takes a few seconds, and reads the genes that these targets need. Of clusters that are large an even part of the
    cells is used: the fits work on Gram matrices, whose size does not depend on it.
    """
    chosen = _spread(targets, BLOCK)
    few = _spread(chosen, FEW)
    times: dict[str, float] = {}

    def listen(event: Event) -> None:
        if isinstance(event, StageFinished):
            times[event.stage] = event.seconds

    sub = _with_targets(settings, chosen)
    inputs = read_inputs(tissue, sub, network, listen)
    plan = _thinned(make_plan(tissue, sub, inputs, listen))
    with one_blas_thread():
        began = time.thread_time()
        solver = make_regression(plan)
        built = time.thread_time() - began
        # what is compiled or made once, is done now
        _fit(solver, inputs.targets, few[:1])
        if not isinstance(solver, CoordinateDescent):
            # its products have the size of a block, whoever is in it
            few = chosen
        seconds, fits = _fit(solver, inputs.targets, few)
        if seconds < _LONG_ENOUGH and len(few) < len(chosen):
            few = _spread(chosen, max(FEW, int(FEW * _LONG_ENOUGH / max(seconds, 1e-3))))
            seconds, fits = _fit(solver, inputs.targets, few)
        drawing = 0.0
        if isinstance(solver, CoordinateDescent):
            if solver.draws is not None:
                n_draws, solver.draws = len(solver.draws[0]), None
                alone, _ = _fit(solver, inputs.targets, few)
                drawing, seconds = max(0.0, seconds - alone) / n_draws, alone
            # products with the responses are those of a block, whoever of it is fitted
            shared, _ = _fit(solver, inputs.targets, [])
            seconds = max(0.0, seconds - shared) + shared * len(few) / len(chosen)
    written = [_written(fit, plan) for fit in fits if fit is not None]
    return Probe(
        read_s=times["expression"] / max(len(inputs.gene_at), 1),
        receive_s=times["received ligands"] / max(len(inputs.catalogue.ligands), 1),
        flop_s=built / max(_flop(plan), 1.0),
        fit_s=seconds / len(few),
        draw_s=drawing / len(few),
        columns=len(inputs.catalogue),
        itemsize=inputs.expression.itemsize,
        kept=sum(int(np.any(values, axis=0).sum()) for values in written) / len(few),
        active=sum(_active(values, plan) for values in written) / len(few),
    )


def gram_flop(cells: Sequence[int], columns: int, *, folds: bool) -> float:
    """Return the operations of the Gram matrices of some clusters, with those of the folds."""
    return (4.0 if folds else 2.0) * sum(cells) * columns**2


def _spread(targets: Sequence[str], count: int) -> list[str]:
    at = np.unique(np.linspace(0, len(targets) - 1, min(count, len(targets))).astype(np.int64))
    return [targets[index] for index in at]


def _with_targets(settings: RunConfig, targets: Sequence[str]) -> RunConfig:
    changes: dict[str, object] = {"training.genes": list(targets), "training.max_genes": None}
    if settings.lasso.n_bootstraps > _DRAWS:
        changes["lasso.n_bootstraps"] = _DRAWS
    return settings.replace(changes).resolved()


def _thinned(plan: Plan) -> Plan:
    """Leave out cells, evenly, so that the Gram matrices take no longer than they may."""
    P = max(len(plan.inputs.catalogue), 1)
    sizes = np.array([len(rows) for rows in plan.rows])
    most = int(sizes.max())
    while most > FEW * 32 and gram_flop(np.minimum(sizes, most).tolist(), P, folds=True) > _WORK:
        most = int(most * 0.9)
    return replace(plan, rows=tuple(_even(rows, most) for rows in plan.rows))


def _even(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    if len(rows) <= most:
        return rows
    return rows[np.unique(np.linspace(0, len(rows) - 1, most).astype(np.int64))]


def _flop(plan: Plan) -> float:
    cells = [len(rows) for rows in plan.rows]
    folds = plan.config.lasso.solver != "fista" and (plan.config.lasso.select == "cv" or plan.config.training.held_out)
    shifts = len(SHIFTS) if plan.config.lasso.select == "cv" and plan.config.training.diagnostics else 0
    return (1 + shifts) * gram_flop(cells, len(plan.inputs.catalogue), folds=folds)


def _fit(solver: BlockSolver, block: Sequence[str], wanted: Sequence[str]) -> tuple[float, list[TargetFit | None]]:
    chosen = set(wanted)
    # this thread's own time: what other programs do meanwhile does not count
    began = time.thread_time()
    fits = solver.fit(block, [target in chosen for target in block])
    return time.thread_time() - began, fits


def _written(fit: TargetFit, plan: Plan) -> NDArray[np.bool_]:
    """Return (C, p) which coefficients of a target would be written that are not zero."""
    kept = kept_clusters(fit, plan.config)
    if orphan_reason(fit, kept, plan.config) is not None:
        return np.zeros(fit.coef.shape, dtype=np.bool_)
    return np.asarray(to_betas(fit, kept, plan.tissue.clusters, plan.config).values != 0.0)


def _active(written: NDArray[np.bool_], plan: Plan) -> float:
    sizes = np.array([len(rows) for rows in plan.rows])
    return float(written.sum(axis=1) @ sizes / sizes.sum())
