"""From a run's configuration to a propagation model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from spacetravlr.perturbation import PropagationModel, get_profile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacetravlr.betas import Betabase
    from spacetravlr.config import RunConfig
    from spacetravlr.tissue import Tissue


def build_model(
    tissue: Tissue,
    betas: Betabase,
    config: RunConfig,
    *,
    contact_radii: Mapping[str, float],
    rows: NDArray[np.int64] | None = None,
    expression: NDArray[np.float64] | None = None,
    overrides: Mapping[str, Any],
) -> PropagationModel:
    """Return the model that a run's configuration describes.

    Parameters
    ----------
    tissue
        The sample.
    betas
        Coefficients of the run.
    config
        Settings; `[spatial]` and `[perturbation]` are used.
    contact_radii
        Ligands that have a radius of their own, as training had it.
    rows
        Cells to load; None for all. Every sum and mean then refers to these cells.
    expression
        (n_cells, n_genes) of the tissue, if it is known already.
    overrides
        Keywords of `PropagationModel`, and `radius` (of all ligands that are not contact-dependent).

    Raises
    ------
    InputError, ConfigError
        As `PropagationModel`.
    """
    settings = {**_settings(config, overrides.get("profile", config.perturbation.profile)), **overrides}
    radius = settings.pop("radius")
    # the compiled edition knows one radius only
    alone = get_profile(settings["profile"]).name == "v1" or not contact_radii
    settings.setdefault("radii", radius if alone else contact_radii)
    settings.setdefault("default_radius", radius)
    every = slice(None) if rows is None else rows
    values = tissue.columns(tissue.genes) if expression is None else expression
    return PropagationModel(
        values if rows is None else values[rows],
        tissue.genes,
        tissue.xy[every],
        betas,
        cluster_labels=tuple(keys[every] for keys in tissue.row_keys),
        cell_names=tissue.cells if rows is None else [tissue.cells[row] for row in rows],
        obs=tissue.obs.iloc[every],
        samples=None if tissue.samples is None else np.asarray(tissue.samples.labels)[tissue.samples.codes[every]],
        **settings,
    )


def _settings(config: RunConfig, profile: Any) -> dict[str, Any]:
    spatial, rules = config.spatial, config.perturbation
    factor = rules.ligand_grid_factor
    python = get_profile(profile).name == "python"
    # a factor of 0 or below asks for the exact sum, in the words of the compiled edition
    exact = factor is not None and factor <= 0
    bounds = (rules.min_bound, rules.max_bound)
    return {
        "profile": profile,
        "radius": spatial.radius,
        # the original package knows one kernel only, which its profile names
        "kernel": None if python else spatial.kernel,
        "scale": spatial.weighted_ligand_scale_factor,
        "beta_scale_factor": rules.beta_scale_factor,
        "beta_cap": rules.beta_cap,
        "ligand_grid_factor": None if exact else factor,
        "signal_tol": 0.0 if exact else spatial.signal_tol,
        "bounds": None if bounds == (None, None) else bounds,
    }
