"""Whether one description of the cells predicts better than another: from their held-out errors alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MIN_UNITS = 5
"""Fewer pairs of errors than this give no p value."""


def better_than(error: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return one-sided p values for "the first errors are smaller", target by target.

    The errors of the same held-out cells are compared: a unit is one cluster in one fold. If neither description is
    better, each difference is as likely positive as negative, and the sum of the differences over the root of the sum
    of their squares is about standard normal whatever their sizes (a self-normalised sum: de la Pena, Lai and Shao,
    2009, chapter 9). With few units small p values are rarer than they say, because the sum is at most sqrt(n_units).

    Parameters
    ----------
    error, other
        (C, n_folds, T), summed squared errors; a unit counts where both are known.

    Returns
    -------
    (T,), 0..1; NaN with fewer than `MIN_UNITS` units. 1 where no unit differs.
    """
    from scipy.special import ndtr

    gain = (other - error).reshape(-1, error.shape[-1])
    known = np.isfinite(gain)
    gain = np.where(known, gain, 0.0)
    size = np.sqrt((gain**2).sum(axis=0))
    with np.errstate(invalid="ignore"):
        p = np.where(size > 0.0, ndtr(-gain.sum(axis=0) / np.where(size > 0.0, size, 1.0)), 1.0)
    return np.where(known.sum(axis=0) >= MIN_UNITS, p, np.nan)
