"""Perturbations: set genes to values and follow the consequences through models and signals."""

from __future__ import annotations

from spacetravlr.perturbation.effect import Effect
from spacetravlr.perturbation.model import MAX_PROPAGATION, PropagationModel, SimulationCancelledError
from spacetravlr.perturbation.profiles import Profile, ProfileName, get_profile
from spacetravlr.perturbation.scopes import read_cell_list, read_cells_csv, resolve_cells
from spacetravlr.perturbation.targets import Intervention, Target, Targets, resolve_targets

__all__ = [
    "MAX_PROPAGATION",
    "Effect",
    "Intervention",
    "Profile",
    "ProfileName",
    "PropagationModel",
    "SimulationCancelledError",
    "Target",
    "Targets",
    "get_profile",
    "read_cell_list",
    "read_cells_csv",
    "resolve_cells",
    "resolve_targets",
]
