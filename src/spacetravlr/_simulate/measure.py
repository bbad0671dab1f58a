"""From the expression of a simulated tissue to what an experiment and its preparation would show of it."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spacetravlr._simulate.fields import Array

Measurement = Literal["exact", "counts", "knn", "diffusion"]

DEPTH = 3.0
DEPTH_SD = 0.3

_COMPONENTS, _NEIGHBOURS, _STEPS = 20, 25, 2
_BISECTIONS = 60


def count_rates(expression: Array, rng: np.random.Generator, *, depth: float, depth_sd: float) -> Array:
    """Return (n_cells, n_genes) expected counts: a cell's share of every gene times its log-normal library size.

    Parameters
    ----------
    expression
        (n_cells, n_genes).
    rng
        Source of the randomness.
    depth
        Mean number of counts per gene.
    depth_sd
        Standard deviation of the logarithm of the library size.
    """
    n_cells, n_genes = expression.shape
    total = depth * n_genes * rng.lognormal(-(depth_sd**2) / 2.0, depth_sd, n_cells)
    share = expression / expression.sum(axis=1, keepdims=True)
    rates: Array = share * total[:, None]
    return rates


def dropped(rates: Array, dropout: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Draw which entries lose all their counts, as molecules of little expressed genes do first.

    An entry with the expected count s is lost with probability K / (K + s) (the Michaelis-Menten curve by which M3Drop
    describes dropouts: Andrews and Hemberg, Bioinformatics 2019), with the K for which the mean over all entries is
    `dropout`.

    Parameters
    ----------
    rates
        (n_cells, n_genes) expected counts.
    dropout
        0 to less than 1.
    rng
        Source of the randomness.
    """
    if dropout <= 0.0:
        return np.zeros(rates.shape, dtype=bool)
    low, high = 0.0, float(rates.max()) + 1.0
    while _lost(rates, high).mean() < dropout:
        high *= 2.0
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _lost(rates, middle).mean() < dropout else (low, middle)
    lost: NDArray[np.bool_] = rng.random(rates.shape) < _lost(rates, high)
    return lost


def _lost(rates: Array, half: float) -> Array:
    chance: Array = half / (half + np.maximum(rates, 1e-300))
    return chance


def normalised(counts: NDArray[np.floating]) -> Array:
    """Return (n_cells, n_genes) counts as log(1 + share of the cell times the median library size)."""
    depth = counts.sum(axis=1, keepdims=True, dtype=np.float64)
    logs: Array = np.log1p(counts / np.maximum(depth, 1.0) * np.median(depth))
    return logs


def imputed(values: Array, measurement: Measurement) -> NDArray[np.floating]:
    """Return normalised counts as they are, or smoothed over similar cells as `pp.prepare` smooths them.

    Similar are the 25 nearest cells, itself included, in 20 principal components: ``knn`` takes their mean,
    ``diffusion`` two steps of the diffusion on their graph with adaptive Gaussian weights (MAGIC).

    Parameters
    ----------
    values
        (n_cells, n_genes), logarithms.
    measurement
        How; ``counts`` and ``exact`` change nothing.
    """
    from threadpoolctl import threadpool_limits

    from spacetravlr.preparation import diffusion
    from spacetravlr.preparation.nearest import nearest_distances

    if measurement in ("exact", "counts"):
        return values
    from scipy import sparse

    # the number of BLAS threads must not show in the last bits
    with threadpool_limits(1):
        left, sizes, _ = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)
        places = (left[:, :_COMPONENTS] * sizes[:_COMPONENTS]).astype(np.float32)
        near = nearest_distances(places, min(_NEIGHBOURS, len(values)) - 1, 0)
    weights = diffusion.equal_weights(near) if measurement == "knn" else diffusion.affinities(near)
    steps = 1 if measurement == "knn" else _STEPS
    return diffusion.smooth(diffusion.row_stochastic(weights), sparse.csr_matrix(values), steps)
