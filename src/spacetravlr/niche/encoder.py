"""The shared encoder: a few numbers that describe a cell's neighbourhood, learned from all targets of a cluster.

The factor on coefficient m of target t in cell i is modelled as ``1 + <w_tm, phi_i>`` with ``phi = T u``, where u is
the standardised table of the neighbourhood (`niche_table`). With weights ``w ~ N(0, I)`` this says that the factors
of all modulators of all targets are draws of one Gaussian process over neighbourhoods, whose covariance T is learned:
starting from the identity, the weights of a sample of targets are fitted, and T becomes the root of their second
moment, of which the largest directions are kept. What does not matter for any target is thereby switched off for
all of them, which no target alone could tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from spacetravlr.niche._ridge import Design, solve
from spacetravlr.niche.device import BatchSize, in_batches
from spacetravlr.threads import one_blas_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from spacetravlr.niche._stack import Stack

ALL = -1
"""Number of the encoder that was learned from all cells."""

_RIDGE = 2.0
_FLOOR = 0.02
_ITERATIONS = 15
SQUASH = 3.0


@dataclass(frozen=True)
class NicheEncoder:
    """What turns the table of a neighbourhood into a few numbers, in one cluster.

    Attributes
    ----------
    centre, scale
        (k,) of the columns of the table over the cells of the cluster.
    transforms
        For every fold the (k, d) map that was learned without it, and under `ALL` that of all cells.
    """

    centre: NDArray[np.float64]
    scale: NDArray[np.float64]
    transforms: dict[int, NDArray[np.float32]]

    def standardise(self, table: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return u, (n, k): mean 0, mean squared length about 1, far values drawn in."""
        u = (np.asarray(table, dtype=np.float64) - self.centre) / self.scale
        u = SQUASH * np.tanh(u / SQUASH) / np.sqrt(u.shape[1])
        return np.asarray(u, dtype=np.float32)

    def encode(self, table: NDArray[np.floating], fold: int = ALL) -> NDArray[np.float32]:
        """Return phi, (n, d)."""
        with one_blas_thread():
            return self.standardise(table) @ self.transforms[fold]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return everything as plain arrays, for an npz file."""
        folds = sorted(self.transforms)
        return {
            "centre": self.centre,
            "scale": self.scale,
            "folds": np.array(folds, dtype=np.int64),
            "transforms": np.stack([self.transforms[fold] for fold in folds]),
        }

    @classmethod
    def from_arrays(cls, arrays: Any) -> NicheEncoder:
        """Build from what `arrays` returned."""
        folds = [int(fold) for fold in arrays["folds"]]
        return cls(
            np.asarray(arrays["centre"]),
            np.asarray(arrays["scale"]),
            dict(zip(folds, arrays["transforms"], strict=True)),
        )


def learn_encoder(
    table: NDArray[np.floating],
    stacks: Callable[[], Iterable[Stack]],
    folds: NDArray[np.integer],
    *,
    size: int,
    rounds: int,
    device: torch.device,
) -> NicheEncoder:
    """Learn the encoder of a cluster, once for every held-out fold and once from all cells.

    Parameters
    ----------
    table
        (n_c, k) description of the neighbourhood of the cells of the cluster.
    stacks
        Lays out the targets to learn from, once a round; one stack at a time is in memory.
    folds
        (n_c,) fold of every cell.
    size
        Numbers kept, d (at most k).
    rounds
        How often weights and covariance are fitted in turn; 0 keeps the table as it is.
    device
        Where to compute.

    Returns
    -------
    The encoder.
    """
    raw = np.asarray(table, dtype=np.float64)
    sd = raw.std(axis=0)
    encoder = NicheEncoder(raw.mean(axis=0), np.where(sd > 0.0, sd, 1.0), {})
    u = torch.as_tensor(encoder.standardise(table), device=device)
    names = (*np.unique(folds).tolist(), ALL)
    learners = [_Learner(u, torch.as_tensor((folds != fold).astype(np.float32), device=device)) for fold in names]
    for _ in range(rounds):
        for stack in stacks():
            for learner in learners:
                learner.take_in(stack)
        for learner in learners:
            learner.turn(size)
    for fold, learner in zip(names, learners, strict=True):
        encoder.transforms[fold] = np.asarray(learner.transform.cpu().numpy())
    return encoder


class _Learner:
    """Learns the transform of a neighbourhood from the cells that count."""

    def __init__(self, u: torch.Tensor, counts: torch.Tensor) -> None:
        self.u, self.counts = u, counts
        self.transform = torch.eye(u.shape[1], device=u.device)
        self.moment = self._no_moment()

    def _no_moment(self) -> torch.Tensor:
        width = self.transform.shape[1]
        return torch.zeros(width, width, dtype=torch.float64)

    def take_in(self, stack: Stack) -> None:
        """Add the second moment of the weights of some targets."""
        psi = self.u * self.counts[:, None]
        phi = psi @ self.transform

        def work(part: NDArray[np.int64]) -> None:
            at = torch.as_tensor(part, device=self.u.device)
            residual = stack.residual[at] * self.counts
            ridge = torch.full((len(part),), _RIDGE, device=self.u.device)
            weights = solve(Design(stack.Z[at], phi, psi), residual, ridge=ridge, iterations=_ITERATIONS)
            flat = weights.W.reshape(-1, phi.shape[1])
            self.moment += (flat.T @ flat).cpu().double()

        in_batches(np.arange(len(stack)), BatchSize(len(stack), "target"), work)

    def turn(self, size: int) -> None:
        """Turn to the largest directions of the moment; where no target has a weight all stays as it is."""
        values, vectors = torch.linalg.eigh(self.moment)
        values, vectors = values.flip(0)[:size].clamp_min(0.0), vectors.flip(1)[:, :size]
        if float(values[0]) > 0.0:
            root = torch.sqrt(values / values.mean() + _FLOOR)
            transform = self.transform @ (vectors * root).float().to(self.u.device)
            length = (((self.u @ transform) ** 2).sum(dim=1) * self.counts).sum() / self.counts.sum()
            self.transform = transform / torch.sqrt(length)
        self.moment = self._no_moment()
