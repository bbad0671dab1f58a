"""Sums over the neighbourhood of every cell, tile by tile; never a matrix of cells times cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spacetravlr._simulate.fields import Array

Kernel = Literal["exponential", "gaussian"]

_TILE = 256
_CACHE_BYTES = 64 * 2**20


class NeighbourSum:
    """The operator ``out_i = sum_j weight(d_ij) values_j`` over all cells j (i included) within a cut-off.

    Cells are split into compact tiles of at most 256; the weights of a tile against its surroundings are one dense
    block. Blocks are kept as long as they fit into 64 MiB and computed anew otherwise.

    Parameters
    ----------
    xy
        (n_cells, 2).
    weight
        Weight as a function of distance.
    cutoff
        Cells further away than this do not count.
    """

    def __init__(self, xy: Array, weight: Callable[[Array], Array], *, cutoff: float) -> None:
        self._xy = np.ascontiguousarray(xy, dtype=np.float64)
        self._weight = weight
        self._cutoff = cutoff
        self._tiles = tuple(self._surroundings())
        self._kept: dict[int, Array] = {}
        self._room = _CACHE_BYTES

    def _surroundings(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        from scipy.spatial import cKDTree

        tree = cKDTree(self._xy)
        for cells in compact_tiles(self._xy, _TILE):
            here = self._xy[cells]
            centre = here.mean(axis=0)
            reach = float(np.sqrt(((here - centre) ** 2).sum(axis=1)).max()) + self._cutoff
            around = tree.query_ball_point(centre, reach * (1.0 + 1e-12), return_sorted=True)
            yield cells, np.asarray(around, dtype=np.int64)

    def _block(self, number: int) -> Array:
        kept = self._kept.get(number)
        if kept is not None:
            return kept
        cells, around = self._tiles[number]
        distance = np.subtract.outer(self._xy[cells, 0], self._xy[around, 0]) ** 2
        distance += np.subtract.outer(self._xy[cells, 1], self._xy[around, 1]) ** 2
        np.sqrt(distance, out=distance)
        block = self._weight(distance)
        block[distance > self._cutoff] = 0.0
        if block.nbytes <= self._room:
            self._room -= block.nbytes
            self._kept[number] = block
        return block

    def apply(self, values: Array) -> Array:
        """Return the sums for the columns of (n_cells, k) values; cost cells times neighbours times k."""
        out = np.empty_like(values, dtype=np.float64)
        for number, (cells, around) in enumerate(self._tiles):
            out[cells] = self._block(number) @ values[around]
        return out


def compact_tiles(xy: Array, size: int) -> Iterator[NDArray[np.int64]]:
    """Split points into compact groups of at most `size` by halving the longer side again and again."""
    waiting = [np.arange(len(xy), dtype=np.int64)]
    while waiting:
        cells = waiting.pop()
        if len(cells) <= size:
            yield cells
            continue
        here = xy[cells]
        axis = int(np.argmax(here.max(axis=0) - here.min(axis=0)))
        order = cells[np.argsort(here[:, axis], kind="stable")]
        half = len(order) // 2
        waiting += [order[half:], order[:half]]


def ligand_reach(xy: Array, radius: float, kernel: Kernel, *, density: float) -> NeighbourSum:
    """Return how far ligands travel in the simulated tissue.

    The kernels are matched in mean travelled distance: a Gaussian of standard deviation r carries a molecule
    r sqrt(pi / 2) far on average in the plane, an exponential of scale s carries it 2 s.

    Parameters
    ----------
    xy
        (n_cells, 2).
    radius
        Standard deviation of the (matched) Gaussian, coordinate units.
    kernel
        Shape of the decay.
    density
        Cells per square unit; the sums are divided by what a uniform tissue of this density would give, so that the
        received amount has expression units.

    Returns
    -------
    The operator; weights below 0.3 % of the largest are cut off, which takes 2 % of the sum and 5 % of the distance.
    """
    if kernel == "gaussian":
        mass = 2.0 * np.pi * radius**2 * density
        return NeighbourSum(xy, lambda d: np.exp(d**2 / (-2.0 * radius**2)) / mass, cutoff=3.5 * radius)
    scale = radius * np.sqrt(np.pi / 2.0) / 2.0
    mass = 2.0 * np.pi * scale**2 * density
    return NeighbourSum(xy, lambda d: np.exp(d / -scale) / mass, cutoff=6.0 * scale)


def gaussian_mean(xy: Array, radius: float) -> NeighbourSum:
    """Return the received ligand as the model under test defines it: (1/n) sum of exp(-d^2 / 2 r^2) values."""
    n_cells = len(xy)
    return NeighbourSum(xy, lambda d: np.exp(d**2 / (-2.0 * radius**2)) / n_cells, cutoff=6.0 * radius)
