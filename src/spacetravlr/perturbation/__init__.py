"""Perturbations: set genes to values and follow the consequences through models and signals."""

from __future__ import annotations

from spacetravlr.perturbation._convergence import StepChange
from spacetravlr.perturbation.batch import simulate_many
from spacetravlr.perturbation.controls import negative_control
from spacetravlr.perturbation.doses import Dose
from spacetravlr.perturbation.effect import Effect
from spacetravlr.perturbation.jobs import Job, JobResult
from spacetravlr.perturbation.model import MAX_PROPAGATION, PropagationModel, SimulationCancelledError
from spacetravlr.perturbation.plan import BATCH_KEYS, BatchPlan, CellsCsv
from spacetravlr.perturbation.profiles import Profile, ProfileName, get_profile
from spacetravlr.perturbation.regions import Region
from spacetravlr.perturbation.scopes import read_cell_list, read_cells_csv, resolve_cells
from spacetravlr.perturbation.screen import ScreenResult, screen
from spacetravlr.perturbation.targets import Intervention, Target, Targets, resolve_targets

__all__ = [
    "BATCH_KEYS",
    "MAX_PROPAGATION",
    "BatchPlan",
    "CellsCsv",
    "Dose",
    "Effect",
    "Intervention",
    "Job",
    "JobResult",
    "Profile",
    "ProfileName",
    "PropagationModel",
    "Region",
    "ScreenResult",
    "SimulationCancelledError",
    "StepChange",
    "Target",
    "Targets",
    "get_profile",
    "negative_control",
    "read_cell_list",
    "read_cells_csv",
    "resolve_cells",
    "resolve_targets",
    "screen",
    "simulate_many",
]
