r"""Low-rank factors of the kernel: for tissues that span few radii.

Along an axis, `f(x) = k(x, z) P` with nodes z and `P` such that `P' k(z, z) P = 1`: the kernel `f(x) . f(y)` is the
orthogonal projection of k onto a few functions, here its leading eigenfunctions (Gauss-Legendre nodes, Nystrom 1930).
The plane's kernel is projected onto the products `f_i(x) g_j(y)`, the largest of them. What a projection leaves over
is again a kernel without negative eigenvalues, so no entry of the error exceeds the largest of its diagonal,
`1 - sum f_i(x)^2 g_j(y)^2 <= sum over what is left out`, which is what the ranks are chosen by.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spacetravlr.signaling._bounds import spread_of_mass
from spacetravlr.signaling._plan import NOMINAL_CHANNELS, MethodName, Parameters
from spacetravlr.signaling._weights import Floats
from spacetravlr.threads import for_each_block

_ROWS = 2048
# cells whose sums are kept apart until the end, so that threads need not wait for each other
_PARTS = 16
_MAX_NODES = 256
_SMALLEST_EIGENVALUE = 1e-15
# ns: one feature and channel, forming one feature twice
_PRODUCT_COST = 0.08
_FEATURE_COST = 0.6
_CELL_COST = 2.0


@dataclass(frozen=True)
class Axis:
    """Functions along one axis at the cells, by falling size, and the largest left-over of the diagonal."""

    functions: Floats
    sizes: Floats
    remainder: float

    @classmethod
    def build(cls, positions: Floats, enough: float) -> Axis | None:
        """Return the functions for positions in sigmas, or None if the axis is too long to leave over so little."""
        length = max(float(positions.max()), 1e-3)
        count = _nodes(length, enough)
        while count <= _MAX_NODES:
            found = cls._from_nodes(positions, length, count)
            if found.remainder <= enough:
                return found
            count += 8
        return None

    @classmethod
    def _from_nodes(cls, positions: Floats, length: float, count: int) -> Axis:
        nodes, share = np.polynomial.legendre.leggauss(count)
        nodes = 0.5 * length * (nodes + 1.0)
        root = np.sqrt(share)
        matrix = np.exp(-0.5 * np.subtract.outer(nodes, nodes) ** 2) * np.outer(root, root)
        eigenvalues, vectors = np.linalg.eigh(matrix)
        kept = eigenvalues > _SMALLEST_EIGENVALUE * eigenvalues[-1]
        projection = root[:, None] * vectors[:, kept] / np.sqrt(eigenvalues[kept])
        functions = np.empty((len(positions), projection.shape[1]))
        for start in range(0, len(positions), _ROWS):
            cells = slice(start, start + _ROWS)
            np.matmul(np.exp(-0.5 * np.subtract.outer(positions[cells], nodes) ** 2), projection, out=functions[cells])
        sizes = (functions**2).max(axis=0)
        by_size = np.argsort(-sizes, kind="stable")
        remainder = float(np.abs(1.0 - (functions**2).sum(axis=1)).max())
        return cls(np.ascontiguousarray(functions[:, by_size]), sizes[by_size], remainder)


def _nodes(length: float, enough: float) -> int:
    band: float = math.sqrt(-2.0 * math.log(enough))
    return math.ceil(length * band / math.pi + 0.6 * math.pow(band, 1.5)) + 2


def guess_rank(u: Floats, v: Floats, tol: float) -> float:
    """Return about how many products a tissue of this size needs, without building anything."""
    each = (_nodes(float(axis.max()), 0.01 * tol) for axis in (u, v))
    return 0.5 * math.prod(each)


def spectral_cost(rank: float) -> float:
    """Estimated time, ns per cell and channel on one core."""
    return _CELL_COST + rank * (_PRODUCT_COST + _FEATURE_COST / NOMINAL_CHANNELS)


@dataclass(frozen=True)
class SpectralPlan:
    """Functions along both axes, and for each along x how many along y are multiplied with it."""

    x_functions: Floats
    y_functions: Floats
    lengths: npt.NDArray[np.int64]
    error: float

    @classmethod
    def build(cls, u: Floats, v: Floats, tol: float, other: float = 0.0) -> SpectralPlan | None:
        """Return the factors whose error is within a tolerance, or None if the tissue is too large for any.

        Positions start at 0, in sigmas. An entry of the kernel wrong by e makes a received value wrong by at most
        e times the sum of all values, which `spread_of_mass` relates to the largest received value. `other` errors
        are added to the bound.
        """
        if max(_nodes(float(axis.max()), tol) for axis in (u, v)) > _MAX_NODES:
            return None
        mass = spread_of_mass(u, v)
        allowed = tol / mass
        x_axis, y_axis = Axis.build(u, allowed / 8.0), Axis.build(v, allowed / 8.0)
        if x_axis is None or y_axis is None:
            return None
        products = np.outer(x_axis.sizes, y_axis.sizes)
        ascending = np.sort(products, axis=None)
        left_over = np.cumsum(ascending)
        axes = x_axis.remainder + y_axis.remainder
        dropped = int(np.searchsorted(left_over, allowed - axes, side="right"))
        lengths = (products >= ascending[min(dropped, products.size - 1)]).sum(axis=1)
        lengths = lengths[lengths > 0]
        entry = axes + (float(left_over[dropped - 1]) if dropped else 0.0)
        return cls(
            x_axis.functions[:, : len(lengths)], y_axis.functions[:, : lengths.max()], lengths, mass * entry + other
        )

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
        x_functions, y_functions = self.x_functions[cells], self.y_functions[cells]
        products = np.empty((len(x_functions), self.rank))
        stop = 0
        for index, length in enumerate(self.lengths):
            start, stop = stop, stop + int(length)
            np.multiply(x_functions[:, index, None], y_functions[:, :length], out=products[:, start:stop])
        return products

    def apply(self, values: Floats) -> Floats:
        """Return K @ values."""
        n_cells = len(values)
        blocks = [slice(start, min(start + _ROWS, n_cells)) for start in range(0, n_cells, _ROWS)]
        parts = min(_PARTS, len(blocks))
        partial = np.zeros((parts, self.rank, values.shape[1]))
        received = np.empty_like(values)

        def collect(part: int) -> None:
            for cells in blocks[part::parts]:
                partial[part] += self._products(cells).T @ values[cells]

        def receive(block: int) -> None:
            cells = blocks[block]
            np.matmul(self._products(cells), moments, out=received[cells])

        for_each_block(collect, parts)
        moments = partial.sum(axis=0)
        for_each_block(receive, len(blocks))
        return received

    def parameters(self) -> Parameters:
        """Return the ranks."""
        return {
            "rank": self.rank,
            "rank_x": self.x_functions.shape[1],
            "rank_y": self.y_functions.shape[1],
        }
