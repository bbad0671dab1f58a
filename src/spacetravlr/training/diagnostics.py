"""What held-out regions say about a target beyond its score: what TFs alone achieve, and whether places matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.regression import (
    Choice,
    ClusterGram,
    ColumnSets,
    Path,
    Responses,
    better_than,
    choose_penalty,
)
from spacetravlr.training.column_sets import column_sets

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacetravlr.device import Accelerator
    from spacetravlr.prior import Modulators
    from spacetravlr.training.plan import Plan

_TF_ALONE = (0, 3)
"""Groups of modulators without a ligand: TFs and extra genes."""


@dataclass(frozen=True)
class Diagnosis:
    """Held-out figures of some targets; C clusters, T targets."""

    r2_tf_only: NDArray[np.float64]
    """(C, T), of a model without ligands; NaN where there is none."""
    r2_shuffled: NDArray[np.float64]
    """(C, T), of a model whose cells received what another cell of their cluster did."""
    p_space: NDArray[np.float64]
    """(T,), one-sided, for "what the cells receive at their own place predicts better than that of another"."""


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
    """

    modulators: Sequence[Modulators]
    sets: Sequence[ColumnSets]
    grams: Sequence[ClusterGram]
    responses: Sequence[Responses]
    raw: Sequence[NDArray[np.float64]]


class Diagnostics:
    """Refits with less information, from moments that all targets share.

    The shuffled description gives each cell the received ligands of another cell of its cluster (and sample), all
    ligands together, so that their distribution and their correlations stay. Both descriptions are cross-validated
    alike, penalty included. If what is received does not depend on the place within the cluster, the two are
    exchangeable, which is what `p_space` tests.

    Parameters
    ----------
    plan
        The shared part.
    use_gram
        Per cluster: whether it has Gram matrices.
    path
        The family of penalties.
    accelerator
        Device for the products over cells; None for the CPU.

    Notes
    -----
    About as much time as cross-validation and once more its Gram matrices, ``(8 + 4 n_folds) P^2`` bytes a cluster.
    """

    def __init__(
        self, plan: Plan, use_gram: Sequence[bool], path: Path, accelerator: Accelerator | None = None
    ) -> None:
        self.plan = plan
        self.path = path
        self.grams = [
            ClusterGram(
                plan.design(c, received_by=self._exchanged(c)),
                plan.folds[rows],
                use_gram=use_gram[c],
                accelerator=accelerator,
            )
            for c, rows in enumerate(plan.rows)
        ]

    def _exchanged(self, c: int) -> NDArray[np.int64]:
        """Return for each cell of a cluster whose received ligands it gets."""
        plan, rows = self.plan, self.plan.rows[c]
        rng = np.random.default_rng(np.random.SeedSequence(plan.config.execution.random_seed, spawn_key=(2, c)))
        given = rows.copy()
        samples = plan.tissue.samples
        codes = np.zeros(len(rows), dtype=np.int64) if samples is None else samples.codes[rows]
        for code in np.unique(codes):
            own = np.flatnonzero(codes == code)
            given[own] = rows[rng.permutation(own)]
        return given

    def diagnose(self, block: Block, choice: Choice, live: NDArray[np.bool_]) -> Diagnosis:
        """Diagnose some targets.

        Parameters
        ----------
        block
            The targets, in the true description.
        choice
            Its cross-validation.
        live
            (T,), which targets are wanted.
        """
        ligands = live & np.array([bool(one.lr_pairs or one.tfl_pairs) for one in block.modulators])
        alone = column_sets(self.plan, block.modulators, kinds=_TF_ALONE)
        tf_only = choose_penalty(block.grams, block.responses, alone, path=self.path, live=live)
        moved = [gram.responses(Y) for gram, Y in zip(self.grams, block.raw, strict=True)]
        shuffled = choose_penalty(self.grams, moved, block.sets, path=self.path, live=ligands)
        p_space = better_than(choice.error, shuffled.error)
        return Diagnosis(tf_only.r2_out, shuffled.r2_out, np.where(ligands, p_space, np.nan))
