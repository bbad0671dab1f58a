"""One function per method: received ligands in a single call, without keeping the field."""

from __future__ import annotations

import numpy.typing as npt

from spacetravlr.signaling._field import SignalField
from spacetravlr.signaling._weights import Floats, KernelName


def exact_received(
    xy: npt.ArrayLike,
    radius: float,
    values: npt.ArrayLike,
    *,
    kernel: KernelName = "gaussian",
    cutoff: float | None = None,
    scale: float = 1.0,
) -> Floats:
    """Return received ligands by the sum over every pair: n^2 weights, in blocks of 2 MB."""
    return SignalField(xy, radius, kernel=kernel, method="exact", cutoff=cutoff, scale=scale).apply(values)


def neighbour_received(
    xy: npt.ArrayLike,
    radius: float,
    values: npt.ArrayLike,
    *,
    kernel: KernelName = "gaussian",
    tol: float = 1e-6,
    cutoff: float | None = None,
    scale: float = 1.0,
) -> Floats:
    """Return received ligands by sparse sums over the cells within reach (exact if the kernel ends)."""
    field = SignalField(xy, radius, kernel=kernel, method="neighbours", tol=tol, cutoff=cutoff, scale=scale)
    return field.apply(values)


def spectral_received(
    xy: npt.ArrayLike, radius: float, values: npt.ArrayLike, *, tol: float = 1e-6, scale: float = 1.0
) -> Floats:
    """Return received ligands by low-rank factors of the Gaussian kernel along both axes."""
    return SignalField(xy, radius, method="spectral", tol=tol, scale=scale).apply(values)


def gridded_received(
    xy: npt.ArrayLike, radius: float, values: npt.ArrayLike, *, tol: float = 1e-6, scale: float = 1.0
) -> Floats:
    """Return received ligands by spreading to a fine grid, convolving, and interpolating back."""
    return SignalField(xy, radius, method="gridded", tol=tol, scale=scale).apply(values)


def grid_received(
    xy: npt.ArrayLike, radius: float, values: npt.ArrayLike, *, grid_factor: float = 0.5, scale: float = 1.0
) -> Floats:
    """Return received ligands by the bilinear grid of the compiled edition; exact if that has no fewer points."""
    return SignalField(xy, radius, method="grid", scale=scale, grid_factor=grid_factor).apply(values)
