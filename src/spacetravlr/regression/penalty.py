"""The penalty of a fit, in one unit everywhere: columns and response have standard deviation 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from spacetravlr.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

PenaltyName = Literal["enet", "lasso", "sgl"]

ENET_RIDGE = 0.1
"""Fixed ridge part of `enet`: keeps collinear pairs together at no cost in recovery."""

LAMBDAS = np.geomspace(0.3, 1e-3, 10)
"""Penalties tried by cross-validation, from strong to weak."""


@dataclass(frozen=True)
class Path:
    """A family of penalties with one strength lambda.

    `enet` is ``lambda ||w||_1 + (ridge/2) ||w||^2``, `lasso` the same without ridge, `sgl` the sparse group lasso
    ``lambda ||w||_1 + lambda sum_g sqrt(size_g) ||w_g||_2``.
    """

    name: PenaltyName = "enet"
    ridge: float | None = None
    lambdas: NDArray[np.float64] | None = None
    l1_factor: float = 1.0
    """L1 penalty per unit of lambda."""
    group_factor: float = 1.0
    """Group penalty before its factor sqrt(size), per unit of lambda (`sgl` only)."""

    def __post_init__(self) -> None:
        if self.name not in ("enet", "lasso", "sgl"):
            raise ConfigError(f"`penalty` (={self.name!r}) must be 'enet', 'lasso' or 'sgl'")
        if self.ridge is not None and not self.ridge >= 0.0:
            raise ConfigError(f"`ridge` (={self.ridge}) must be at least 0")
        if self.lambdas is not None and (np.size(self.lambdas) == 0 or not np.all(np.asarray(self.lambdas) > 0.0)):
            raise ConfigError("`lambdas` must be positive numbers")

    @classmethod
    def fixed(cls, *, l1: float, group: float, ridge: float = 0.0) -> Path:
        """Return the family of one member, the sparse group lasso at given penalties, with lambda = 1."""
        name: PenaltyName = "sgl" if group > 0.0 else "lasso"
        return cls(name, ridge=ridge, lambdas=np.ones(1), l1_factor=l1, group_factor=group)

    @property
    def grid(self) -> NDArray[np.float64]:
        """The strengths, from strong to weak."""
        return LAMBDAS if self.lambdas is None else np.sort(np.asarray(self.lambdas, dtype=np.float64))[::-1]

    @property
    def ridge_part(self) -> float:
        """The fixed ridge strength."""
        if self.ridge is not None:
            return self.ridge
        return ENET_RIDGE if self.name == "enet" else 0.0

    @property
    def grouped(self) -> bool:
        """Whether groups of columns are penalised."""
        return self.name == "sgl"


def objective(
    X: NDArray[np.float64],
    y: NDArray[np.float64],
    w: NDArray[np.float64],
    b: float,
    groups: NDArray[np.integer],
    *,
    l1: float,
    group: NDArray[np.float64],
    ridge: float = 0.0,
) -> float:
    """Return the penalised loss ``(1/2n) ||y - b - X w||^2 + sum_g group_g ||w_g|| + l1 ||w||_1 + (ridge/2) ||w||^2``.

    Parameters
    ----------
    X, y
        (n, p) and (n,), the units of the fit.
    w, b
        Coefficients (p,) and intercept.
    groups
        (p,) group of each column.
    l1, group, ridge
        Penalties; `group` has one strength per distinct group, in ascending order of its number.
    """
    residual = y - b - X @ w
    total = float(residual @ residual) / (2 * len(y)) + l1 * float(np.abs(w).sum()) + 0.5 * ridge * float(w @ w)
    for strength, label in zip(group, np.unique(groups), strict=True):
        total += float(strength * np.linalg.norm(w[groups == label]))
    return total
