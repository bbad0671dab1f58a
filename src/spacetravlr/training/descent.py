"""`solver = "cd"`: converged fits on standardised columns, at chosen or given penalties."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.regression import (
    KKT,
    MIN_CELLS,
    Choice,
    ClusterFits,
    ClusterGram,
    ColumnSets,
    Lookalikes,
    Path,
    Resampled,
    Responses,
    block_weights,
    bootstrap_cluster,
    choose_gram,
    choose_penalty,
    fit_cluster,
    resampled_bytes,
    units,
)
from spacetravlr.training.column_sets import column_sets
from spacetravlr.training.diagnostics import Diagnostics
from spacetravlr.training.evidence import Block, LocalEvidence
from spacetravlr.training.fits import ErrorPath, TargetFit, beats_trend, has_skill, is_tested, kept_clusters

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacetravlr.device import Accelerator
    from spacetravlr.training.plan import Plan

MIN_REGIONS = 5
"""Fewer regions than this are not drawn as wholes in a bootstrap."""
GRAM_BUDGET = 2 << 30
"""Bytes that the Gram matrices of all clusters may take together."""
DRAW_BUDGET = 2 << 30
"""Bytes that the Gram matrices of all bootstraps may take together; without room they are made for every block."""


class CoordinateDescent:
    """Fits blocks of targets from moments that all of them share.

    Parameters
    ----------
    plan
        The shared part; its designs are standardised and their Gram matrices built here, once.
    accelerator
        Device for the products over cells; None for the CPU.
    """

    def __init__(self, plan: Plan, accelerator: Accelerator | None = None) -> None:
        self.plan = plan
        self.accelerator = accelerator
        lasso = plan.config.lasso
        self.held_out = lasso.select == "cv" or plan.config.training.held_out
        n_folds = len(np.unique(plan.folds)) if self.held_out else 0
        sizes = [len(rows) for rows in plan.rows]
        use = choose_gram(sizes, len(plan.inputs.catalogue), n_folds, GRAM_BUDGET)
        self.grams = [
            ClusterGram(
                plan.design(c), plan.folds[rows] if self.held_out else None, use_gram=use[c], accelerator=accelerator
            )
            for c, rows in enumerate(plan.rows)
        ]
        self.alike = [Lookalikes(gram) for gram in self.grams]
        if lasso.select == "cv":
            self.path = Path(lasso.penalty or "enet")
        else:
            self.path = Path.fixed(l1=lasso.l1_reg, group=lasso.group_reg, ridge=lasso.ridge)
        self.draws = self._resample() if lasso.select == "cv" and lasso.n_bootstraps else None
        cv, asked = lasso.select == "cv", plan.config.training.diagnostics
        self.evidence = LocalEvidence(plan, self.path) if cv and (asked or is_tested(plan.config)) else None
        self.diagnostics = None
        if self.evidence is not None and asked:
            self.diagnostics = Diagnostics(plan, use, self.path, self.evidence, accelerator)

    def _resample(self) -> list[Resampled]:
        """Draw the cells of each cluster; the draws depend on seed and cluster, so all targets share their moments."""
        config = self.plan.config
        n_draws = config.lasso.n_bootstraps
        single = self.path.ridge_part > 0.0
        keep = self._within_budget([resampled_bytes(gram, n_draws, single=single) for gram in self.grams])
        out = []
        for c, (gram, rows) in enumerate(zip(self.grams, self.plan.rows, strict=True)):
            blocks = self.plan.blocks[rows]
            # a cluster in a few regions gives no idea of the spread between regions: draw its cells
            units = blocks if len(np.unique(blocks)) >= MIN_REGIONS else np.arange(len(rows))
            weights = block_weights(units, n_draws, (config.execution.random_seed, 1, c))
            out.append(Resampled(gram, weights, keep=keep[c], single=single))
        return out

    def _within_budget(self, needed: list[int]) -> list[bool]:
        """Serve the largest clusters first: they are the dearest to repeat."""
        left = DRAW_BUDGET
        keep = [False] * len(needed)
        for c in sorted(range(len(needed)), key=lambda c: -self.grams[c].n):
            if needed[c] <= left:
                keep[c] = True
                left -= needed[c]
        return keep

    def fit(self, targets: Sequence[str], wanted: Sequence[bool]) -> list[TargetFit | None]:
        """Fit the wanted targets of a block in all clusters."""
        plan = self.plan
        live = np.array(wanted, dtype=np.bool_)
        raw = [plan.responses(targets, c) for c in range(len(plan.rows))]
        responses = [gram.responses(Y) for gram, Y in zip(self.grams, raw, strict=True)]
        modulators = [plan.inputs.modulators[target] for target in targets]
        sets = column_sets(plan, modulators)
        measured = [plan.measured(targets, c) for c in range(len(plan.rows))] if plan.judges else None
        unit = None if measured is None else units(raw, measured)
        block = Block(modulators, sets, self.grams, responses, raw, measured, unit)
        choice = None
        penalty = np.ones(len(targets))
        if self.held_out:
            choice = choose_penalty(
                self.grams,
                responses,
                sets,
                path=self.path,
                rule=plan.config.lasso.rule,
                live=live,
                judged=block.judged(),
            )
            if plan.config.lasso.select == "cv":
                live &= choice.index >= 0
                penalty = np.where(choice.index >= 0, choice.chosen, 1.0)
        out = [
            TargetFit.empty(one, len(plan.rows)) if want else None for one, want in zip(modulators, wanted, strict=True)
        ]
        if choice is not None:
            for t, fit in enumerate(out):
                if fit is not None:
                    self._add_choice(fit, choice, t)
            self._examine(out, block, penalty, live)
        for c in range(len(plan.rows)):
            self._fit_cluster(c, out, live, penalty, (raw[c], responses[c], sets[c]))
        return out

    def _examine(
        self, out: list[TargetFit | None], block: Block, penalty: NDArray[np.float64], live: NDArray[np.bool_]
    ) -> None:
        """Ask whether there is more than a smooth trend, and where a model will be written, what the ligands add."""
        if self.evidence is None:
            return
        config = self.plan.config
        skilled = live & np.array([fit is not None and has_skill(fit, config) for fit in out])
        found = self.evidence.measure(block, penalty, skilled)
        p_model, r2_local = found.p, found.r2_local
        for t in np.flatnonzero(skilled):
            fit = out[t]
            if fit is not None:
                fit.p_model, fit.r2_local = float(p_model[t]), r2_local[:, t]
        if self.diagnostics is None:
            return
        passed = skilled & np.array([fit is not None and beats_trend(fit, config) for fit in out])
        told = self.diagnostics.diagnose(block, found, penalty, passed)
        for t in np.flatnonzero(passed):
            fit = out[t]
            if fit is not None:
                fit.r2_tf_only, fit.r2_shuffled = told.r2_tf_only[:, t], told.r2_shuffled[:, t]
                fit.p_space = float(told.p_space[t])

    def _fit_cluster(
        self,
        c: int,
        out: list[TargetFit | None],
        live: NDArray[np.bool_],
        penalty: NDArray[np.float64],
        data: tuple[NDArray[np.float64], Responses, ColumnSets],
    ) -> None:
        raw, responses, sets = data
        gram = self.grams[c]
        l1 = penalty * self.path.l1_factor
        strengths = sets.strengths(penalty * self.path.group_factor) if self.path.grouped else None
        ridge = self.path.ridge_part
        if self._is_discarded(c):
            live = np.zeros_like(live)
        fits = fit_cluster(gram, responses, sets, l1=l1, strengths=strengths, ridge=ridge, live=live)
        positions = [self._positions(fit, c) for fit in out]
        for t, fit in enumerate(out):
            if fit is None:
                continue
            unit = self._unit(gram, responses, sets, t)
            fit.coef[c, positions[t]] = fits.weights[t] * unit
            fit.intercept[c] = responses.mean[t] - float(fit.coef[c, positions[t]] @ self._means(gram, sets, t))
            fit.r2_in[c] = np.nan if self._is_discarded(c) else fits.r2_in[t]
            variance = responses.yy[t] * responses.scale[t] ** 2
            fit.train_mse[c] = variance * (1.0 - fits.r2_in[t])
            fit.n_iter[c] = fits.sweeps[t]
            fit.converged[c] = fits.violation[t] <= KKT
            if fits.weights[t].any() and self._is_worth(fit, c):
                self._describe(fit, c, positions[t], unit, sets.columns[sets.pointers[t] : sets.pointers[t + 1]])
        if self.draws is not None:
            self._bootstrap(c, out, live, (raw, responses, sets, fits), (l1, strengths))

    def _describe(
        self, fit: TargetFit, c: int, at: NDArray[np.int64], unit: NDArray[np.float64], columns: NDArray[np.int64]
    ) -> None:
        """Say how large coefficients are without units, and which cannot be told apart."""
        if fit.ratio is None or fit.groups is None:
            fit.ratio, fit.groups = np.zeros_like(fit.coef), np.zeros(fit.coef.shape, dtype=np.int64)
        fit.ratio[c, at] = 1.0 / unit
        fit.groups[c, at] = self.alike[c].groups(columns)

    def _bootstrap(
        self,
        c: int,
        out: list[TargetFit | None],
        live: NDArray[np.bool_],
        data: tuple[NDArray[np.float64], Responses, ColumnSets, ClusterFits],
        penalties: tuple[NDArray[np.float64], NDArray[np.float64] | None],
    ) -> None:
        raw, responses, sets, fits = data
        l1, strengths = penalties
        if self.draws is None:
            return
        worth = live & np.array([self._is_worth(fit, c) for fit in out]) & np.array([w.any() for w in fits.weights])
        draws = bootstrap_cluster(
            self.draws[c], raw, sets, fits, l1=l1, strengths=strengths, ridge=self.path.ridge_part, live=worth
        )
        for t, fit in enumerate(out):
            if fit is None:
                continue
            if fit.stability is None or fit.boot_mean is None or fit.boot_sd is None or fit.boot_intercept is None:
                fit.stability, fit.boot_mean, fit.boot_sd = (np.zeros_like(fit.coef) for _ in range(3))
                fit.boot_intercept = np.zeros_like(fit.intercept)
            at = self._positions(fit, c)
            unit = self._unit(self.grams[c], responses, sets, t)
            if worth[t]:
                fit.stability[c, at] = draws.stability[t]
                fit.boot_mean[c, at] = draws.mean[t] * unit
                fit.boot_sd[c, at] = draws.sd[t] * unit
                means = self._means(self.grams[c], sets, t)
                fit.boot_intercept[c] = responses.mean[t] - float(fit.boot_mean[c, at] @ means)

    def _is_discarded(self, c: int) -> bool:
        """Return whether a cluster is too small to be scored, so that nothing fitted in it would be kept."""
        training = self.plan.config.training
        small = self.grams[c].n < MIN_CELLS or len(self.grams[c].folds) < 2
        return training.score_on == "held_out" and training.score_threshold > 0.0 and small

    def _is_worth(self, fit: TargetFit | None, c: int) -> bool:
        """Return whether these coefficients will be written, so that their spread is of interest."""
        if fit is None:
            return False
        config = self.plan.config
        return has_skill(fit, config) and beats_trend(fit, config) and bool(kept_clusters(fit, config)[c])

    def _positions(self, fit: TargetFit | None, c: int) -> NDArray[np.int64]:
        if fit is None:
            return np.zeros(0, dtype=np.int64)
        mask = self.plan.mask(fit.modulators.target, c)
        return np.arange(len(fit.modulators.names)) if mask is None else np.flatnonzero(mask)

    @staticmethod
    def _unit(gram: ClusterGram, responses: Responses, sets: ColumnSets, t: int) -> NDArray[np.float64]:
        own = sets.columns[sets.pointers[t] : sets.pointers[t + 1]]
        return np.asarray(responses.scale[t] / gram.scale[own])

    @staticmethod
    def _means(gram: ClusterGram, sets: ColumnSets, t: int) -> NDArray[np.float64]:
        return np.asarray(gram.mean[sets.columns[sets.pointers[t] : sets.pointers[t + 1]]])

    def _add_choice(self, fit: TargetFit, choice: Choice, t: int) -> None:
        fit.r2_out = choice.r2_out[:, t]
        fit.r2_pooled = float(choice.r2_pooled[t])
        if self.plan.config.lasso.select == "cv":
            fit.penalty = float(choice.chosen[t])
            fit.path = ErrorPath(choice.lambdas, choice.curve[:, t], choice.spread[:, t])
