"""The course of a training: learning rate, early stop, who is trained on and who is held out."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LrSchedule = Literal["constant", "cosine"]


def learning_rate_factor(
    epoch: int, n_epochs: int, *, warmup: int = 0, schedule: LrSchedule = "cosine", floor: float = 0.01
) -> float:
    """Return the factor on the learning rate in an epoch.

    Parameters
    ----------
    epoch
        0 .. n_epochs - 1.
    n_epochs
        Length of the training.
    warmup
        Epochs over which the rate rises linearly.
    schedule
        What follows: `constant`, or half a `cosine` down to the floor.
    floor
        Factor in the last epoch.
    """
    if epoch < warmup:
        return (epoch + 1) / warmup
    if schedule == "constant":
        return 1.0
    phase = (epoch - warmup) / max(n_epochs - warmup - 1, 1)
    return floor + (1.0 - floor) * 0.5 * (1.0 + math.cos(math.pi * min(phase, 1.0)))


@dataclass
class EarlyStop:
    """Remembers the best epoch and tells when to give up.

    Attributes
    ----------
    patience
        Epochs without a new best after which training ends; 0 never ends it.
    at_least
        Epochs that are done in any case.
    """

    patience: int
    at_least: int = 0
    best: float = field(default=math.inf, init=False)
    best_epoch: int = field(default=-1, init=False)

    def is_best(self, epoch: int, loss: float) -> bool:
        """Take note of the loss of an epoch; a loss that is not finite is never the best."""
        if math.isfinite(loss) and loss < self.best:
            self.best, self.best_epoch = loss, epoch
            return True
        return False

    def is_over(self, epoch: int) -> bool:
        """Return whether training should end after this epoch."""
        return bool(self.patience and epoch + 1 >= self.at_least and epoch - self.best_epoch >= self.patience)


@dataclass(frozen=True)
class Split:
    """Cells of a cluster by their part in the training of a network, as positions in the cluster.

    Attributes
    ----------
    train
        Weights are fitted on them.
    stop
        The best epoch is chosen on them.
    test
        The network is compared with the regression on them.
    """

    train: NDArray[np.int64]
    stop: NDArray[np.int64]
    test: NDArray[np.int64]

    @classmethod
    def of_folds(cls, folds: NDArray[np.integer]) -> Split | None:
        """Hold out the two smallest folds of regions; None if there are fewer than three.

        Parameters
        ----------
        folds
            (n_cells,) fold of every cell of the cluster.
        """
        names, sizes = np.unique(folds, return_counts=True)
        if len(names) < 3:
            return None
        order = names[np.argsort(sizes, kind="stable")]
        held = (folds == order[0], folds == order[1])
        return cls(np.flatnonzero(~held[0] & ~held[1]), np.flatnonzero(held[0]), np.flatnonzero(held[1]))
