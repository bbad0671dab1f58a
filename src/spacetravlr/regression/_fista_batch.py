"""FISTA for a batch of targets at once.

Each round multiplies the candidates of all running targets by the Gram matrix, then every target accepts its
candidate or raises its Lipschitz constant. A target that does the latter spends one more round; none waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spacetravlr.regression import _fista_kernels as kernels
from spacetravlr.regression._fista_products import GramSource, Layout, Product, RowSource, lay_out
from spacetravlr.regression.start_vector import start_vector

_Real = NDArray[np.float64]
_Index = NDArray[np.int64]
ROUND = 72
"""Most targets in one matrix product; a multiple of 24, the widest row block of the usual kernels."""
_CHUNK = 2 * ROUND

ScaleGroup = Literal["sqrt", "inverse_sqrt"]


@dataclass(frozen=True)
class Settings:
    """Penalties and stopping rule, as in `fista_batch`."""

    group_reg: float
    l1_reg: float
    n_iter: int
    tol: float
    scale_group: ScaleGroup


@dataclass(frozen=True)
class Columns:
    """Which catalogue columns each target of a batch uses, and how; see `fista_batch`."""

    indices: _Index
    groups: _Index
    active: NDArray[np.bool_] | None = None
    shared: _Index | None = None


@dataclass(frozen=True)
class Task:
    """What is minimised for some targets, and where their columns sit."""

    layout: Layout
    problem: kernels.Problem
    listed: _Index
    """(targets,), number of columns with those that are masked."""

    @classmethod
    def pose(cls, columns: Columns, shared: _Index | None, *, xy: _Real, y_mean: _Real, settings: Settings) -> Task:
        """Lay out the columns of all targets; `shared` as for `lay_out`, everything else as for `solve`."""
        present = columns.indices >= 0
        fitted = present if columns.active is None else present & columns.active
        layout = lay_out(columns.indices, fitted, xy.shape[1], shared)
        groups = np.where(present, columns.groups, -1).astype(np.int64)
        dead = int(groups.max(initial=-1)) + 1
        problem = kernels.Problem(
            layout.scatter(np.take_along_axis(xy, np.maximum(columns.indices, 0), axis=1), 0.0),
            layout.scatter(groups, dead),
            _penalties(groups, dead, settings),
            np.ascontiguousarray(y_mean, dtype=np.float64),
            float(settings.l1_reg),
            int(settings.n_iter),
            float(settings.tol),
        )
        return cls(layout, problem, present.sum(axis=1))

    def rows(self, part: slice) -> Task:
        """Return the task of some targets."""
        whole = self.problem
        own = whole._replace(
            xy=whole.xy[part],
            group=whole.group[part],
            group_penalty=whole.group_penalty[part],
            y_mean=whole.y_mean[part],
        )
        return Task(self.layout.rows(part), own, self.listed[part])

    def parts(self, most: int) -> Iterator[tuple[slice, Task]]:
        """Yield the targets in parts of at most `most`, at least one."""
        for first in range(0, max(1, len(self.listed)), most):
            part = slice(first, first + most)
            yield part, self.rows(part)

    def start(self) -> tuple[_Real, _Real, _Real]:
        """Return where the power iteration starts.

        Returns
        -------
        vector, first, norm
            Unit vectors in slots, their entries of the ones column, and their length before scaling, which is the first
            estimate of the eigenvalue.
        """
        z = start_vector(1 + self.layout.slot.shape[1])
        norm = np.sqrt(np.cumsum(z * z))[self.listed]
        per_column = np.broadcast_to(z[1:], self.layout.slot.shape)
        return self.layout.scatter(per_column, 0.0) / norm[:, None], z[0] / norm, norm


class _Rounds:
    """Who is multiplied in the next round, and the buffers of the products.

    As targets finish, waiting ones take their rows. With `fixed` every product has the same shape, filled with zero
    rows at the end, so that a target gets the same bits whoever shares its rounds.
    """

    def __init__(self, product: Product, shape: tuple[int, int], *, fixed: bool) -> None:
        self._product = product
        self._n_targets = shape[0]
        self._least = ROUND if fixed else 0
        rows = ROUND if fixed else min(ROUND, shape[0])
        self._values = np.zeros((rows, shape[1]))
        self._out = np.zeros((rows, shape[1]))
        self._next = 0

    def first(self) -> _Index:
        """Return the targets of the first round."""
        self._next = min(ROUND, self._n_targets)
        return np.arange(self._next)

    def following(self, live: _Index, status: _Index) -> _Index:
        """Return those still running and as many waiting ones as there is room for."""
        live = live[status[live] == kernels.RUNNING]
        until = min(self._n_targets, self._next + ROUND - live.size)
        live = np.concatenate([live, np.arange(self._next, until)])
        self._next = until
        return live

    def apply(self, live: _Index, vectors: _Real) -> tuple[_Real, _Real]:
        """Return products and misfits of the live rows of `vectors`; they are overwritten by the next call."""
        rows = max(live.size, self._least)
        values, out = self._values[:rows], self._out[:rows]
        np.take(vectors, live, axis=0, out=values[: live.size], mode="clip")
        values[live.size :] = 0.0
        return out, self._product.apply(live, values, out)


@dataclass(frozen=True)
class Solution:
    """Result of `solve`, for centred columns: `coef` (targets, width), everything else (targets,)."""

    coef: _Real
    intercept: _Real
    n_iter: _Index
    converged: NDArray[np.bool_]
    lipschitz: _Real
    mse: _Real


def solve(
    source_of: Callable[[Layout], GramSource | RowSource],
    columns: Columns,
    *,
    xy: _Real,
    y_mean: _Real,
    n: int,
    settings: Settings,
) -> Solution:
    """Run FISTA for all targets.

    Parameters
    ----------
    source_of
        Makes the products of a layout of the columns.
    columns
        What each target uses.
    xy
        Mean products of all catalogue columns with the centred responses, shape (targets, P).
    y_mean, n
        Mean response of each target, and number of cells.
    settings
        Penalties and stopping rule.
    """
    task = Task.pose(columns, columns.shared, xy=xy, y_mean=y_mean, settings=settings)
    parts = []
    for rounds, part in _rounds(task, source_of(task.layout), fixed=columns.shared is not None):
        state = _iterate(rounds, part.problem, _lipschitz_start(rounds, part, n))
        coef = part.layout.gather(state.iterate)
        converged = state.status == kernels.CONVERGED
        parts.append((coef, state.intercepts[0], state.steps, converged, state.lipschitz, 2.0 * state.loss))
    return Solution(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _rounds(task: Task, source: GramSource | RowSource, *, fixed: bool) -> Iterator[tuple[_Rounds, Task]]:
    for part, own in task.parts(_CHUNK):
        yield _Rounds(source.chunk(part, own.problem.xy), own.problem.xy.shape, fixed=fixed), own


def first_lipschitz(
    source_of: Callable[[Layout], GramSource | RowSource],
    columns: Columns,
    *,
    xy: _Real,
    y_mean: _Real,
    n: int,
    settings: Settings,
) -> _Real:
    """Return (targets,) the Lipschitz constants that `solve` starts from; parameters as there."""
    task = Task.pose(columns, columns.shared, xy=xy, y_mean=y_mean, settings=settings)
    rounds = _rounds(task, source_of(task.layout), fixed=columns.shared is not None)
    return np.concatenate([_lipschitz_start(own, part, n) for own, part in rounds])


def _penalties(groups: _Index, dead: int, settings: Settings) -> _Real:
    sizes = np.stack([(groups == g).sum(axis=1) for g in range(dead)], axis=1) if dead else np.zeros((len(groups), 0))
    power = 0.5 if settings.scale_group == "sqrt" else -0.5
    scaled = settings.group_reg * np.maximum(sizes, 1.0) ** power
    return np.hstack([scaled, np.full((len(groups), 1), np.inf)])


def _lipschitz_start(rounds: _Rounds, task: Task, n: int) -> _Real:
    """Return the Lipschitz constants that the first steps try: 1.5 / n times the estimate of the power iteration."""
    vector, first, norm = task.start()
    power = kernels.Power(vector, first, norm, np.zeros(norm.size, dtype=np.int64), np.zeros(norm.size, dtype=np.int64))
    live = rounds.first()
    while live.size:
        product, _ = rounds.apply(live, power.vector)
        kernels.power_step(live, product, float(n), task.problem, power)
        live = rounds.following(live, power.status)
    return 1.5 * power.estimate / n


def _iterate(rounds: _Rounds, problem: kernels.Problem, lipschitz: _Real) -> kernels.State:
    """Run all targets to their end."""
    n_targets, n_slots = problem.xy.shape
    state = kernels.State(
        iterate=np.zeros((n_targets, n_slots)),
        gram_iterate=np.zeros((n_targets, n_slots)),
        momentum=np.zeros((n_targets, n_slots)),
        gram_momentum=np.zeros((n_targets, n_slots)),
        candidate=np.zeros((n_targets, n_slots)),
        intercepts=np.zeros((3, n_targets)),
        loss=np.zeros(n_targets),
        inertia=np.ones(n_targets),
        lipschitz=lipschitz,
        steps=np.zeros(n_targets, dtype=np.int64),
        status=np.zeros(n_targets, dtype=np.int64),
    )
    kernels.start(np.arange(n_targets), problem, state)
    live = rounds.first()
    while live.size:
        product, misfit = rounds.apply(live, state.candidate)
        kernels.advance(live, product, misfit, problem, state)
        live = rounds.following(live, state.status)
    return state
