"""What every method of evaluating a signal field offers."""

from __future__ import annotations

from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

MethodName = Literal["exact", "grid", "neighbours", "spectral", "gridded"]
METHODS: tuple[MethodName, ...] = ("exact", "grid", "neighbours", "spectral", "gridded")
Reals = npt.NDArray[Any]
Parameters = dict[str, int | float | str]

# Cost figures are per cell and channel, for a call with this many channels, repeated this many times:
# fixed numbers, so that the method chosen depends on the coordinates alone.
NOMINAL_CHANNELS = 64
NOMINAL_CALLS = 4


class Plan(Protocol):
    """Everything about a sum over senders that depends on the coordinates only."""

    @property
    def method(self) -> MethodName:
        """Name of the method."""

    @property
    def error(self) -> float | None:
        """Bound on the error over the largest result, for values of one sign; 0 = exact, None = no bound."""

    @property
    def cost(self) -> float:
        """Estimated time, ns per cell and channel on one core."""

    def apply(self, values: Reals, *, factor: float = 1.0, dtype: npt.DTypeLike = np.float64) -> Reals:
        """Return factor * K @ values; values (n_cells, n_channels), floating and in C order, result likewise."""

    def parameters(self) -> Parameters:
        """Return the numbers chosen for these cells."""
