"""The step with limited derivatives.

A limit acts on the sum of all terms of one modulator gene in one cell and target, so terms are summed modulator by
modulator: ``result += clip(E_k @ B_k, -cap, cap) * a_k`` (specification of the propagation, exact capped form).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spacetravlr.perturbation._coefficients import Coefficients, Grouped
from spacetravlr.perturbation._features import Features, FloatArray, IntArray
from spacetravlr.perturbation._terms import Terms, list_terms


@dataclass(frozen=True, eq=False)
class _Modulator:
    """One modulator gene: its terms, the targets that listen to it, and where their coefficients are."""

    terms: IntArray
    targets: IntArray
    local_term: IntArray
    local_target: IntArray
    entry: IntArray


@dataclass(frozen=True, eq=False)
class Selection:
    """The modulators whose gene changed.

    Attributes
    ----------
    modulators
        Their positions in the plan.
    gene
        Gene whose change multiplies each one.
    terms
        Their terms, one modulator after the other.
    bounds
        ``(n_selected + 1,)`` where each one's terms begin.
    place
        ``(all terms,)`` position of each term in `terms`, -1 for terms that are not selected.
    """

    modulators: IntArray
    gene: IntArray
    terms: Terms
    bounds: IntArray
    place: IntArray


@dataclass(frozen=True, eq=False)
class CapPlan:
    """Which terms and coefficients belong to which modulator gene.

    Attributes
    ----------
    terms
        All terms, sorted by modulator.
    bounds
        ``(n_modulators + 1,)`` where each modulator's terms begin.
    modulators
        The coefficients of the grouped targets, by modulator.
    rowwise
        For each target with coefficients per cell: its terms, and the column of each.
    """

    terms: Terms
    bounds: IntArray
    modulators: tuple[_Modulator, ...]
    rowwise: tuple[tuple[IntArray, IntArray], ...]

    def select(self, change_row: IntArray, zero_row: int) -> Selection:
        """Return the modulators that some target has and whose gene has another row than that of the unchanged ones."""
        gene = self.terms.gene[self.bounds[:-1]]
        used = np.array([len(modulator.targets) > 0 for modulator in self.modulators], dtype=np.bool_)
        for mine, _ in self.rowwise:
            used[np.searchsorted(self.bounds, mine, side="right") - 1] = True
        chosen = np.flatnonzero((change_row[gene] != zero_row) & used)
        sizes = (self.bounds[1:] - self.bounds[:-1])[chosen]
        index = np.concatenate([np.empty(0, dtype=np.int64), *(self.modulators[k].terms for k in chosen)])
        place = np.full(len(self.terms.kind), -1, dtype=np.int64)
        place[index] = np.arange(len(index))
        bounds = np.concatenate([[0], np.cumsum(sizes)])
        return Selection(chosen, gene[chosen], self.terms.take(index), bounds, place)

    def batch(self, part: slice) -> CapPlan:
        """Return the plan of some of the targets with coefficients per cell alone."""
        none = np.empty(0, dtype=np.int64)
        modulators = tuple(_Modulator(one.terms, none, none, none, none) for one in self.modulators)
        return CapPlan(self.terms, self.bounds, modulators, self.rowwise[part])

    def matrices(self, data: FloatArray, selection: Selection) -> list[FloatArray]:
        """Return ``(n_targets_of_k, n_terms_of_k)`` coefficients of each selected modulator for one group."""
        matrices = []
        for k in selection.modulators:
            modulator = self.modulators[k]
            matrix = np.zeros((len(modulator.targets), len(modulator.terms)))
            matrix[modulator.local_target, modulator.local_term] = data[modulator.entry]
            matrices.append(matrix)
        return matrices


def plan_cap(features: Features, coefficients: Coefficients) -> CapPlan:
    """Sort the coefficients by the modulator gene they multiply.

    Parameters
    ----------
    features
        All features.
    coefficients
        All coefficients.

    Returns
    -------
    The plan; its size is twice the number of coefficients of one group.
    """
    terms = list_terms(features)
    starts = np.flatnonzero(np.diff(terms.modulator, prepend=-1))
    bounds = np.append(starts, len(terms.modulator))
    pointers = np.searchsorted(coefficients.grouped.feature, np.arange(features.size + 1))
    modulators = [
        _modulator(np.arange(first, last), terms, coefficients.grouped, pointers) for first, last in pairwise(bounds)
    ]
    rowwise = []
    for model in coefficients.rowwise:
        column = np.full(features.size, -1, dtype=np.int64)
        column[model.features] = np.arange(len(model.features))
        mine = np.flatnonzero(column[terms.feature] >= 0)
        rowwise.append((mine, column[terms.feature[mine]]))
    return CapPlan(terms, bounds, tuple(modulators), tuple(rowwise))


def _modulator(index: IntArray, terms: Terms, grouped: Grouped, pointers: IntArray) -> _Modulator:
    feature = terms.feature[index]
    counts = pointers[feature + 1] - pointers[feature]
    local_term = np.repeat(np.arange(len(index)), counts)
    entries = [np.arange(pointers[place], pointers[place + 1]) for place in feature]
    entry = np.concatenate([np.empty(0, dtype=np.int64), *entries])
    targets, local_target = np.unique(grouped.target[entry], return_inverse=True)
    return _Modulator(index, targets, local_term, local_target.reshape(-1), entry)


def capped_grouped(
    plan: CapPlan,
    selection: Selection,
    matrices: Sequence[FloatArray],
    values: FloatArray,
    change: FloatArray,
    *,
    cap: float,
    out: FloatArray,
) -> None:
    """Add the changes of the grouped targets in a block of cells of one group.

    Parameters
    ----------
    plan, selection, matrices
        Which modulators, and their coefficients.
    values
        ``(n_selected_terms, n_cells)`` values of the terms.
    change
        ``(n_selected, n_cells)`` change of each modulator's gene.
    cap
        Limit of each derivative.
    out
        ``(n_targets, n_cells)`` to add to.
    """
    for place, (k, matrix) in enumerate(zip(selection.modulators, matrices, strict=True)):
        if not len(matrix):
            continue
        first, last = selection.bounds[place : place + 2]
        derivative = matrix @ values[first:last]
        np.clip(derivative, -cap, cap, out=derivative)
        derivative *= change[place]
        out[plan.modulators[k].targets] += derivative


def capped_rowwise(
    terms: tuple[IntArray, IntArray],
    selection: Selection,
    weights: NDArray[Any],
    values: FloatArray,
    change: FloatArray,
    *,
    cap: float,
) -> FloatArray:
    """Return the change of a target with coefficients per cell in a block of cells.

    Parameters
    ----------
    terms
        The target's terms (ascending by modulator) and the column of each in `weights`.
    selection
        Which modulators changed.
    weights
        ``(n_cells, n_used)`` coefficients of the cells.
    values, change
        As for `capped_grouped`.
    cap
        Limit of each derivative.

    Returns
    -------
    ``(n_cells,)`` change.
    """
    mine, column = terms
    place = selection.place[mine]
    column, place = column[place >= 0], place[place >= 0]
    if not len(place):
        return np.zeros(values.shape[1])
    owner = np.searchsorted(selection.bounds, place, side="right") - 1
    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    derivative = np.add.reduceat(weights.T[column] * values[place], starts, axis=0)
    np.clip(derivative, -cap, cap, out=derivative)
    total: FloatArray = np.einsum("kc,kc->c", derivative, change[owner[starts]])
    return total
