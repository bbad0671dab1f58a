"""One propagation step: from the changes of all genes to the changes of the trained ones, block of cells by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spacetravlr.perturbation._capped import CapPlan, capped_grouped, capped_rowwise
from spacetravlr.perturbation._coefficients import Coefficients
from spacetravlr.perturbation._features import (
    ActiveFeatures,
    Block,
    Features,
    FloatArray,
    IntArray,
    fused_features,
    select_active,
)
from spacetravlr.perturbation._terms import term_values
from spacetravlr.threads import for_each_block

# blocks of about this size stay in the processor's cache, which is faster than the larger ones memory would allow
_CACHE_BYTES = 4 << 20
_MIN_BLOCK = 64
# tables from files that are worked on together may take this many times the memory of a block
_TABLE_SHARE = 4


@dataclass(frozen=True, eq=False)
class StepInput:
    """What the tissue looks like at the start of a step; arrays ``(rows, n_cells)``, cells in sorted order.

    Attributes
    ----------
    changes
        Changes of the genes that changed, in one or several arrays.
    change_row
        ``(n_genes,)`` row of each gene in the stacked `changes`; their total number of rows for all other genes.
    expression
        Baseline of `Features.expressed`, 0 where at or below the threshold or masked.
    moved, moved_state
        Rows of `expression` that have moved since the baseline, and the rows of `state` and `lag` that hold them.
    state, lag
        Baseline expression of the genes that can change, and how far they are from it in this step's derivatives.
    masks
        ``(n_expressed, n_cells)`` which values of `expression` count; None for all.
    min_expression
        Values at or below count as 0.
    received, received_tfl
        Baseline of what cells receive of `Features.ligands`.
    received_moved, received_change
        Rows of `received` that have moved, and by how much.
    """

    changes: tuple[FloatArray, ...]
    change_row: IntArray
    expression: FloatArray
    moved: IntArray
    moved_state: IntArray
    state: FloatArray
    lag: FloatArray
    masks: NDArray[np.bool_] | None
    min_expression: float
    received: FloatArray
    received_tfl: FloatArray
    received_moved: IntArray
    received_change: FloatArray

    @property
    def n_changed(self) -> int:
        """Number of genes that changed; also the number of the row of zeros in a block."""
        return sum(len(change) for change in self.changes)

    def block(self, start: int, stop: int) -> Block:
        """Return some consecutive cells."""
        cells = slice(start, stop)
        change = np.zeros((self.n_changed + 1, stop - start))
        np.concatenate([part[:, cells] for part in self.changes], axis=0, out=change[:-1])
        expression, received = self.expression[:, cells], self.received[:, cells]
        if len(self.moved):
            level = self.state[:, cells][self.moved_state] + self.lag[:, cells][self.moved_state]
            level[level <= self.min_expression] = 0.0
            if self.masks is not None:
                level *= self.masks[:, cells][self.moved]
            expression = expression.copy()
            expression[self.moved] = level
        if len(self.received_moved):
            received = received.copy()
            received[self.received_moved] += self.received_change[:, cells]
        return Block(change, expression, received, self.received_tfl[:, cells])


@dataclass(frozen=True, eq=False)
class StepRules:
    """What is the same in all steps.

    Attributes
    ----------
    features, coefficients
        The models.
    scale
        Factor of all pair terms.
    cap
        Limit of each derivative (of a target by a modulator gene in a cell) with the plan for it, or None.
    memory
        Upper limit of the arrays of a block, bytes.
    """

    features: Features
    coefficients: Coefficients
    scale: float
    cap: tuple[float, CapPlan] | None
    memory: float


def propagate_step(rules: StepRules, data: StepInput) -> FloatArray:
    """Return the change of every trained gene.

    With the features ``F`` of the cells of group ``c`` and its coefficients ``B_c``, the change is ``F @ B_c``; with a
    cap, the sum over modulator genes ``k`` of ``clip(E_k @ B_c,k) * a_k``; with coefficients per cell, a sum of
    products in each cell. Cost: cells x coefficients; memory: one block of cells per thread, and a few tables at a
    time of those that are in files. The blocks do not depend on the number of threads, so neither do the results.

    Parameters
    ----------
    rules
        Models and limits.
    data
        The state of the tissue.

    Returns
    -------
    ``(n_targets, n_cells)`` changes, in the order of `Coefficients.trained`, before pinning and clipping.
    """
    out = np.zeros((len(rules.coefficients.trained), data.expression.shape[1]))
    active = select_active(rules.features, data.change_row, data.n_changed)
    if not active.size:
        return out
    coefficients = rules.coefficients.without_files()
    if len(coefficients.trained):
        _fill(replace(rules, coefficients=coefficients), data, active, out[: len(coefficients.trained)])
    for part in _batches(rules):
        batch = rules.coefficients.batch(part)
        own = active.within(np.concatenate([model.features for model in batch.rowwise]))
        if own.size:
            cap = None if rules.cap is None else (rules.cap[0], rules.cap[1].batch(part))
            first = rules.coefficients.grouped.n_targets + part.start
            _fill(replace(rules, coefficients=batch, cap=cap), data, own, out[first : first + len(batch.rowwise)])
    return out


def _batches(rules: StepRules) -> Iterator[slice]:
    """Cut the targets whose coefficients are in files into parts that fit into memory together."""
    models = rules.coefficients.rowwise
    start = sum(not model.is_streamed for model in models)
    total = 0
    for place in range(start, len(models)):
        size = models[place].values.nbytes
        if place > start and total + size > _TABLE_SHARE * rules.memory:
            yield slice(start, place)
            start, total = place, 0
        total += size
    if start < len(models):
        yield slice(start, len(models))


def _fill(rules: StepRules, data: StepInput, active: ActiveFeatures, out: FloatArray) -> None:
    grouped = rules.coefficients.grouped
    prepare, n_values = _fused(rules, data, active) if rules.cap is None else _capped(rules, data, *rules.cap)
    for group in range(grouped.n_groups):
        _fill_blocks(prepare(group, out), _blocks(grouped.bounds[group : group + 2], rules, data, n_values))


Fill = Callable[[int, int], None]
"""Writes the changes of the cells ``start`` to ``stop`` of one group."""
Prepare = Callable[[int, FloatArray], Fill]
"""Lays out the coefficients of a group; returns what fills its blocks of the result."""


def _fill_blocks(fill: Fill, blocks: Sequence[tuple[int, int]]) -> None:
    def work(number: int) -> None:
        with np.errstate(over="ignore", invalid="ignore"):  # holds for one thread only, so it is set in each
            fill(*blocks[number])

    for_each_block(work, len(blocks))


def _fused(rules: StepRules, data: StepInput, active: ActiveFeatures) -> tuple[Prepare, int]:
    """Return the step as a matrix product, and the rows of working arrays that it needs."""
    grouped, rowwise = rules.coefficients.grouped, rules.coefficients.rowwise
    places = [_places(active.index, model.features) for model in rowwise]

    def prepare(group: int, out: FloatArray) -> Fill:
        matrix = grouped.matrix(group, active.index)

        def fill(start: int, stop: int) -> None:
            values = fused_features(active, data.block(start, stop), rules.scale)
            if grouped.n_targets:
                out[: grouped.n_targets, start:stop] = matrix @ values
            for row, (model, (used, place)) in enumerate(zip(rowwise, places, strict=True), start=grouped.n_targets):
                weights = model.weights(start, stop)[:, used]
                out[row, start:stop] = np.einsum("cf,fc->c", weights, values[place], dtype=np.float64)

        return fill

    return prepare, 3 * active.size


def _capped(rules: StepRules, data: StepInput, cap: float, plan: CapPlan) -> tuple[Prepare, int]:
    """Return the step with limited derivatives, and the rows of working arrays that it needs."""
    grouped, rowwise = rules.coefficients.grouped, rules.coefficients.rowwise
    selection = plan.select(data.change_row, data.n_changed)
    change_rows = data.change_row[selection.gene]

    def prepare(group: int, out: FloatArray) -> Fill:
        matrices = plan.matrices(grouped.data[group], selection)

        def fill(start: int, stop: int) -> None:
            block = data.block(start, stop)
            values = term_values(selection.terms, block, rules.scale)
            change = block.change[change_rows]
            total = np.zeros((grouped.n_targets, block.n_cells))
            capped_grouped(plan, selection, matrices, values, change, cap=cap, out=total)
            out[: grouped.n_targets, start:stop] = total
            for row, (model, terms) in enumerate(zip(rowwise, plan.rowwise, strict=False), start=grouped.n_targets):
                weights = model.weights(start, stop)
                out[row, start:stop] = capped_rowwise(terms, selection, weights, values, change, cap=cap)

        return fill

    return prepare, 2 * len(selection.terms.kind)


def _blocks(
    bounds: Sequence[int] | IntArray, rules: StepRules, data: StepInput, n_values: int
) -> list[tuple[int, int]]:
    """Cut a group of cells so that the arrays of a block stay small, but not so small that the calls cost more."""
    inputs = 2 * len(data.expression) + 2 * len(data.received) + data.n_changed
    rows = n_values + inputs + 2 * len(rules.coefficients.trained)
    fits = max(1, int(rules.memory / (8 * rows)))
    size = min(fits, max(_MIN_BLOCK, int(_CACHE_BYTES / (8 * rows))))
    first, last = int(bounds[0]), int(bounds[1])
    return [(start, min(start + size, last)) for start in range(first, last, size)]


def _places(active: IntArray, features: IntArray) -> tuple[NDArray[np.bool_] | slice, IntArray]:
    """Return which of a target's features are active (all of them: a slice, which copies nothing), and where."""
    place = np.searchsorted(active, features)
    place[place == len(active)] = 0
    used = active[place] == features
    return (slice(None) if used.all() else used), place[used]
