"""Received ligands of a sample by the run's settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from spacetravlr.signaling import SignalField

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacetravlr.config import RunConfig
    from spacetravlr.tissue import Tissue


def receive(
    tissue: Tissue,
    config: RunConfig,
    ligands: Sequence[str],
    values: NDArray[np.float64],
    radii: Mapping[str, float],
) -> tuple[NDArray[np.float64], str]:
    """Compute what every cell receives of every ligand.

    Parameters
    ----------
    tissue
        The sample. Cells of different pieces of tissue receive nothing from each other; the factor 1/n counts the
        cells of all of them, so that the same neighbourhood gives the same value in every piece.
    config
        Radius, kernel, tolerance, scale, and the README's grid if a factor is set.
    ligands
        (n_ligands,) names.
    values
        (n_cells, n_ligands), expression units.
    radii
        Ligands that have another radius than `[spatial].radius`.

    Returns
    -------
    received
        (n_cells, n_ligands), expression units.
    method
        How it was computed, for the log.
    """
    spatial = config.spatial
    factor = config.perturbation.ligand_grid_factor
    of_ligand = np.array([radii.get(name, spatial.radius) for name in ligands])
    out = np.zeros_like(values)
    used: dict[str, None] = {}
    for radius in np.unique(of_ligand):
        columns = np.flatnonzero(of_ligand == radius)
        signal = SignalField(
            tissue.xy,
            float(radius),
            kernel=spatial.kernel,
            method=_method(factor),
            tol=spatial.signal_tol,
            scale=spatial.weighted_ligand_scale_factor,
            grid_factor=factor if factor is not None and factor > 0 else None,
            samples=None if tissue.samples is None else tissue.samples.codes,
        )
        out[:, columns] = signal.apply(values[:, columns])
        used[signal.method] = None
    return out, "method " + ", ".join(used) if used else "none needed"


def _method(factor: float | None) -> Literal["auto", "grid", "exact"]:
    if factor is None:
        return "auto"
    return "grid" if factor > 0 else "exact"
