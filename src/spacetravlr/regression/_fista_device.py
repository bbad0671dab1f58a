"""FISTA for a batch of targets on a torch device: the steps of `_fista_batch`, for all targets at the same time.

A vector has one entry per column of the catalogue, zero where a target does not use it, so that an iteration is one
product with the whole Gram matrix: a device does the idle multiplications sooner than it would gather the columns of
each target. Targets move in lockstep; one that doubles its Lipschitz constant, or has finished, stands still meanwhile.
Nothing is summed in an order left to chance, so a device gives the same bits again.

In float64 the iterates are those of the CPU but for rounding. A device that has only float32 takes the first Lipschitz
constants from the CPU, because the stop rule of the power iteration turns rounding into half a percent; a target may
then stop an iteration sooner or later than on the CPU, where the two differ by less than the stop tolerance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spacetravlr.regression._fista_batch import ROUND, Columns, Settings, Solution, Task
from spacetravlr.regression._fista_kernels import MAX_POWER_STEPS

if TYPE_CHECKING:
    from spacetravlr.device import Accelerator

_Real = NDArray[np.float64]
_Tensor = Any
"""torch.Tensor, which is only there where torch is."""
_MOST = 1024
"""Most targets at a time where they need not be the same in every batch."""


@dataclass(frozen=True)
class GramMoments:
    """Centred Gram matrix of the catalogue (P, P), and variances of the responses (targets,)."""

    gram: _Real
    y_var: _Real


@dataclass(frozen=True)
class RowMoments:
    """Centred columns (P, n) and responses (targets, n) of a cluster of few cells."""

    columns: _Real
    response: _Real


class _GramProduct:
    def __init__(self, moments: GramMoments, part: slice, xy: _Tensor, accelerator: Accelerator) -> None:
        dtype = _dtype(accelerator)
        self._gram = accelerator.kept(moments.gram, dtype)
        self._y_var = accelerator.tensor(_filled(moments.y_var[part], len(xy)), dtype)
        self._xy = xy

    def apply(self, vectors: _Tensor) -> tuple[_Tensor, _Tensor]:
        """Return Gram matrix times vectors (targets, P), and mean squared residuals (targets,)."""
        out = vectors @ self._gram
        misfit = self._y_var + (vectors * (out - 2.0 * self._xy)).sum(dim=1)
        return out, misfit.clamp(min=0.0)


class _RowProduct:
    def __init__(self, moments: RowMoments, part: slice, xy: _Tensor, accelerator: Accelerator) -> None:
        dtype = _dtype(accelerator)
        self._columns = accelerator.tensor(moments.columns, dtype)
        self._response = accelerator.tensor(_filled(moments.response[part], len(xy)), dtype)

    def apply(self, vectors: _Tensor) -> tuple[_Tensor, _Tensor]:
        """Return Gram matrix times vectors (targets, P), and mean squared residuals (targets,)."""
        fit = vectors @ self._columns
        out = fit @ self._columns.T / fit.shape[1]
        return out, (self._response - fit).square().mean(dim=1)


def solve_on_device(
    accelerator: Accelerator,
    moments: GramMoments | RowMoments,
    columns: Columns,
    *,
    xy: _Real,
    y_mean: _Real,
    n: int,
    settings: Settings,
    lipschitz: _Real | None = None,
) -> Solution:
    """Run FISTA for all targets on a device.

    Parameters
    ----------
    accelerator
        The device.
    moments
        What products are made from.
    columns, xy, y_mean, n, settings
        As for `solve`.
    lipschitz
        (targets,), first Lipschitz constants; by default from the power iteration, as in `solve`.

    Raises
    ------
    RuntimeError
        If the device fails.

    Notes
    -----
    Cost per round 2 rows P^2 operations for the product, or 4 rows P n, and some 40 operations on (rows, P) arrays;
    memory about 15 such arrays and the Gram matrix. `rows` is 72 where `columns.shared` is given, so that the bits of a
    target do not depend on who else is in the batch.
    """
    task = Task.pose(columns, np.arange(xy.shape[1]), xy=xy, y_mean=y_mean, settings=settings)
    fixed = columns.shared is not None
    parts = []
    for part, own in task.parts(ROUND if fixed else _MOST):
        count = len(own.listed)
        steps = _Steps(accelerator, moments, own, part, rows=ROUND if fixed else count, n_columns=xy.shape[1])
        if lipschitz is None:
            steps.start_lipschitz(own, n)
        else:
            steps.lipschitz = accelerator.tensor(_filled(lipschitz[part], steps.rows, 1.0), steps.dtype)
        parts.append(tuple(array[:count] for array in steps.run(own)))
    coef, *rest = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return Solution(task.layout.gather(coef), *rest)


def _dtype(accelerator: Accelerator) -> str:
    return "float64" if accelerator.double else "float32"


def _filled(array: NDArray[Any], rows: int, value: float = 0.0) -> NDArray[Any]:
    """Return an array with rows added at the end."""
    out = np.full((rows, *array.shape[1:]), value, dtype=array.dtype)
    out[: len(array)] = array
    return out


class _Steps:
    """The state of all targets of a part, (rows, P) or (rows,); see `State` of the CPU's kernels for the names."""

    def __init__(
        self,
        accelerator: Accelerator,
        moments: GramMoments | RowMoments,
        task: Task,
        part: slice,
        *,
        rows: int,
        n_columns: int,
    ) -> None:
        import torch

        problem, dtype = task.problem, _dtype(accelerator)
        self.rows, self.dtype, self._torch, self._accelerator = rows, dtype, torch, accelerator
        self._columns, self._count = n_columns, len(task.listed)
        self._l1, self._n_iter, self._tol = problem.l1_reg, problem.n_iter, problem.tol
        dead = problem.group_penalty.shape[1] - 1
        group = _filled(problem.group[:, :n_columns], rows, dead)
        self._group = accelerator.tensor(group)
        self._used = self._group != dead
        # one column per group, so that the sums over groups are a product: adding at indices has no fixed order
        self._member = accelerator.tensor(group[:, :, None] == np.arange(dead), dtype)
        self._penalty = accelerator.tensor(_filled(problem.group_penalty[:, :dead], rows), dtype)
        self._xy = accelerator.tensor(_filled(problem.xy[:, :n_columns], rows), dtype)
        self._y_mean = accelerator.tensor(_filled(problem.y_mean, rows), dtype)
        self._product: _GramProduct | _RowProduct
        if isinstance(moments, GramMoments):
            self._product = _GramProduct(moments, part, self._xy, accelerator)
        else:
            self._product = _RowProduct(moments, part, self._xy, accelerator)
        self.iterate = torch.zeros_like(self._xy)
        self.gram_iterate = torch.zeros_like(self._xy)
        self.momentum = torch.zeros_like(self._xy)
        self.gram_momentum = torch.zeros_like(self._xy)
        self.candidate = torch.zeros_like(self._xy)
        # of iterate, momentum point and candidate
        self.b_iterate = torch.zeros_like(self._y_mean)
        self.b_momentum = torch.zeros_like(self._y_mean)
        self.b_candidate = torch.zeros_like(self._y_mean)
        self.loss = torch.zeros_like(self._y_mean)
        self.inertia = torch.ones_like(self._y_mean)
        self.lipschitz = torch.ones_like(self._y_mean)
        self.steps = accelerator.tensor(np.zeros(rows, dtype=np.int64))
        self.running = accelerator.tensor(np.arange(rows) < self._count)
        self.converged = accelerator.tensor(np.zeros(rows, dtype=np.bool_))

    def start_lipschitz(self, task: Task, n: int) -> None:
        """Estimate the largest eigenvalue of the augmented X'X, as `power_step` of the kernels does."""
        torch = self._torch
        vector, first, norm = (
            self._accelerator.tensor(_filled(array, self.rows, fill), self.dtype)
            for array, fill in zip(task.start(), (0.0, 0.0, 1.0), strict=True)
        )
        vector, known, active = vector[:, : self._columns], norm, self.running
        for step in range(MAX_POWER_STEPS):
            raised = torch.where(self._used, self._product.apply(vector)[0], 0.0)
            length = n * (first.square() + raised.square().sum(dim=1)).sqrt()
            settled = (length - known).abs() < 5e-3 * torch.maximum(length, known)
            rises = length > known
            if step == 0:
                settled = torch.zeros_like(settled)
            moves = active & rises & ~settled
            scale = n / length
            known = torch.where(moves, length, known)
            first = torch.where(moves, first * scale, first)
            vector = torch.where(moves[:, None], raised * scale[:, None], vector)
            active = moves
            if not bool(active.any()):
                break
        self.lipschitz = torch.where(self.running, 1.5 * known / n, 1.0)

    def run(self, task: Task) -> tuple[NDArray[Any], ...]:
        """Run all targets to their end; return coefficients in slots, then the arrays of `Solution` in its order."""
        self.candidate, self.b_candidate = self._step()
        working = bool(self.running.any())
        while working:
            working = self._round()
        coef = np.zeros((self.rows, task.layout.n_slots))
        coef[:, : self._columns] = self.iterate.cpu().numpy()
        found = (self.b_iterate, self.steps, self.converged, self.lipschitz, 2.0 * self.loss)
        kinds = (np.float64, np.int64, np.bool_, np.float64, np.float64)
        return coef, *(tensor.cpu().numpy().astype(kind) for tensor, kind in zip(found, kinds, strict=True))

    def _step(self) -> tuple[_Tensor, _Tensor]:
        """Return the proximal gradient step from the momentum point, and its intercept."""
        torch = self._torch
        inverse = 1.0 / self.lipschitz
        moved = self.momentum - (self.gram_momentum - self._xy) * inverse[:, None]
        most = (self._l1 * inverse)[:, None]
        shrunk = moved - torch.maximum(torch.minimum(moved, most), -most)
        norm = torch.bmm(shrunk.square()[:, None, :], self._member)[:, 0, :].sqrt()
        factor = torch.where(norm == 0.0, 1.0, (1.0 - self._penalty * inverse[:, None] / norm).clamp(min=0.0))
        # the last, dead group is multiplied by zero
        factor = torch.nn.functional.pad(factor, (0, 1))
        base = self.b_momentum
        return shrunk * factor.gather(1, self._group), base - (base - self._y_mean) * inverse

    def _round(self) -> bool:
        """Accept or reject every candidate and compute the next; say whether a target is still running."""
        torch = self._torch
        product, misfit = self._product.apply(self.candidate)
        step, b_step = self.candidate - self.momentum, self.b_candidate - self.b_momentum
        curvature = b_step.square() + (step * (product - self.gram_momentum)).sum(dim=1)
        length = b_step.square() + step.square().sum(dim=1)
        too_long = self.running & (curvature > self.lipschitz * length)
        accepted = self.running & ~too_long
        self.lipschitz = torch.where(too_long, 2.0 * self.lipschitz, self.lipschitz)
        change = self._accept(accepted, product)
        off = self._y_mean - self.b_iterate
        self.loss = torch.where(accepted, 0.5 * (misfit + off.square()), self.loss)
        self.steps = self.steps + accepted
        ended = accepted & (change < self._tol)
        self.converged = self.converged | ended
        self.running = self.running & ~ended & ~(accepted & (self.steps >= self._n_iter))
        self.candidate, self.b_candidate = self._step()
        restart = accepted & self.running & self._overshoots()
        working, restarted = torch.stack([self.running.any(), restart.any()]).tolist()
        if restarted:
            self._restart(restart)
        return bool(working)

    def _accept(self, accepted: _Tensor, product: _Tensor) -> _Tensor:
        """Make accepted candidates the iterates, move the momentum points, return the relative changes."""
        torch, rows = self._torch, accepted[:, None]
        raised = 0.5 * (1.0 + (1.0 + 4.0 * self.inertia.square()).sqrt())
        weight = (self.inertia - 1.0) / raised
        step, b_step = self.candidate - self.iterate, self.b_candidate - self.b_iterate
        change = (b_step.square() + step.square().sum(dim=1)).sqrt()
        size = (self.b_candidate.square() + self.candidate.square().sum(dim=1)).sqrt()
        swing = weight[:, None]
        gram_moved = product + swing * (product - self.gram_iterate)
        self.momentum = torch.where(rows, self.candidate + swing * step, self.momentum)
        self.gram_momentum = torch.where(rows, gram_moved, self.gram_momentum)
        self.b_momentum = torch.where(accepted, self.b_candidate + weight * b_step, self.b_momentum)
        self.iterate = torch.where(rows, self.candidate, self.iterate)
        self.gram_iterate = torch.where(rows, product, self.gram_iterate)
        self.b_iterate = torch.where(accepted, self.b_candidate, self.b_iterate)
        self.inertia = torch.where(accepted, raised, self.inertia)
        return change / (size + 1e-16)

    def _overshoots(self) -> _Tensor:
        """Say whether <v - x', x' - x> exceeds the loss of the iterate."""
        inner = ((self.momentum - self.candidate) * (self.candidate - self.iterate)).sum(dim=1)
        inner = inner + (self.b_momentum - self.b_candidate) * (self.b_candidate - self.b_iterate)
        return inner > self.loss

    def _restart(self, restart: _Tensor) -> None:
        """Begin again at the iterates of some targets."""
        torch, rows = self._torch, restart[:, None]
        self.momentum = torch.where(rows, self.iterate, self.momentum)
        self.gram_momentum = torch.where(rows, self.gram_iterate, self.gram_momentum)
        self.b_momentum = torch.where(restart, self.b_iterate, self.b_momentum)
        self.inertia = torch.where(restart, 1.0, self.inertia)
        candidate, b_candidate = self._step()
        self.candidate = torch.where(rows, candidate, self.candidate)
        self.b_candidate = torch.where(restart, b_candidate, self.b_candidate)
