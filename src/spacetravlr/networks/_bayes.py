"""Bayesian ridge regressions from moments, many at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_PRIOR = 1e-6
"""Shape and rate of the Gamma priors of both precisions, the values of scikit-learn."""
_EPSILON = float(np.finfo(np.float64).eps)


def bayesian_ridge(
    gram: Floats, moment: Floats, total: Floats, n: float, *, max_iter: int = 300, tol: float = 1e-3
) -> Floats:
    """Fit Bayesian ridge regressions of one size by evidence maximisation.

    Parameters
    ----------
    gram
        (m, k, k), centred X'X of each problem.
    moment
        (m, k), centred X'y.
    total
        (m,), centred y'y.
    n
        Number of observations (the sum of their weights).
    max_iter
        Rounds at most.
    tol
        A problem is done when the absolute changes of its coefficients are sure to sum to less.

    Returns
    -------
    (m, k), posterior means of the coefficients.

    Notes
    -----
    MacKay's fixed point for the precisions of noise (alpha) and coefficients (lambda), started as in
    `sklearn.linear_model.BayesianRidge` and stopped no sooner, whose result it reproduces from the moments alone. With
    the eigenvalues s of the Gram matrix the coefficients are V diag(1 / (s + lambda / alpha)) V'X'y,
    gamma = sum(alpha s / (lambda + alpha s)), lambda = gamma / |coef|^2 and alpha = (n - gamma) / residual. So the
    observations are touched once, however many targets share them. Where there are more columns than observations the
    residual is a difference of nearly equal moments, and the last digits differ from scikit-learn's. Cost: one
    eigendecomposition of size k for each problem.
    """
    values, vectors = np.linalg.eigh(gram)
    values = np.maximum(values, 0.0)
    rotated = np.einsum("mji,mj->mi", vectors, moment)
    alpha = 1.0 / (total / n + _EPSILON)
    lam = np.ones_like(alpha)
    # everything but the coefficients themselves can be told in the basis of the eigenvectors, so the rounds are cheap
    active = np.arange(len(moment))
    s, z, y, a, b = values, rotated, total, alpha, lam
    before = np.full_like(z, np.inf)
    for _ in range(max_iter):
        now = z / (s + (b / a)[:, None])
        size = (now**2).sum(axis=1)
        residual = y - 2.0 * (z * now).sum(axis=1) + (s * now**2).sum(axis=1)
        gamma = (s / ((b / a)[:, None] + s)).sum(axis=1)
        b = (gamma + 2 * _PRIOR) / (size + 2 * _PRIOR)
        a = (n - gamma + 2 * _PRIOR) / (np.maximum(residual, 0.0) + 2 * _PRIOR)
        alpha[active], lam[active] = a, b
        # the sum of absolute changes is at most this, in whatever basis
        going = np.sqrt(z.shape[1] * ((now - before) ** 2).sum(axis=1)) >= tol
        if not going.any():
            break
        active, before = active[going], now[going]
        s, z, y, a, b = s[going], z[going], y[going], a[going], b[going]
    # as in scikit-learn, the coefficients belong to the last precisions
    last = rotated / (values + (lam / alpha)[:, None])
    coefs: Floats = np.einsum("mij,mj->mi", vectors, last)
    return coefs
