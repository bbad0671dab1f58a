"""The error of a simulation that is too large to be repeated with exact sums: exact sums in some cells only."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from spacetravlr.perturbation import PropagationModel

    Array = NDArray[np.float64]

SAMPLE = 100
"""Cells that are compared."""
_SENDERS = 20_000


def sample_error(model: PropagationModel, targets: dict[str, float], n_steps: int) -> float:
    """Simulate once more, with sums over all cells in what a sample of them receives.

    The sample then differs from the simulation by the error of its own sums in every step; what other cells express
    is that of the simulation.

    Parameters
    ----------
    model
        The model; Gaussian kernel, one radius.
    targets
        What is perturbed.
    n_steps
        Number of steps.

    Returns
    -------
    The largest difference of a change in the sample, over the largest change of a gene that is not perturbed.
    """
    engine, (radius,) = model._engine, model.signals
    reception, features = engine.tissue.reception, engine.rules.features
    xy = model.xy[engine.order]
    sample = np.linspace(0, len(xy) - 1, SAMPLE).astype(np.int64)
    (channel,) = reception.channels

    def receive(values: Array) -> Array:
        received = channel.receive(values)
        received[sample] = exact_sums(xy, sample, values, radius)
        return received

    sent = engine.expression.rows(features.ligands, engine.order)
    sent[sent <= engine.tissue.min_expression] = 0.0
    approximate = reception.lr[:, sample].copy()
    exact = exact_sums(xy, sample, sent.T, radius).T
    _, interventions = model._resolve(targets, None)
    original = engine.run(interventions, n_steps)
    # a second copy of what all cells receive would not fit beside the first one
    for own in (reception.lr, reception.tfl, reception.largest):
        own[:, sample] = exact
    try:
        tissue = replace(engine.tissue, reception=replace(reception, channels=(replace(channel, receive=receive),)))
        improved = replace(engine, tissue=tissue).run(interventions, n_steps)
    finally:
        for own in (reception.lr, reception.tfl, reception.largest):
            own[:, sample] = approximate
    cells = engine.order[sample]
    others = ~np.isin(original.columns, [item.gene for item in interventions])
    before = engine.expression.rows(original.columns, cells)
    change = improved.values[:, cells] - before
    return float(np.abs(original.values[:, cells] - improved.values[:, cells]).max() / np.abs(change[others]).max())


def exact_sums(xy: Array, cells: NDArray[np.int64], values: Array, radius: float) -> Array:
    """Return ``(len(cells), k)`` means over all cells of Gaussian weight x value, pair by pair."""
    sums = np.zeros((len(cells), values.shape[1]))
    for start in range(0, len(xy), _SENDERS):
        senders = slice(start, start + _SENDERS)
        apart = xy[cells, None, :] - xy[None, senders, :]
        weight = np.exp(np.square(apart).sum(axis=2) / (-2.0 * radius**2))
        sums += weight @ values[senders]
    return sums / len(xy)
