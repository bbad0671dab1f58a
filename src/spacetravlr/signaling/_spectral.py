r"""Low-rank factors of the kernel: for tissues that span few radii.

The kernel is projected onto products of the functions along its axes (see `_functions`), the largest of them. What a
projection leaves over is again a kernel without negative eigenvalues, so no entry of the error exceeds the largest of
its diagonal, `1 - sum f_i(x)^2 g_j(y)^2 <= sum over what is left out`, which is what the ranks are chosen by.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spacetravlr.signaling._bounds import spread_of_mass
from spacetravlr.signaling._functions import AxisFunctions, enough_nodes
from spacetravlr.signaling._plan import NOMINAL_CHANNELS, MethodName, Parameters, Reals
from spacetravlr.signaling._weights import Floats
from spacetravlr.threads import for_each_block

_ROWS = 2048
# cells whose sums are kept apart until the end, so that threads need not wait for each other
_PARTS = 16
# products of functions that are looked at
_MAX_PRODUCTS = 1 << 16
# ns: one feature and channel, forming one feature twice
_PRODUCT_COST = 0.08
_FEATURE_COST = 0.6
_CELL_COST = 2.0


def guess_rank(axes: tuple[Floats, ...], tol: float) -> float:
    """Return about how many products a tissue of this size needs, without building anything."""
    each = (enough_nodes(float(axis.max()), 0.01 * tol) for axis in axes)
    return math.prod(each) / math.factorial(len(axes))


def spectral_cost(rank: float) -> float:
    """Estimated time, ns per cell and channel on one core."""
    return _CELL_COST + rank * (_PRODUCT_COST + _FEATURE_COST / NOMINAL_CHANNELS)


@dataclass(frozen=True)
class SpectralPlan:
    """Functions along the axes, and which of their products are kept.

    `leading` (n_leading, axes - 1) are the functions multiplied for the leading axes, `lengths` (n_leading,) how many
    of the last axis are multiplied with each of these products.
    """

    functions: tuple[Floats, ...]
    leading: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    error: float

    @classmethod
    def build(cls, axes: tuple[Floats, ...], tol: float, other: float = 0.0) -> SpectralPlan | None:
        """Return the factors whose error is within a tolerance, or None if the tissue is too large for any.

        Positions start at 0, in sigmas. An entry of the kernel wrong by e makes a received value wrong by at most
        e times the sum of all values, which `spread_of_mass` relates to the largest received value. `other` errors
        are added to the bound.
        """
        if guess_rank(axes, tol) > _MAX_PRODUCTS:
            return None
        mass = spread_of_mass(*axes)
        allowed = tol / mass
        found = [AxisFunctions.complete(axis, allowed / (4.0 * len(axes))) for axis in axes]
        each = [axis for axis in found if axis is not None]
        if len(each) < len(axes) or math.prod(len(axis.sizes) for axis in each) > _MAX_PRODUCTS:
            return None
        products = functools.reduce(np.multiply.outer, [axis.sizes for axis in each])
        ascending = np.sort(products, axis=None)
        left_over = np.cumsum(ascending)
        remainder = sum(axis.remainder for axis in each)
        dropped = int(np.searchsorted(left_over, allowed - remainder, side="right"))
        lengths = (products >= ascending[min(dropped, products.size - 1)]).sum(axis=-1)
        leading = np.argwhere(lengths > 0)
        lengths = lengths[lengths > 0]
        entry = remainder + (float(left_over[dropped - 1]) if dropped else 0.0)
        kept = [*(leading.max(axis=0) + 1).tolist(), int(lengths.max())]
        functions = tuple(
            np.ascontiguousarray(axis.functions[:, :count]) for axis, count in zip(each, kept, strict=True)
        )
        return cls(functions, leading, lengths, mass * entry + other)

    @property
    def method(self) -> MethodName:
        """Name of the method."""
        return "spectral"

    @property
    def rank(self) -> int:
        """Number of products."""
        return int(self.lengths.sum())

    @property
    def cost(self) -> float:
        """Estimated time, ns per cell and channel on one core."""
        return spectral_cost(self.rank)

    def _products(self, cells: slice) -> Floats:
        """Return the products of some cells, (n, rank)."""
        *before, last = (functions[cells] for functions in self.functions)
        products = np.empty((len(last), self.rank))
        stop = 0
        for chosen, length in zip(self.leading, self.lengths, strict=True):
            start, stop = stop, stop + int(length)
            column = before[0][:, chosen[0], None]
            for functions, index in zip(before[1:], chosen[1:], strict=True):
                column = column * functions[:, index, None]
            np.multiply(column, last[:, :length], out=products[:, start:stop])
        return products

    def apply(self, values: Reals, *, factor: float = 1.0, dtype: npt.DTypeLike = np.float64) -> Reals:
        """Return factor * K @ values."""
        n_cells = len(values)
        blocks = [slice(start, min(start + _ROWS, n_cells)) for start in range(0, n_cells, _ROWS)]
        parts = min(_PARTS, len(blocks))
        partial = np.zeros((parts, self.rank, values.shape[1]))
        received = np.empty(values.shape, dtype)

        def collect(part: int) -> None:
            for cells in blocks[part::parts]:
                partial[part] += self._products(cells).T @ values[cells]

        def receive(block: int) -> None:
            cells = blocks[block]
            received[cells] = (self._products(cells) @ moments) * factor

        for_each_block(collect, parts)
        moments = partial.sum(axis=0)
        for_each_block(receive, len(blocks))
        return received

    def parameters(self) -> Parameters:
        """Return the ranks."""
        along = {f"rank_{name}": each.shape[1] for name, each in zip("xyz", self.functions, strict=False)}
        return {"rank": self.rank, **along}
