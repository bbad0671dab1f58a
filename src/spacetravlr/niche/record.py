"""What became of a network, cluster by cluster."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class NicheRecord:
    """How the network of one target did in one cluster."""

    gene: str
    cluster: int
    n_cells: int
    kept: bool
    """Whether the exported coefficients are the network's; otherwise they are the regression's in every cell."""
    reason: str
    """Why, in words."""
    r2_lasso_out: float = math.nan
    """R2 of the cluster's coefficients on held-out regions. They were fitted on all cells, so this flatters them."""
    r2_cnn_out: float = math.nan
    """R2 of the network on the same cells, which its weights have not seen; it starts from the same coefficients. With
    the shared encoder it is that of the best ridge, chosen on these cells, which flatters it a little."""
    epochs: int = 0
    """Epochs done."""
    best_epoch: int = -1
    """The epoch whose weights were taken."""
    mse: tuple[float, ...] = ()
    """Mean squared error on the training cells in each epoch, squared expression units."""
    modulated: bool = True
    """False where only the intercept differs between the cells of the cluster."""


def r2_score(y: NDArray[np.floating], predicted: NDArray[np.floating]) -> float:
    """Return R2 of (n,) predictions; NaN where the response is constant."""
    total = float(((y - y.mean()) ** 2).sum()) if len(y) else 0.0
    return 1.0 - float(((y - predicted) ** 2).sum()) / total if total > 0.0 else math.nan
