"""How well a score ranks what is true, and how well numbers agree."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spacetravlr.errors import InputError

Array = NDArray[np.float64]


def auprc(score: ArrayLike, truth: ArrayLike) -> float:
    """Return the average precision: the sum of precision times the step in recall, down the ranking by score.

    Parameters
    ----------
    score
        Larger means more likely true; entries with the same score enter together.
    truth
        True or false for each score.

    Returns
    -------
    0 to 1; NaN if nothing is true. Cost n log n.

    Raises
    ------
    InputError
        If the shapes differ or a score is NaN.
    """
    values, labels = _paired(score, truth)
    n_true = int(labels.sum())
    if n_true == 0:
        return float("nan")
    order = np.argsort(-values, kind="stable")
    last = np.append(np.flatnonzero(np.diff(values[order])), len(values) - 1)
    found = np.cumsum(labels[order])[last]
    steps = np.diff(found, prepend=0)
    return float((steps * found / (last + 1)).sum() / n_true)


def auroc(score: ArrayLike, truth: ArrayLike) -> float:
    """Return the probability that a true entry has a larger score than a false one, ties counting half.

    Parameters
    ----------
    score, truth
        As for `auprc`.

    Returns
    -------
    0 to 1; NaN unless there are true and false entries. Cost n log n.

    Raises
    ------
    InputError
        If the shapes differ or a score is NaN.
    """
    values, labels = _paired(score, truth)
    n_true = int(labels.sum())
    n_false = len(labels) - n_true
    if n_true == 0 or n_false == 0:
        return float("nan")
    _, level, counts = np.unique(values, return_inverse=True, return_counts=True)
    # the mean rank of a group of ties
    rank = np.cumsum(counts) - (counts - 1) / 2.0
    above = float(rank[level][labels].sum()) - n_true * (n_true + 1) / 2.0
    return above / (n_true * n_false)


def base_rate(truth: ArrayLike) -> float:
    """Return the share of true entries (NaN if there are none at all)."""
    labels = np.asarray(truth, dtype=bool)
    return float(labels.mean()) if labels.size else float("nan")


def sign_agreement(estimate: ArrayLike, truth: ArrayLike, *, above: float = 0.0) -> float:
    """Return the share of right signs where the absolute truth is larger than a bound.

    Parameters
    ----------
    estimate, truth
        Same shape; an estimate of 0 is never right.
    above
        Bound on the absolute truth.

    Returns
    -------
    0 to 1; NaN if no entry counts.

    Raises
    ------
    InputError
        If the shapes differ.
    """
    guess, known = same_shape(estimate, truth)
    counts = np.abs(known) > above
    if not counts.any():
        return float("nan")
    return float((np.sign(guess[counts]) == np.sign(known[counts])).mean())


def correlation(a: ArrayLike, b: ArrayLike) -> float:
    """Return the Pearson correlation over all entries; NaN if one of the two does not vary.

    Raises
    ------
    InputError
        If the shapes differ.
    """
    left, right = same_shape(a, b)
    return float(gene_correlation(left.reshape(-1, 1), right.reshape(-1, 1))[0])


def gene_correlation(predicted: ArrayLike, true: ArrayLike) -> Array:
    """Return the Pearson correlation of every column.

    Parameters
    ----------
    predicted, true
        (n_cells, n_genes), for example changes of expression.

    Returns
    -------
    (n_genes,); NaN where one of the two does not vary.

    Raises
    ------
    InputError
        If the shapes differ.
    """
    left, right = same_shape(predicted, true)
    if not len(left):
        return np.full(left.shape[1], np.nan)
    left, right = _unit_columns(left), _unit_columns(right)
    r: Array = np.clip((left * right).sum(axis=0), -1.0, 1.0)
    return r


def _unit_columns(values: Array) -> Array:
    # scaled before squaring, so that tiny changes do not underflow; a constant column becomes NaN
    centred = values - values.mean(axis=0)
    size = np.abs(centred).max(axis=0)
    varies = size > 1e-12 * np.abs(values).max(axis=0)
    centred = centred / np.where(varies, size, np.nan)
    unit: Array = centred / np.sqrt((centred**2).sum(axis=0))
    return unit


def _paired(score: ArrayLike, truth: ArrayLike) -> tuple[Array, NDArray[np.bool_]]:
    values, labels = np.asarray(score, dtype=np.float64).ravel(), np.asarray(truth, dtype=bool).ravel()
    if values.shape != labels.shape:
        raise InputError(f"{len(values)} scores for {len(labels)} labels: give one score for each")
    if np.isnan(values).any():
        raise InputError("a score is not a number: give 0 to what was not scored")
    return values, labels


def same_shape(a: ArrayLike, b: ArrayLike) -> tuple[Array, Array]:
    """Return both as float64 arrays.

    Raises
    ------
    InputError
        If the shapes differ.
    """
    left, right = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if left.shape != right.shape:
        raise InputError(
            f"cannot compare arrays of shape {left.shape} and {right.shape}: give the same cells and genes"
        )
    return left, right
