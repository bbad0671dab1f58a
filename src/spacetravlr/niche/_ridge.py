"""Ridge regression of many targets at once on products of their columns and of numbers of the neighbourhood.

For target t and residual r the model is

    r_i = <v, psi_i> + sum_m z_im <w_m, phi_i> + noise

with psi and phi descriptions of the neighbourhood of cell i and z_m the contributions of the modulators. The design
of the second part has as many columns as modulators times numbers, but is never built: both products with it are
batched products of matrices. The normal equations are solved by conjugate gradients.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from spacetravlr.niche.device import in_double


@dataclass(frozen=True)
class Design:
    """Both parts of the model, for several targets; cells that do not count have z, phi and psi of zero.

    Attributes
    ----------
    Z
        (T, p, n) contributions of the modulators; targets with fewer than p of them are filled with zeros.
    phi
        (n, d) description that acts on the coefficients.
    psi
        (n, e) description that acts on the intercept.
    """

    Z: Tensor
    phi: Tensor
    psi: Tensor

    def forward(self, weights: Weights) -> Tensor:
        """Return the prediction, (T, n)."""
        return (torch.bmm(self.Z.transpose(1, 2), weights.W) * self.phi).sum(dim=2) + weights.v @ self.psi.T

    def adjoint(self, residual: Tensor) -> Weights:
        """Return the transpose of `forward` at a residual (T, n)."""
        return Weights(torch.bmm(self.Z, residual[:, :, None] * self.phi), residual @ self.psi)

    def zeros(self) -> Weights:
        """Return weights of zero."""
        n_targets, p, _ = self.Z.shape
        return Weights(
            self.Z.new_zeros(n_targets, p, self.phi.shape[1]), self.Z.new_zeros(n_targets, self.psi.shape[1])
        )


@dataclass(frozen=True)
class Weights:
    """Weights of several targets.

    Attributes
    ----------
    W
        (T, p, d) on the coefficients.
    v
        (T, e) on the intercept.
    """

    W: Tensor
    v: Tensor

    def plus(self, factor: Tensor, other: Weights) -> Weights:
        """Return self + factor * other, one factor (T,) for each target."""
        return Weights(self.W + factor[:, None, None] * other.W, self.v + factor[:, None] * other.v)

    def squares(self) -> Tensor:
        """Return the squared length, (T,)."""
        return (self.W**2).sum(dim=(1, 2)) + (self.v**2).sum(dim=1)


def solve(design: Design, residual: Tensor, *, ridge: Tensor, start: Weights | None = None, iterations: int) -> Weights:
    """Return the weights that minimise ``||residual - forward(w)||^2 + ridge ||w||^2``.

    Parameters
    ----------
    design
        Of the cells that count.
    residual
        (T, n); cells that do not count are zero.
    ridge
        (T,) positive.
    start
        Where to start from; None for zero.
    iterations
        Steps of conjugate gradients, always as many: the result does not hang on a stop criterion.
    """
    weights = design.zeros() if start is None else start
    left = design.adjoint(residual - design.forward(weights)).plus(-ridge, weights)
    direction, size = left, left.squares()
    for _ in range(iterations):
        ahead = design.forward(direction)
        curvature = (ahead**2).sum(dim=1) + ridge * direction.squares()
        # a target that is solved to the last bit stays where it is
        step = torch.where(curvature > 0.0, size / curvature.clamp_min(1e-30), 0.0)
        weights = weights.plus(step, direction)
        left = left.plus(-step, design.adjoint(ahead)).plus(-step * ridge, direction)
        new = left.squares()
        direction = left.plus(torch.where(size > 0.0, new / size.clamp_min(1e-30), 0.0), direction)
        size = new
    return weights


def intercept_only(psi: Tensor, residual: Tensor, ridge: float) -> Tensor:
    """Return weights (T, e) of the intercept alone: the exact solution, one for all targets."""
    gram = in_double(psi.T @ psi)
    gram.diagonal().add_(ridge)
    v: Tensor = torch.linalg.solve(gram, in_double(residual @ psi).T).T.to(residual)
    return v


def factors(phi: Tensor, W: Tensor, *, low: float, high: float) -> Tensor:
    """Return the factors on the coefficients, 1 + <w_m, phi_i> cut to [low, high]: (T, p, n)."""
    cut: Tensor = (1.0 + torch.matmul(W, phi.T)).clamp_(low, high)
    return cut
