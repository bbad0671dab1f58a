"""The weight of a sender at a distance: the two kernels and the hard cut-off."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from spacetravlr.errors import InputError

KernelName = Literal["gaussian", "truncated"]
KERNELS: tuple[KernelName, ...] = ("gaussian", "truncated")
Floats = npt.NDArray[np.float64]

# exp(-d^2 / 2 sigma^2) is exactly zero in float64 beyond this many sigma
UNDERFLOW_REACH = 38.7
# the truncated kernel is this small where it is cut off
TRUNCATION_LEVEL = 1e-3


@dataclass(frozen=True, slots=True)
class Weights:
    """A Gaussian of standard deviation `sigma`, zero beyond `cutoff` (both in coordinate units)."""

    sigma: float
    cutoff: float

    @classmethod
    def make(cls, kernel: str, radius: float, cutoff: float | None) -> Weights:
        """Return the weights of a named kernel.

        `gaussian` has sigma = radius and no end; `truncated`, the kernel of the original Python package, has
        sigma = radius / sqrt(-2 ln 0.001) and is zero beyond the radius. A cut-off shortens either.

        Raises
        ------
        InputError
            If the kernel is unknown, or the radius or the cut-off is not a positive number.
        """
        if kernel not in KERNELS:
            raise InputError(f"`kernel` (={kernel!r}) must be one of {', '.join(KERNELS)}")
        if not (math.isfinite(radius) and radius > 0):
            raise InputError(f"`radius` (={radius!r}) must be a finite number above 0")
        if cutoff is not None and not cutoff > 0:
            raise InputError(f"`cutoff` (={cutoff!r}) must be above 0; leave it out for no cut-off")
        end = math.inf if cutoff is None else float(cutoff)
        if kernel == "gaussian":
            return cls(float(radius), end)
        return cls(radius / math.sqrt(-2.0 * math.log(TRUNCATION_LEVEL)), min(float(radius), end))

    @property
    def reach(self) -> float:
        """Distance beyond which every weight is exactly zero."""
        return min(self.cutoff, UNDERFLOW_REACH * self.sigma)

    def replace(self, squared: Floats) -> None:
        """Turn squared distances into weights, in place."""
        # compared as a distance: rounding of the square must not lose a cell that sits exactly at the cut-off
        outside = np.sqrt(squared) > self.cutoff if math.isfinite(self.cutoff) else None
        squared *= -0.5 / (self.sigma * self.sigma)
        np.exp(squared, out=squared)
        if outside is not None:
            squared[outside] = 0.0
