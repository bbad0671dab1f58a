"""The vectors of all cells, some cells at a time: no array of cells x cells is made."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spacetravlr.perturbation._engine import SimulationCancelledError
from spacetravlr.perturbation.effect import Effect
from spacetravlr.perturbation.transition._settings import FieldSettings
from spacetravlr.threads import begin_worker, for_each_block, one_blas_thread

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_LOWEST_TEMPERATURE = 1e-9
# cells worked on together, and the neighbours they have at most
_CELLS = 1024
_PAIRS = 262_144


@dataclass(frozen=True, eq=False)
class Changes:
    """What a perturbation changes, ready to be compared with the differences of cells.

    Attributes
    ----------
    effect
        The simulation.
    genes
        Columns of its baseline that are compared; None for all.
    in_scope
        (n_cells,) cells whose changes count, those of others are 0; None for all.
    rescale
        Factor of all changes.
    """

    effect: Effect
    genes: Integers | None
    in_scope: NDArray[np.bool_] | None
    rescale: float

    def expression(self) -> NDArray[Any]:
        """Return the baseline of the compared genes, rows contiguous; not a copy if it can be helped."""
        baseline = self.effect.baseline if self.genes is None else self.effect.baseline[:, self.genes]
        single = baseline.dtype == np.float32
        return np.ascontiguousarray(baseline, dtype=np.float32 if single else np.float64)

    def columns(self) -> tuple[Integers, Integers]:
        """Return which changeable genes are compared, and their places among the compared genes."""
        changeable = np.asarray(self.effect.columns, dtype=np.int64)
        if self.genes is None:
            return np.arange(len(changeable)), changeable
        place = np.full(len(self.effect.genes), -1, dtype=np.int64)
        place[self.genes] = np.arange(len(self.genes))
        kept = np.flatnonzero(place[changeable] >= 0)
        return kept, place[changeable[kept]]

    def counted(self) -> NDArray[np.bool_]:
        """Return the mask of cells whose changes count, (n_cells,)."""
        return np.ones(len(self.effect.cells), dtype=bool) if self.in_scope is None else self.in_scope


def cell_vectors(
    changes: Changes,
    embedding: Floats,
    settings: FieldSettings,
    *,
    n_jobs: int | None,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> tuple[Floats, int]:
    """Return the vector of every cell, (n_cells, 2), and the number of neighbours looked at.

    The vector of a cell does not depend on which cells are worked on together, nor on the number of threads.
    """
    from scipy.spatial import cKDTree

    from spacetravlr.perturbation.transition import _kernels, _neighbours

    n_cells = len(embedding)
    vectors = np.zeros((n_cells, 2))
    full = settings.full_graph and n_cells <= settings.full_graph_max_cells
    k = n_cells - 1 if full else min(settings.n_neighbors, n_cells - 1)
    if k < 1:
        return vectors, 0
    tree = cKDTree(embedding)
    # the order of the tree: cells worked on together then share their neighbours
    order = np.asarray(tree.indices, dtype=np.int64)
    expression, (rows, columns), counted = changes.expression(), changes.columns(), changes.counted()
    values = np.asarray(changes.effect.values, dtype=np.float64)
    means = expression.mean(axis=1, dtype=np.float64)
    temperature = max(settings.temperature, _LOWEST_TEMPERATURE)
    null = _kernels.KEEP_NULL
    if settings.remove_null:
        null = _kernels.RAW if settings.null_mode == "raw" else _kernels.CLIP_RENORM
    together = max(1, min(_CELLS, _PAIRS // k))
    count, done = -(-n_cells // together), itertools.count(1)

    def work(block: int) -> None:
        if cancelled is not None and cancelled():
            raise SimulationCancelledError("the transition field was cancelled")
        cells = order[block * together : (block + 1) * together]
        moves = _kernels.rounded_changes(cells, rows, columns, values, expression, counted, changes.rescale)
        if settings.remove_null:
            # without a change nothing remains: no need to look for neighbours
            moved = np.flatnonzero(moves.any(axis=1))
            cells, moves = cells[moved], moves[moved]
        if len(cells):
            near = _neighbours.all_others(n_cells, cells) if full else _neighbours.nearest(tree, embedding, cells, k)
            _kernels.cell_vectors(
                *(cells, near, moves, columns, expression, means, embedding),
                *(temperature, null, settings.unit_directions, vectors),
            )
        if progress is not None:
            progress(next(done), count)

    _each(work, count, n_jobs)
    return vectors, k


def _each(work: Callable[[int], None], count: int, n_jobs: int | None) -> None:
    if n_jobs is None:
        for_each_block(work, count)
        return
    with one_blas_thread(), ThreadPoolExecutor(min(n_jobs, count), initializer=begin_worker) as pool:
        list(pool.map(work, range(count)))
