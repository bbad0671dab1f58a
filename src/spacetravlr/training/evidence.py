"""Does a target have a model at all? Skill in held-out regions that a smooth trend over the tissue cannot have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.regression import (
    MIN_CELLS,
    ClusterGram,
    ColumnSets,
    Path,
    Responses,
    better_than,
    fit_without_folds,
    local_skill,
    nearest_cells,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacetravlr.prior import Modulators
    from spacetravlr.regression import Judged
    from spacetravlr.training.plan import Plan

NEIGHBOURS, BESIDE = 2, 4
"""Each cell is compared with the first two of the four nearest cells of its cluster that are held out with it: few and
near, so that fine patterns cancel too."""


@dataclass(frozen=True)
class Block:
    """Some targets fitted together.

    Attributes
    ----------
    modulators
        Of each target.
    sets, grams, responses, raw
        Per cluster: columns of each target, moments of the columns, moments of the responses, and (n, T) responses in
        expression units.
    measured, unit
        Where held-out cells are judged by another layer: per cluster (n, T) of it, and its (T,) units.
    """

    modulators: Sequence[Modulators]
    sets: Sequence[ColumnSets]
    grams: Sequence[ClusterGram]
    responses: Sequence[Responses]
    raw: Sequence[NDArray[np.float64]]
    measured: Sequence[NDArray[np.float64]] | None = None
    unit: NDArray[np.float64] | None = None

    def judged(self) -> list[Judged] | None:
        """Return what judges held-out cells; None where the response itself does."""
        from spacetravlr.regression import judge

        if self.measured is None or self.unit is None:
            return None
        parts = zip(self.grams, self.responses, self.raw, self.measured, strict=True)
        return [judge(gram, response, Y, Z, self.unit) for gram, response, Y, Z in parts]

    def observed(self, c: int) -> NDArray[np.float64]:
        """Return (n, T) what held-out predictions in a cluster are compared with, in units of the response."""
        scale = self.responses[c].scale
        if self.measured is None or self.unit is None:
            return np.asarray(self.raw[c] / scale)
        return np.asarray(self.measured[c] / (self.unit * scale))


@dataclass(frozen=True)
class Skill:
    """What fits without a fold achieve on its cells: (C, n_folds, T), NaN where it was not evaluated."""

    gain: NDArray[np.float64]
    local: NDArray[np.float64]
    error: NDArray[np.float64]
    total: NDArray[np.float64]
    """As in `LocalSkill`."""

    @property
    def p(self) -> NDArray[np.float64]:
        """(T,), one-sided, for "predictions beat a smooth trend", i.e. they lower the differences of neighbours."""
        return better_than(-self.gain, np.zeros_like(self.gain))

    def better_than(self, other: Skill) -> NDArray[np.float64]:
        """Return (T,), one-sided, for "these fits beat the others in that"."""
        return better_than(-self.gain, -other.gain)

    @property
    def r2_local(self) -> NDArray[np.float64]:
        """(C, T), share of the squared differences between neighbours that is predicted."""
        return _share(self.gain, self.local)

    @property
    def r2(self) -> NDArray[np.float64]:
        """(C, T), held-out R2."""
        return _share(self.total - self.error, self.total)


def _share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    known = np.isfinite(whole).any(axis=1)
    sums = np.nansum(whole, axis=1)
    usable = known & (sums > 0.0)
    return np.where(usable, np.nansum(part, axis=1) / np.where(usable, sums, 1.0), np.nan)


class LocalEvidence:
    """Measures fits on differences between neighbouring cells.

    What is promised: of targets that depend on none of their modulators, given a smooth trend of whatever shape, at
    most a share `[training].model_level` gets a model. Received ligands are smooth over the tissue, and so is much
    else, so the one stands in for the other in any held-out region that is not larger than the patterns; between
    neighbours both cancel. What is not promised: something that varies from cell to cell and acts on a target and on
    its modulators is indistinguishable from regulation, as is a target that acts on its modulators.

    Parameters
    ----------
    plan
        The shared part; the neighbours of every cell are found here, within cluster and piece of tissue.
    path
        The family of penalties.
    """

    def __init__(self, plan: Plan, path: Path) -> None:
        self.path = path
        self.n_folds = int(plan.folds.max()) + 1
        samples = plan.tissue.samples
        self.near = [
            nearest_cells(plan.tissue.xy[rows], BESIDE, None if samples is None else samples.codes[rows])
            for rows in plan.rows
        ]

    def measure(
        self,
        block: Block,
        penalty: NDArray[np.float64],
        live: NDArray[np.bool_],
        *,
        grams: Sequence[ClusterGram] | None = None,
    ) -> Skill:
        """Fit targets without each fold, and measure the fits there.

        Parameters
        ----------
        block
            The targets.
        penalty
            (T,), the strength of each; the same in all folds.
        live
            (T,), which targets are wanted.
        grams
            Other columns than those of the block, per cluster.

        Notes
        -----
        About an eighth of the time of cross-validation. A figure of a target does not depend on the others.
        """
        sums = np.full((4, len(block.sets), self.n_folds, len(live)), np.nan)
        l1 = penalty * self.path.l1_factor
        for c, sets in enumerate(block.sets):
            gram = block.grams[c] if grams is None else grams[c]
            if gram.n < MIN_CELLS or len(gram.folds) < 2 or not live.any():
                continue
            responses = block.responses[c] if grams is None else gram.responses(block.raw[c])
            strengths = sets.strengths(penalty * self.path.group_factor) if self.path.grouped else None
            ridge = self.path.ridge_part
            weights = fit_without_folds(gram, responses, sets, l1=l1, strengths=strengths, ridge=ridge, live=live)
            found = local_skill(
                gram, weights, sets, observed=block.observed(c), near=self.near[c], most=NEIGHBOURS, live=live
            )
            labels = [fold.label for fold in gram.folds]
            for number, part in enumerate((found.gain, found.local, found.error, found.total)):
                # nothing to predict, or no neighbours to compare: no unit for the test
                sums[number, c, labels] = np.where(live & (found.local > 0.0), part, np.nan)
        return Skill(*sums)
