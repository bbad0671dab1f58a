"""Compiled parts of `solver="fista"`: the step rule of each target, and the products that no matrix product covers.

Arrays have one row per target and one column per slot: first the columns that the targets of a batch share, then the
target's own ones. A slot the target does not use belongs to a last, dead group whose penalty is infinite, so it stays
at zero without a branch. The ones column is orthogonal to the centred columns and is carried as a scalar.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

RUNNING, CONVERGED, EXHAUSTED = 0, 1, 2
MAX_POWER_STEPS = 20

_Real = NDArray[np.float64]
_Index = NDArray[np.int64]
# Sums may be reordered (they vectorise), but NaN and infinity keep their meaning.
_jit = numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})


class Problem(NamedTuple):
    """What is minimised, per target: `xy` and `group` (targets, slots), `group_penalty` (targets, groups + 1)."""

    xy: _Real
    group: _Index
    group_penalty: _Real
    y_mean: _Real
    l1_reg: float
    n_iter: int
    tol: float


class State(NamedTuple):
    """Where every target stands: iterate, momentum point and candidate, with the Gram matrix applied to them."""

    iterate: _Real
    gram_iterate: _Real
    momentum: _Real
    gram_momentum: _Real
    candidate: _Real
    intercepts: _Real
    """Shape (3, targets): of iterate, momentum point and candidate."""
    loss: _Real
    """Smooth loss of the iterate."""
    inertia: _Real
    lipschitz: _Real
    steps: _Index
    status: _Index


class Power(NamedTuple):
    """Power iteration per target: unit vector (its entry of the ones column apart) and estimated eigenvalue."""

    vector: _Real
    first: _Real
    estimate: _Real
    passes: _Index
    status: _Index


class OwnGram(NamedTuple):
    """Columns that only some targets use, and their Gram blocks.

    `entry` (targets, most own columns) is the row of `across` (own columns x shared columns); `within` holds each
    target's own columns among themselves.
    """

    entry: _Index
    n_own: _Index
    n_shared: int
    across: _Real
    within: _Real


class OwnRows(NamedTuple):
    """Columns that only some targets use; `columns` has one column of the centred design per row."""

    entry: _Index
    n_own: _Index
    n_shared: int
    columns: _Real


@_jit
def start(live: _Index, problem: Problem, state: State) -> None:
    """Compute the first candidate of every live target (from zero, no restart test can fire there)."""
    for target in live:
        _step(target, problem, state)


@_jit
def advance(live: _Index, product: _Real, misfit: _Real, problem: Problem, state: State) -> None:
    """Accept or reject the candidate of every live target and compute the next one.

    Parameters
    ----------
    live
        Rows of the targets still running.
    product, misfit
        Gram matrix times candidate (row i belongs to `live[i]`), and mean square of centred response minus fit.
    problem, state
        Penalties, moments and stopping rule; the state is updated.
    """
    for row in range(live.size):
        target = live[row]
        if _too_long(target, product[row], state):
            state.lipschitz[target] *= 2.0
            _step(target, problem, state)
            continue
        change = _accept(target, product[row], state)
        off = problem.y_mean[target] - state.intercepts[0, target]
        state.loss[target] = 0.5 * (misfit[row] + off * off)
        state.steps[target] += 1
        if change < problem.tol:
            state.status[target] = CONVERGED
        elif state.steps[target] >= problem.n_iter:
            state.status[target] = EXHAUSTED
        else:
            _step(target, problem, state)
            if _overshoots(target, state):
                _restart(target, state)
                _step(target, problem, state)


@_jit
def _step(target: int, problem: Problem, state: State) -> None:
    """Write the proximal gradient step from the momentum point into the candidate."""
    inverse = 1.0 / state.lipschitz[target]
    threshold = problem.l1_reg * inverse
    at, product, xy = state.momentum[target], state.gram_momentum[target], problem.xy[target]
    group, penalty, out = problem.group[target], problem.group_penalty[target], state.candidate[target]
    for slot in range(out.size):
        moved = at[slot] - (product[slot] - xy[slot]) * inverse
        out[slot] = moved if math.isnan(moved) else math.copysign(max(abs(moved) - threshold, 0.0), moved)
    factor = np.zeros(penalty.size)
    for slot in range(out.size):
        factor[group[slot]] += out[slot] * out[slot]
    for g in range(penalty.size):
        norm = math.sqrt(factor[g])
        factor[g] = 1.0 if norm == 0.0 else max(0.0, 1.0 - penalty[g] * inverse / norm)
    for slot in range(out.size):
        out[slot] *= factor[group[slot]]
    base = state.intercepts[1, target]
    state.intercepts[2, target] = base - (base - problem.y_mean[target]) * inverse


@_jit
def _too_long(target: int, product: _Real, state: State) -> bool:
    """Say whether the curvature along the step exceeds the Lipschitz constant.

    For a quadratic loss f(x') > f(v) + <grad f(v), x' - v> + (L/2)||x' - v||^2 is <d, A d> > L||d||^2 with d = x' - v;
    in this form no two losses are subtracted, so rounding cannot fire it near the optimum.
    """
    candidate, at, before = state.candidate[target], state.momentum[target], state.gram_momentum[target]
    step = state.intercepts[2, target] - state.intercepts[1, target]
    curvature = length = step * step
    for slot in range(candidate.size):
        step = candidate[slot] - at[slot]
        curvature += step * (product[slot] - before[slot])
        length += step * step
    return bool(curvature > state.lipschitz[target] * length)


@_jit
def _accept(target: int, product: _Real, state: State) -> float:
    """Make the candidate the iterate, move the momentum point, return the relative change."""
    inertia = state.inertia[target]
    raised = 0.5 * (1.0 + math.sqrt(1.0 + 4.0 * inertia * inertia))
    weight = (inertia - 1.0) / raised
    state.inertia[target] = raised
    iterate, applied = state.iterate[target], state.gram_iterate[target]
    at, before, candidate = state.momentum[target], state.gram_momentum[target], state.candidate[target]
    step = state.intercepts[2, target] - state.intercepts[0, target]
    state.intercepts[1, target] = state.intercepts[2, target] + weight * step
    state.intercepts[0, target] = state.intercepts[2, target]
    change = step * step
    size = state.intercepts[0, target] ** 2
    for slot in range(candidate.size):
        new = candidate[slot]
        step = new - iterate[slot]
        change += step * step
        size += new * new
        at[slot] = new + weight * step
        before[slot] = product[slot] + weight * (product[slot] - applied[slot])
        iterate[slot] = new
        applied[slot] = product[slot]
    return math.sqrt(change) / (math.sqrt(size) + 1e-16)


@_jit
def _overshoots(target: int, state: State) -> bool:
    """Say whether <v - x', x' - x> exceeds the loss of the iterate: the restart test of the compiled edition."""
    at, candidate, iterate = state.momentum[target], state.candidate[target], state.iterate[target]
    old, base, new = state.intercepts[0, target], state.intercepts[1, target], state.intercepts[2, target]
    inner = (base - new) * (new - old)
    for slot in range(candidate.size):
        inner += (at[slot] - candidate[slot]) * (candidate[slot] - iterate[slot])
    return bool(inner > state.loss[target])


@_jit
def _restart(target: int, state: State) -> None:
    state.momentum[target] = state.iterate[target]
    state.gram_momentum[target] = state.gram_iterate[target]
    state.intercepts[1, target] = state.intercepts[0, target]
    state.inertia[target] = 1.0


@_jit
def power_step(live: _Index, product: _Real, n: float, problem: Problem, power: Power) -> None:
    """Do one pass of the power iteration for the largest eigenvalue of the augmented X'X.

    A target is done when the length changes by less than 0.5 percent from the second pass on (the newest length is
    then not used), when it does not rise (it never will again), or after `MAX_POWER_STEPS` passes.

    Parameters
    ----------
    live, product
        Targets still running, and the Gram matrix (per cell) times their vectors; dead slots are cleared in place.
    n
        Number of cells.
    problem, power
        Groups of the slots; the power iteration is updated.
    """
    for row in range(live.size):
        target = live[row]
        raised = product[row]
        dead = problem.group_penalty.shape[1] - 1
        total = power.first[target] * power.first[target]
        for slot in range(raised.size):
            if problem.group[target, slot] == dead:
                raised[slot] = 0.0
            total += raised[slot] * raised[slot]
        length = n * math.sqrt(total)
        known = power.estimate[target]
        settled = power.passes[target] > 0 and abs(length - known) < 5e-3 * max(length, known)
        rises = length > known
        power.passes[target] += 1
        if settled or not rises or power.passes[target] == MAX_POWER_STEPS:
            power.status[target] = CONVERGED
        if rises and not settled:
            power.estimate[target] = length
            scale = n / length
            power.first[target] *= scale
            for slot in range(raised.size):
                power.vector[target, slot] = raised[slot] * scale


@_jit
def add_own_gram(live: _Index, values: _Real, out: _Real, own: OwnGram) -> None:
    """Add what a target's own columns contribute to Gram matrix times vector.

    Parameters
    ----------
    live, values, out
        Targets, vectors and products of the shared columns among themselves, one row per live target.
    own
        The own columns and their blocks of the Gram matrix.
    """
    n_shared = own.n_shared
    for row in range(live.size):
        target = live[row]
        count = own.n_own[target]
        shared_in, shared_out = values[row, :n_shared], out[row, :n_shared]
        own_in = values[row, n_shared : n_shared + count]
        for k in range(count):
            cross = own.across[own.entry[target, k]]
            value = own_in[k]
            total = 0.0
            for slot in range(n_shared):
                total += cross[slot] * shared_in[slot]
                shared_out[slot] += value * cross[slot]
            inner = own.within[target, k]
            for other in range(count):
                total += inner[other] * own_in[other]
            out[row, n_shared + k] = total
        out[row, n_shared + count :] = 0.0


@_jit
def gram_misfit(live: _Index, values: _Real, product: _Real, xy: _Real, y_var: _Real) -> _Real:
    """Return the mean squared residual of the centred response from moments, never below zero."""
    out = np.empty(live.size)
    for row in range(live.size):
        target = live[row]
        total = y_var[target]
        for slot in range(values.shape[1]):
            total += values[row, slot] * (product[row, slot] - 2.0 * xy[target, slot])
        out[row] = total if math.isnan(total) else max(total, 0.0)
    return out


@_jit
def add_own_fit(live: _Index, values: _Real, fit: _Real, own: OwnRows) -> None:
    """Add the fitted values of each target's own columns."""
    for row in range(live.size):
        target = live[row]
        for k in range(own.n_own[target]):
            column = own.columns[own.entry[target, k]]
            value = values[row, own.n_shared + k]
            for cell in range(column.size):
                fit[row, cell] += value * column[cell]


@_jit
def own_fit_products(live: _Index, fit: _Real, out: _Real, own: OwnRows) -> None:
    """Compute the mean product of each target's own columns with its fitted values."""
    for row in range(live.size):
        target = live[row]
        for k in range(own.n_own[target]):
            column = own.columns[own.entry[target, k]]
            total = 0.0
            for cell in range(column.size):
                total += column[cell] * fit[row, cell]
            out[row, own.n_shared + k] = total / column.size
        out[row, own.n_shared + own.n_own[target] :] = 0.0


@_jit
def row_misfit(live: _Index, fit: _Real, response: _Real) -> _Real:
    """Return the mean squared residual of the centred response, cell by cell."""
    out = np.empty(live.size)
    for row in range(live.size):
        total = 0.0
        for cell in range(fit.shape[1]):
            residual = response[live[row], cell] - fit[row, cell]
            total += residual * residual
        out[row] = total / fit.shape[1]
    return out
