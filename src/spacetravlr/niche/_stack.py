"""Targets of a cluster laid out for batched products."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STACK_BYTES = 64 * 2**20
_MOST_TARGETS = 64


@dataclass(frozen=True)
class ClusterTargets:
    """All targets of a cluster, or some of them.

    Attributes
    ----------
    genes
        Their names.
    columns
        (n_c, P) columns of the designs, each once, in the units of the coefficients.
    column_of
        For each target the (p_t,) positions of its modulators among the columns.
    anchors
        For each target its (p_t,) coefficients in this cluster.
    intercepts
        (T,).
    responses
        (n_c, T) expression of the targets.
    """

    genes: tuple[str, ...]
    columns: NDArray[np.floating]
    column_of: tuple[NDArray[np.int64], ...]
    anchors: tuple[NDArray[np.floating], ...]
    intercepts: NDArray[np.floating]
    responses: NDArray[np.floating]

    def __len__(self) -> int:
        """Return the number of targets."""
        return len(self.genes)

    def take(self, which: Sequence[int]) -> ClusterTargets:
        """Return some of the targets; the columns are shared."""
        at = np.asarray(which, dtype=np.int64)
        return ClusterTargets(
            tuple(self.genes[t] for t in at),
            self.columns,
            tuple(self.column_of[t] for t in at),
            tuple(self.anchors[t] for t in at),
            self.intercepts[at],
            self.responses[:, at],
        )


@dataclass(frozen=True)
class Stack:
    """Targets of similar size on the device, in standard deviations of the target.

    Attributes
    ----------
    targets
        Their positions among the targets of the cluster.
    active
        For each the positions of its coefficients that are not zero.
    Z
        (T, p, n_c) contributions ``a_m (x_m - mean) / sd(y)``, filled with zeros.
    residual
        (T, n_c) what the coefficients of the cluster leave, over sd(y).
    """

    targets: tuple[int, ...]
    active: tuple[NDArray[np.int64], ...]
    Z: torch.Tensor
    residual: torch.Tensor

    def __len__(self) -> int:
        """Return the number of targets."""
        return len(self.targets)


def stack_targets(data: ClusterTargets, *, device: torch.device, width: int) -> Iterator[Stack]:
    """Lay out the targets that have a coefficient and vary, those with as many coefficients together.

    Parameters
    ----------
    data
        The targets.
    device
        Where to.
    width
        Numbers per modulator that will be fitted, which decides how many targets fit into a stack.

    Yields
    ------
    Stacks of at most 64 targets and about 64 MB.
    """
    active = [np.flatnonzero(anchors) for anchors in data.anchors]
    sd = data.responses.std(axis=0)
    usable = [t for t in range(len(data)) if len(active[t]) and sd[t] > 0.0]
    usable.sort(key=lambda t: len(active[t]))
    n_cells = len(data.columns)
    while usable:
        longest = len(active[usable[-1]])
        room = max(1, int(_STACK_BYTES // (4 * n_cells * (longest + 3 * width))))
        count = min(room, _MOST_TARGETS)
        some, usable = usable[-count:], usable[:-count]
        yield _stack(data, some, active, sd, device)


def _stack(
    data: ClusterTargets,
    some: list[int],
    active: list[NDArray[np.int64]],
    sd: NDArray[np.floating],
    device: torch.device,
) -> Stack:
    n_cells = len(data.columns)
    Z = np.zeros((len(some), max(len(active[t]) for t in some), n_cells), dtype=np.float32)
    residual = np.empty((len(some), n_cells), dtype=np.float32)
    for row, t in enumerate(some):
        anchors = np.asarray(data.anchors[t], dtype=np.float64)[active[t]]
        X = np.asarray(data.columns[:, data.column_of[t][active[t]]], dtype=np.float64)
        centred = (X - X.mean(axis=0)) * anchors
        Z[row, : len(anchors)] = (centred / sd[t]).T
        fitted = data.intercepts[t] + X @ anchors
        residual[row] = (data.responses[:, t] - fitted) / sd[t]
    return Stack(
        tuple(some),
        tuple(active[t] for t in some),
        torch.as_tensor(Z, device=device),
        torch.as_tensor(residual, device=device),
    )
