"""The iteration: changes spread through models and signals, step by step (specification of the propagation, 4.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spacetravlr.perturbation._convergence import StepChange, compare_steps
from spacetravlr.perturbation._features import FloatArray, IntArray
from spacetravlr.perturbation._reception import Reception
from spacetravlr.perturbation._step import StepInput, StepRules, propagate_step
from spacetravlr.perturbation.profiles import Profile

_NO_ROWS = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Tissue:
    """The unperturbed tissue; arrays ``(rows, n_cells)``, cells in sorted order.

    Attributes
    ----------
    expression
        Baseline of `Features.expressed` as it counts: 0 where at or below the threshold or masked.
    masks
        Which values of `expression` count; None for all.
    min_expression
        Values at or below count as 0.
    reception
        What cells receive.
    """

    expression: FloatArray
    masks: NDArray[np.bool_] | None
    min_expression: float
    reception: Reception


@dataclass(frozen=True, eq=False)
class Pinned:
    """One perturbed gene: its row in the state, the sorted cells, and their desired values."""

    row: int
    cells: IntArray
    values: FloatArray


@dataclass(frozen=True, eq=False)
class Limits:
    """Range of every simulated value: scalars, or ``(n_state, 1)`` with one range per gene."""

    lower: float | FloatArray
    upper: float | FloatArray


@dataclass(frozen=True, eq=False)
class Start:
    """What one simulation starts from.

    Attributes
    ----------
    genes
        ``(n_state,)`` genes that can change: the trained ones first, in the order of the coefficients.
    state
        ``(n_state, n_cells)`` their baseline.
    pinned
        The perturbed genes.
    limits
        Range of simulated values.
    """

    genes: IntArray
    state: FloatArray
    pinned: Sequence[Pinned]
    limits: Limits


@dataclass(frozen=True, eq=False)
class Heard:
    """Ligands of which cells receive something else than in the baseline: rows in `Features.ligands`, and how much."""

    rows: IntArray
    change: FloatArray


@dataclass(frozen=True, eq=False)
class Motion:
    """How far the tissue has moved when a step begins; arrays ``(n_state, n_cells)``.

    Attributes
    ----------
    delta
        Change of expression after the step before: what this step spreads.
    lag
        Change of expression one step earlier: what the derivatives of this step see. None in the first step.
    heard, heard_before
        What cells receive of `delta`, and of `lag`.
    """

    delta: FloatArray
    lag: FloatArray | None
    heard: Heard
    heard_before: Heard


def propagate(
    rules: StepRules,
    tissue: Tissue,
    start: Start,
    *,
    profile: Profile,
    n_steps: int,
    after_step: Callable[[int], None],
) -> tuple[FloatArray, tuple[StepChange, ...]]:
    """Return the simulated expression of the genes that can change, and how much each step has changed.

    Parameters
    ----------
    rules, tissue, start
        Models, tissue and perturbation.
    profile
        The rules of pinning, of received ligands and of their first values.
    n_steps
        Number of steps; 0 sets the perturbed genes only.
    after_step
        Called with the number of steps done; may raise to stop.

    Returns
    -------
    ``(n_state, n_cells)`` expression after the last step, with the perturbed entries at their desired values; and the
    changes, one per step.
    """
    state = start.state
    n_targets = len(rules.coefficients.trained)
    delta = np.zeros(state.shape)
    for pin in start.pinned:
        delta[pin.row, pin.cells] = pin.values - state[pin.row, pin.cells]
    held = [_held(pin, state, profile) for pin in start.pinned]
    lag: FloatArray | None = None
    heard = Heard(_NO_ROWS, np.zeros((0, state.shape[1])))
    changes = []
    for step in range(n_steps):
        heard_before, heard = heard, _hear(rules, tissue, start, delta)
        data = _step_input(rules, tissue, start, Motion(delta, lag, heard, heard_before), profile)
        new = np.zeros(state.shape)
        new[:n_targets] = propagate_step(rules, data)
        for pin in held:
            new[pin.row, pin.cells] = pin.values - state[pin.row, pin.cells]
        new += state
        np.clip(new, start.limits.lower, start.limits.upper, out=new)
        new -= state
        changes.append(compare_steps(step + 1, delta, new))
        lag, delta = delta, new
        after_step(step + 1)
    delta += state
    for pin in start.pinned:
        delta[pin.row, pin.cells] = pin.values
    return delta, tuple(changes)


def _held(pin: Pinned, state: FloatArray, profile: Profile) -> Pinned:
    if profile.pin == "targeted":
        return pin
    moved = pin.values != state[pin.row, pin.cells]
    return Pinned(pin.row, pin.cells[moved], pin.values[moved])


def _hear(rules: StepRules, tissue: Tissue, start: Start, delta: FloatArray) -> Heard:
    """Return what cells receive of the ligands that are expressed otherwise than in the baseline."""
    ligands = rules.features.ligands
    changed: list[int] = []
    expressed: list[FloatArray] = []
    for row in np.flatnonzero(np.isin(start.genes, ligands)):
        if not delta[row].any():
            continue
        before = _counting(start.state[row], tissue.min_expression)
        after = _counting(start.state[row] + delta[row], tissue.min_expression)
        if not np.array_equal(before, after):
            changed.append(int(row))
            expressed.append(after)
    if not changed:
        return Heard(_NO_ROWS, np.zeros((0, delta.shape[1])))
    rows = np.searchsorted(ligands, start.genes[changed])
    return Heard(rows, tissue.reception.change(np.stack(expressed), rows))


def _counting(values: FloatArray, threshold: float) -> FloatArray:
    return np.where(values > threshold, values, 0.0)


def _step_input(rules: StepRules, tissue: Tissue, start: Start, motion: Motion, profile: Profile) -> StepInput:
    """Lay out a step: a ligand acts by the change received, any other gene by its own change."""
    features, reception, heard = rules.features, tissue.reception, motion.heard
    acts = np.isin(start.genes, features.modulators) & ~np.isin(start.genes, features.ligands)
    own = np.flatnonzero(acts & motion.delta.any(axis=1))
    n_changed = len(heard.rows) + len(own)
    change_row = np.full(features.n_genes, n_changed, dtype=np.int64)
    change_row[features.ligands[heard.rows]] = np.arange(len(heard.rows))
    change_row[start.genes[own]] = len(heard.rows) + np.arange(len(own))
    first = motion.lag is None
    lag = np.zeros((0, motion.delta.shape[1])) if motion.lag is None else motion.lag
    moved = np.isin(start.genes, features.expressed) & (False if first else lag.any(axis=1))
    moved_state = np.flatnonzero(moved)
    return StepInput(
        changes=(heard.change, motion.delta[own]),
        change_row=change_row,
        expression=tissue.expression,
        moved=np.searchsorted(features.expressed, start.genes[moved_state]),
        moved_state=moved_state,
        state=start.state,
        lag=lag,
        masks=tissue.masks,
        min_expression=tissue.min_expression,
        received=reception.lr if first and profile.first_received == "masked" else reception.largest,
        received_tfl=reception.tfl,
        received_moved=motion.heard_before.rows if profile.updates_received else _NO_ROWS,
        received_change=motion.heard_before.change,
    )
