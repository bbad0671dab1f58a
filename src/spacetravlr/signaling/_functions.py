r"""The few functions that the kernel along a short axis is made of.

`f(x) = k(x, z) P` with nodes z and `P` such that `P' k(z, z) P = 1`: the kernel `f(x) . f(y)` is the orthogonal
projection of k onto a few functions, here its leading eigenfunctions (Gauss-Legendre nodes, Nystrom 1930). What a
projection leaves over is again a kernel without negative eigenvalues, so no entry of the error exceeds the largest of
its diagonal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from spacetravlr.signaling._weights import Floats

_ROWS = 2048
_MAX_NODES = 256
_SMALLEST_EIGENVALUE = 1e-15


@dataclass(frozen=True)
class AxisFunctions:
    """Functions along one axis at the cells, by falling size, and the largest left-over of the diagonal."""

    functions: Floats
    sizes: Floats
    remainder: float

    @classmethod
    def complete(cls, positions: Floats, enough: float) -> AxisFunctions | None:
        """Return all functions for positions in sigmas, or None if the axis is too long to leave over so little."""
        length = max(float(positions.max()), 1e-9)
        count = enough_nodes(length, enough)
        while count <= _MAX_NODES:
            found = cls._from_nodes(positions, length, count)
            if found.remainder <= enough:
                return found
            count += 8
        return None

    @classmethod
    def build(cls, positions: Floats, enough: float) -> AxisFunctions | None:
        """Return the fewest of these functions that leave over no more than `enough`."""
        found = cls.complete(positions, 0.25 * enough)
        if found is None:
            return None
        left_over = found.remainder + np.cumsum(found.sizes[::-1])
        dropped = min(int(np.searchsorted(left_over, enough, side="right")), len(found.sizes) - 1)
        kept = len(found.sizes) - dropped
        remainder = float(left_over[dropped - 1]) if dropped else found.remainder
        return cls(np.ascontiguousarray(found.functions[:, :kept]), found.sizes[:kept], remainder)

    @classmethod
    def _from_nodes(cls, positions: Floats, length: float, count: int) -> AxisFunctions:
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


def enough_nodes(length: float, enough: float) -> int:
    """Return about how many nodes an axis of this length (sigmas) needs to leave over so little."""
    band: float = math.sqrt(-2.0 * math.log(enough))
    return math.ceil(length * band / math.pi + 0.6 * math.pow(band, 1.5)) + 2
