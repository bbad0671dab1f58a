"""What held-out regions say about a target beyond its score: what TFs alone achieve, and whether places matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.regression import ClusterGram, Path, along_curve, choose_penalty
from spacetravlr.training.column_sets import column_sets
from spacetravlr.training.evidence import Block, LocalEvidence, Skill

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacetravlr.device import Accelerator
    from spacetravlr.training.plan import Plan

_TF_ALONE = (0, 3)
"""Groups of modulators without a ligand: TFs and extra genes."""
SHIFTS = ((0.2, 0.45), (0.55, 0.8))
"""How far places are shifted along the curve, shares of its length: a number of each range is drawn."""


@dataclass(frozen=True)
class Diagnosis:
    """Held-out figures of some targets; C clusters, T targets."""

    r2_tf_only: NDArray[np.float64]
    """(C, T), of a model without ligands; NaN where there is none."""
    r2_shuffled: NDArray[np.float64]
    """(C, T), of models whose cells received what cells of their cluster do elsewhere, the mean of two shifts."""
    p_space: NDArray[np.float64]
    """(T,), one-sided, for "what cells receive at their own place predicts better than that of another"."""


class Diagnostics:
    """Refits with less information, from moments that all targets share.

    The shifted descriptions give each cell the received ligands of another cell of its cluster (and sample), all
    ligands together, so that their distribution and their correlations stay. Who gets whose is a shift along a curve
    that fills the tissue: neighbours stay neighbours, so what is received elsewhere is as smooth as at the own place
    and stands in as well for anything else that is smooth. (Exchanging cells at random would make it rough, and
    smoothness alone would look like communication.) Fits are compared by how well they predict differences between
    neighbouring cells of held-out regions, and `p_space` is the largest of the p values of the two shifts (one alone
    may be worse than the own place by chance) and that of the model itself. A pattern that differs between neighbours
    and is shared by target and ligands is not told from communication.

    Parameters
    ----------
    plan
        The shared part.
    use_gram
        Per cluster: whether it has Gram matrices.
    path
        The family of penalties.
    evidence
        Measures the fits.
    accelerator
        Device for the products over cells; None for the CPU.

    Notes
    -----
    Less time than cross-validation, and for each shift a design and the Gram matrices of the folds, ``4 n_folds P^2``
    bytes a cluster.
    """

    def __init__(
        self,
        plan: Plan,
        use_gram: Sequence[bool],
        path: Path,
        evidence: LocalEvidence,
        accelerator: Accelerator | None = None,
    ) -> None:
        self.plan = plan
        self.path = path
        self.evidence = evidence
        self.shifted = [
            [
                ClusterGram(
                    plan.design(c, received_by=self.elsewhere(c, number)),
                    plan.folds[rows],
                    use_gram=use_gram[c],
                    accelerator=accelerator,
                    whole=False,
                )
                for c, rows in enumerate(plan.rows)
            ]
            for number in range(len(SHIFTS))
        ]

    def elsewhere(self, c: int, number: int) -> NDArray[np.int64]:
        """Return for each cell of a cluster whose received ligands it gets in a shifted description."""
        plan, rows = self.plan, self.plan.rows[c]
        # the same share in all clusters
        rng = np.random.default_rng(np.random.SeedSequence(plan.config.execution.random_seed, spawn_key=(2, number)))
        share = rng.uniform(*SHIFTS[number])
        given = rows.copy()
        samples = plan.tissue.samples
        codes = np.zeros(len(rows), dtype=np.int64) if samples is None else samples.codes[rows]
        for code in np.unique(codes):
            own = np.flatnonzero(codes == code)
            order = own[along_curve(plan.tissue.xy[rows[own]])]
            given[order] = rows[np.roll(order, round(share * len(order)))]
        return given

    def diagnose(self, block: Block, own: Skill, penalty: NDArray[np.float64], live: NDArray[np.bool_]) -> Diagnosis:
        """Diagnose some targets.

        Parameters
        ----------
        block
            The targets, in the true description.
        own
            Their skill in it.
        penalty
            (T,), the strength of each.
        live
            (T,), which targets are wanted.
        """
        ligands = live & np.array([bool(one.lr_pairs or one.tfl_pairs) for one in block.modulators])
        alone = column_sets(self.plan, block.modulators, kinds=_TF_ALONE)
        tf_only = choose_penalty(
            block.grams,
            block.responses,
            alone,
            path=self.path,
            rule=self.plan.config.lasso.rule,
            live=live,
            judged=block.judged(),
        )
        moved = [self.evidence.measure(block, penalty, ligands, grams=grams) for grams in self.shifted]
        # NaN if one of them is: then neither had enough regions
        p_space = np.maximum.reduce([own.p, *(own.better_than(one) for one in moved)])
        r2_shuffled = np.mean([one.r2 for one in moved], axis=0)
        return Diagnosis(tf_only.r2_out, r2_shuffled, np.where(ligands, p_space, np.nan))
