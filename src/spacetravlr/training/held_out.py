"""Held-out skill of some targets and nothing else: no files, no bootstraps, no threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.threads import one_blas_thread
from spacetravlr.training.solvers import make_regression
from spacetravlr.training.trainer import BLOCK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacetravlr.training.plan import Plan


@dataclass(frozen=True)
class HeldOut:
    """How well targets are predicted in regions that were held out; T targets, C clusters."""

    targets: tuple[str, ...]
    r2: NDArray[np.float64]
    """(T, C), NaN where it was not evaluated."""
    pooled: NDArray[np.float64]
    """(T,), over all evaluated clusters together; NaN for a target without modulators."""


def held_out_skill(plan: Plan, targets: Sequence[str] | None = None) -> HeldOut:
    """Cross-validate some targets.

    Parameters
    ----------
    plan
        What all targets share, regions included; penalties are chosen as its settings say.
    targets
        Among the targets of the plan; None for all.

    Notes
    -----
    About a third of the time of a training.
    """
    quiet: dict[str, object] = {"lasso.n_bootstraps": 0, "lasso.beta_export": None, "training.diagnostics": False}
    # a negative threshold: no cluster is left out because it will not be written
    always: dict[str, object] = {
        "training.held_out": True,
        "training.score_threshold": -1e9,
        "training.model_level": 1.0,
    }
    chosen = tuple(plan.inputs.targets if targets is None else targets)
    lean = replace(plan, config=plan.config.replace(quiet | always).resolved())
    r2 = np.full((len(chosen), len(plan.rows)), np.nan)
    pooled = np.full(len(chosen), np.nan)
    with one_blas_thread():
        solver = make_regression(lean)
        for start in range(0, len(chosen), BLOCK):
            block = chosen[start : start + BLOCK]
            wanted = [bool(plan.inputs.modulators[target].names) for target in block]
            for at, fit in enumerate(solver.fit(block, wanted) if any(wanted) else []):
                if fit is not None:
                    r2[start + at], pooled[start + at] = fit.r2_out, fit.r2_pooled
    return HeldOut(chosen, r2, pooled)
