"""What is compared on real samples, and how each is measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacetravlr.training import Plan

    Array = NDArray[np.float64]


class Sample:
    """A file, the targets, and what the arms share.

    Parameters
    ----------
    path
        The .h5ad file.
    settings
        That differ from the defaults.
    count
        Number of targets.
    """

    def __init__(self, path: str, settings: Mapping[str, Any], count: int) -> None:
        from spacetravlr.config import RunConfig
        from spacetravlr.events import silent
        from spacetravlr.tissue import Tissue
        from spacetravlr.training import plan_training
        from spacetravlr.training.inputs import select_modulators
        from spacetravlr.training.request import load_network
        from spacetravlr.training.response import decide_response

        self._given = RunConfig.from_flat(settings)
        config = self._given.resolved()
        self.tissue = Tissue.open(path, config.data.layer)
        self.config = decide_response(config, self.tissue, silent)
        network = load_network(self.tissue, self.config, silent)
        modulators = select_modulators(self.tissue, self.config, network, self.tissue.genes)
        able = [gene for gene in self.tissue.genes if modulators[gene].names]
        at = np.unique(np.linspace(0, len(able) - 1, min(count, len(able))).astype(np.int64))
        self.targets = tuple(able[index] for index in at)
        self.config = self.config.replace({"training.genes": list(self.targets)}).resolved()
        self.plan = plan_training(self.tissue, self.config)

    def variant(self, **settings: Any) -> Plan:
        """Return the plan with other settings, the same regions and the same judge."""
        from spacetravlr.training import plan_training

        shared = {"response_layer": self.config.data.response_layer, "genes": list(self.targets)}
        plan = plan_training(self.tissue, self._given.replace({**settings, **shared, "held_out": True}).resolved())
        return replace(plan, blocks=self.plan.blocks, folds=self.plan.folds)

    @cached_property
    def unit(self) -> Array:
        """(T,), what one unit of the layer stands for in units of what judges."""
        from spacetravlr.regression import units

        clusters = range(len(self.plan.rows))
        fitted = [self.plan.responses(self.targets, c) for c in clusters]
        return units(fitted, [self.plan.measured(self.targets, c) for c in clusters])


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to predict."""

    name: str
    summary: str
    measure: Callable[[Sample], Array]
    """Returns (T,), the held-out R2 of each target over all clusters."""


def _trained(**settings: Any) -> Callable[[Sample], Array]:
    def measure(sample: Sample) -> Array:
        from spacetravlr.training.held_out import held_out_skill

        plan = sample.variant(**settings) if settings else sample.plan
        # a target that has no modulators in this arm is predicted by the mean
        idle = [not plan.inputs.modulators[target].names for target in sample.targets]
        return np.where(idle, 0.0, held_out_skill(plan, sample.targets).pooled)

    return measure


def _without_space(sample: Sample) -> Array:
    """Give each cell what another cell of its cluster received; regions stay where they are."""
    from spacetravlr.training.held_out import held_out_skill

    plan = sample.plan
    rng = np.random.default_rng(np.random.SeedSequence(plan.config.execution.random_seed, spawn_key=(5,)))
    received = plan.received.copy()
    for rows in plan.rows:
        received[rows] = plan.received[rng.permutation(rows)]
    return held_out_skill(replace(plan, received=received), sample.targets).pooled


def _marginal(*, best: bool) -> Callable[[Sample], Array]:
    return lambda sample: marginal(sample.plan, sample.targets, sample.unit, best=best)


def marginal(plan: Plan, targets: tuple[str, ...], unit: Array, *, best: bool) -> Array:
    """Predict from one column at a time.

    Parameters
    ----------
    plan
        Columns and regions.
    targets
        (T,) of the plan.
    unit
        (T,), what one unit of the layer stands for in units of what judges.
    best
        Use the column of each target that correlates best in the cells that are not held out; otherwise all columns
        with their own slopes, scaled by one factor that fits these cells best.

    Returns
    -------
    (T,), held-out R2 over all clusters; NaN where there is none.
    """
    from spacetravlr.regression import MIN_CELLS

    error, total = np.zeros(len(targets)), np.zeros(len(targets))
    own = [plan.inputs.catalogue.positions(plan.inputs.modulators[target].names) for target in targets]
    for c, rows in enumerate(plan.rows):
        folds = plan.folds[rows]
        if len(rows) < MIN_CELLS or len(np.unique(folds)) < 2:
            continue
        X, Y = plan.design(c), plan.responses(targets, c)
        X = (X - X.mean(axis=0)) / np.where(X.std(axis=0) > 0.0, X.std(axis=0), np.inf)
        Z = plan.measured(targets, c) / unit
        variance = np.where(Z.std(axis=0) > 1e-12 * np.abs(Z.mean(axis=0)), Z.var(axis=0), np.inf)
        for fold in np.unique(folds):
            held = folds == fold
            centre = X[~held].mean(axis=0)
            train, test = X[~held] - centre, X[held] - centre
            y = Y[~held] - Y[~held].mean(axis=0)
            z = Z[held] - Z[~held].mean(axis=0)
            squares, products = np.einsum("ij,ij->j", train, train), train.T @ y
            for t, columns in enumerate(own):
                weights = _weights(train[:, columns], squares[columns], products[columns, t], y[:, t], best=best)
                error[t] += float(((z[:, t] - test[:, columns] @ weights) ** 2).sum() / variance[t])
                total[t] += float((z[:, t] ** 2).sum() / variance[t])
    usable = total > 0.0
    return np.where(usable, 1.0 - error / np.where(usable, total, 1.0), np.nan)


def _weights(X: Array, squares: Array, products: Array, y: Array, *, best: bool) -> Array:
    slopes = products / np.where(squares > 0.0, squares, np.inf)
    if best:
        chosen = int(np.argmax(products * slopes))
        return np.where(np.arange(len(slopes)) == chosen, slopes, 0.0)
    predicted = X @ slopes
    size = float(predicted @ predicted)
    scaled: Array = slopes * (float(predicted @ y) / size if size > 0.0 else 0.0)
    return scaled


ARMS = {
    arm.name: arm
    for arm in (
        Arm("default", "the defaults", _trained()),
        Arm("tf-only", "no ligands", _trained(use_lr_modulators=False, use_tfl_modulators=False)),
        Arm("no-space", "each cell gets what another cell of its cluster received", _without_space),
        Arm("best-single", "the one column that correlates best", _marginal(best=True)),
        Arm("correlation", "slopes on one column at a time, scaled by one factor", _marginal(best=False)),
        Arm("readme", "the README's solver and settings, 100 steps", _trained(solver="fista", n_iter=100)),
    )
}
