"""Which targets of a block get niche networks in hybrid mode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.niche import Gate, GateInputs, SpatialGraph, decide, moran_test, read_gene_set

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacetravlr.training.fits import TargetFit
    from spacetravlr.training.plan import Plan


class GateKeeper:
    """Decides by the rules of `[training.hybrid]`.

    The R2 of a cluster is the one that `[training].score_on` names; clusters that could not be scored do not count for
    its mean, but they do for the size of the smallest one.

    Parameters
    ----------
    plan
        The shared part; the neighbours of the cells are found here, within their piece of tissue.

    Raises
    ------
    InputError
        If a list of genes cannot be read.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        hybrid, samples = plan.config.training.hybrid, plan.tissue.samples
        self.forced = read_gene_set(hybrid.cnn_force_genes_file)
        self.skipped = read_gene_set(hybrid.cnn_skip_genes_file)
        codes = None if samples is None else samples.codes
        self.graph = SpatialGraph.nearest(plan.tissue.xy, hybrid.moran_k_neighbors, samples=codes)

    def decide(self, fits: Sequence[TargetFit | None]) -> list[Gate | None]:
        """Decide on the targets of a block; None stays None.

        Parameters
        ----------
        fits
            Of the regression, before anything is set to zero.

        Notes
        -----
        Cost: one sparse product per permutation for all targets together. The decision on a target does not depend on
        the others.
        """
        live = [fit for fit in fits if fit is not None]
        if not live:
            return [None] * len(fits)
        config = self.plan.config
        moran = moran_test(
            self.graph,
            _residuals(self.plan, live),
            permutations=config.training.hybrid.moran_permutations,
            seed=config.execution.random_seed,
        )
        figures = iter(zip(live, moran.i.tolist(), moran.p.tolist(), strict=True))
        return [None if fit is None else self._decide(*next(figures)) for fit in fits]

    def _decide(self, fit: TargetFit, moran_i: float, moran_p: float) -> Gate:
        training, modulators = self.plan.config.training, fit.modulators
        r2 = fit.r2_out if training.score_on == "held_out" else fit.r2_in
        filled = self.plan.tissue.clusters.sizes > 0
        target = GateInputs(
            gene=modulators.target,
            n_cells=self.plan.tissue.clusters.sizes[filled],
            r2=r2[filled & np.isfinite(r2)],
            converged=fit.converged[filled],
            n_regulators=len(modulators.regulators),
            n_lr_pairs=len(modulators.lr_pairs),
            n_tfl_pairs=len(modulators.tfl_pairs),
            moran_i=moran_i,
            moran_p=moran_p,
            mean_expression=self._mean_expression(modulators.target),
        )
        return decide(
            target,
            training.hybrid,
            score_threshold=training.score_threshold,
            forced=self.forced,
            skipped=self.skipped,
        )

    def _mean_expression(self, target: str) -> float | None:
        config = self.plan.config
        if config.training.hybrid.min_mean_target_expression_for_cnn is None and config.grn.max_ligands is None:
            return None
        return float(self.plan.inputs.columns([target]).mean())


def _residuals(plan: Plan, fits: Sequence[TargetFit]) -> NDArray[np.float64]:
    """Return what the regressions leave, (n_cells, n_targets); a prediction that is not finite counts as 0."""
    out = np.zeros((plan.tissue.n_cells, len(fits)))
    targets = [fit.modulators.target for fit in fits]
    at = [plan.inputs.catalogue.positions(fit.modulators.names) for fit in fits]
    for c, rows in enumerate(plan.rows):
        if not len(rows):
            continue
        design = plan.design(c)
        out[rows] = plan.responses(targets, c)
        for t, fit in enumerate(fits):
            # one target at a time, so that its rounding does not depend on the others
            predicted = design[:, at[t]] @ fit.coef[c] + fit.intercept[c]
            out[rows, t] -= np.where(np.isfinite(predicted), predicted, 0.0)
    return out
