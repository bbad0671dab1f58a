"""Checks of the settings of a propagation model."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from spacetravlr.errors import ConfigError, listing
from spacetravlr.perturbation.profiles import Profile
from spacetravlr.signaling import KernelName

logger = logging.getLogger("spacetravlr")

MAX_PROPAGATION = 32


def check_number(name: str, value: Any, *, zero: bool = False) -> float:
    """Return a setting that must be finite and above 0 (or 0, where that has a meaning).

    Raises
    ------
    ConfigError
        Otherwise.
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or number < 0 or (number == 0 and not zero):
        raise ConfigError(f"{name} must be a finite number {'of at least' if zero else 'above'} 0, not {value!r}")
    return number


def _check_option(name: str, value: float | None) -> float | None:
    """Return a setting that may be off: None or 0."""
    return None if value is None else check_number(name, value, zero=True) or None


def _check_bounds(bounds: tuple[float | None, float | None]) -> tuple[float, float]:
    lower = 0.0 if bounds[0] is None else float(bounds[0])
    upper = math.inf if bounds[1] is None else float(bounds[1])
    if not math.isfinite(lower) or math.isnan(upper) or lower >= upper:
        raise ConfigError(f"expression bounds must be two numbers in ascending order, not {bounds!r}")
    return lower, upper


@dataclass(frozen=True)
class Settings:
    """Checked settings of a model; None means off."""

    kernel: KernelName
    cutoff: float | None
    scale: float
    beta_scale: float
    cap: float | None
    grid_factor: float | None
    tol: float
    bounds: tuple[float, float] | None
    min_expression: float
    memory: float


def check_settings(
    profile: Profile,
    *,
    kernel: KernelName | None,
    cutoff: float | None,
    scale: float,
    beta_scale_factor: float,
    beta_cap: float | None,
    ligand_grid_factor: float | None,
    signal_tol: float,
    bounds: tuple[float | None, float | None] | None,
    min_expression: float,
    memory: float,
) -> Settings:
    """Return the settings of a model, as described there.

    Raises
    ------
    ConfigError
        If a setting is out of its range, contradicts another one, or means nothing under the profile.
    """
    settings = Settings(
        kernel=kernel or profile.kernel,
        cutoff=_check_option("cutoff", cutoff),
        scale=check_number("scale", scale),
        beta_scale=check_number("beta_scale_factor", beta_scale_factor, zero=True),
        cap=None if beta_cap is None or beta_cap == math.inf else check_number("beta_cap", beta_cap),
        grid_factor=_check_option("ligand_grid_factor", ligand_grid_factor),
        tol=check_number("signal_tol", signal_tol, zero=True),
        bounds=None if bounds is None else _check_bounds(bounds),
        min_expression=check_number("min_expression", min_expression, zero=True),
        memory=check_number("memory", memory),
    )
    if settings.kernel not in get_args(KernelName):
        raise ConfigError(f"unknown kernel {kernel!r} (known: {listing(get_args(KernelName))})")
    if settings.tol >= 1:
        raise ConfigError(f"signal_tol must be below 1, not {signal_tol!r}")
    if settings.bounds is not None and not profile.allows_bounds:
        raise ConfigError(f"the profile {profile.name!r} knows no expression bounds")
    if settings.grid_factor is not None and settings.cutoff is not None:
        raise ConfigError("ligand_grid_factor and cutoff exclude each other: a cut-off on a coarse grid loses cells")
    return settings


def ligand_radii(
    ligands: Sequence[str], radii: float | Mapping[str, float], default_radius: float | None
) -> dict[str, float]:
    """Return the radius of each ligand; ligands without one are left out, with one warning.

    Raises
    ------
    ConfigError
        If a radius is not finite and above 0.
    """
    if not isinstance(radii, Mapping):
        return dict.fromkeys(ligands, check_number("radii", radii))
    others = None if default_radius is None else check_number("default_radius", default_radius)
    chosen = {ligand: check_number(f"the radius of {ligand}", radii[ligand]) for ligand in ligands if ligand in radii}
    if others is not None:
        chosen = {**dict.fromkeys(ligands, others), **chosen}
    without = [ligand for ligand in ligands if ligand not in chosen]
    if without:
        logger.warning(
            "%d ligands have no radius and are received by no cell (give default_radius): %s",
            *(len(without), listing(without, 8)),
        )
    return chosen


def usual_radius(
    chosen: Mapping[str, float], radii: float | Mapping[str, float], default_radius: float | None
) -> float | None:
    """Return the radius of all ligands, else the default one, else the largest one chosen; None if there is none."""
    if not isinstance(radii, Mapping):
        return float(radii)
    return max(chosen.values(), default=None) if default_radius is None else float(default_radius)


def check_steps(n_propagation: int) -> int:
    """Return a number of steps.

    Raises
    ------
    ConfigError
        If it is no whole number from 0 to 32.
    """
    if isinstance(n_propagation, bool) or not isinstance(n_propagation, int | np.integer):
        raise ConfigError(f"n_propagation must be a whole number, not {n_propagation!r}")
    if not 0 <= n_propagation <= MAX_PROPAGATION:
        raise ConfigError(f"n_propagation must be between 0 and {MAX_PROPAGATION}, not {n_propagation}")
    return int(n_propagation)
