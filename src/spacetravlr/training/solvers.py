"""The solver of a plan, as its settings name it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from spacetravlr.device import Accelerator, choose_device
from spacetravlr.training.descent import CoordinateDescent
from spacetravlr.training.readme_solver import ReadmeSolver
from spacetravlr.training.refining import RefiningSolver, refines

if TYPE_CHECKING:
    from spacetravlr.training.fits import BlockSolver
    from spacetravlr.training.plan import Plan


def make_solver(plan: Plan, root: Path | None = None) -> BlockSolver:
    """Return the solver that the settings name, with everything that its blocks share.

    Parameters
    ----------
    plan
        The shared part.
    root
        Run directory, where a shared niche encoder is kept; None if it cannot be reached.
    """
    base = make_regression(plan)
    return RefiningSolver(base, plan, root) if refines(plan.config) else base


def make_regression(plan: Plan) -> BlockSolver:
    """Return the solver of the regression alone."""
    accelerator = Accelerator.of(choose_device(plan.config.execution.device))
    if plan.config.lasso.solver == "fista":
        return ReadmeSolver(plan, accelerator)
    return CoordinateDescent(plan, accelerator)
