"""The nearest neighbours of every cell, the same on any number of threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST_EXACT = 50_000
"""Up to so many cells every pair is looked at: about 20 s on one core."""


def nearest_distances(points: NDArray[np.float32], n_nearest: int, seed: int) -> sparse.csr_matrix:
    """Return the distances of every point to its nearest others.

    Parameters
    ----------
    points
        (n, k) coordinates.
    n_nearest
        How many others, fewer than n.
    seed
        For the approximate search in large samples.

    Returns
    -------
    (n, n), `n_nearest` entries a row, ascending, without the point itself.

    Notes
    -----
    Exact up to 50,000 points, n^2 k operations; beyond by nearest neighbour descent (pynndescent), on one thread
    because its result depends on their number.
    """
    n = len(points)
    distances, indices = _exact(points, n_nearest) if n <= LARGEST_EXACT else _descent(points, n_nearest, seed)
    indptr = np.arange(0, n * n_nearest + 1, n_nearest, dtype=np.int64)
    return sparse.csr_matrix((distances.ravel().astype(np.float64), indices.ravel(), indptr), shape=(n, n))


class NearestTransformer:
    """The same as scanpy wants it, in place of what it would choose.

    Parameters
    ----------
    n_neighbors
        How many, the cell itself among them.
    seed
        As for `nearest_distances`.
    """

    def __init__(self, n_neighbors: int, seed: int) -> None:
        self._n_neighbors, self._seed = n_neighbors, seed

    def get_params(self, *, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 - the signature is scikit-learn's
        """Return the parameters by name."""
        return {"n_neighbors": self._n_neighbors}

    def fit_transform(self, points: NDArray[np.float32]) -> sparse.csr_matrix:
        """Return the distances."""
        return nearest_distances(np.asarray(points), self._n_neighbors - 1, self._seed)


def _exact(points: NDArray[np.float32], n_nearest: int) -> tuple[NDArray[Any], NDArray[Any]]:
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=n_nearest, algorithm="brute").fit(points.astype(np.float64))
    distances, indices = search.kneighbors()
    return distances, indices


def _descent(points: NDArray[np.float32], n_nearest: int, seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
    from pynndescent import NNDescent

    search = NNDescent(points, n_neighbors=n_nearest + 1, random_state=seed, n_jobs=1)
    indices, distances = search.neighbor_graph
    others = indices != np.arange(len(points))[:, None]
    # among copies of a cell it may not find itself: then the farthest goes
    others[others.all(axis=1), -1] = False
    shape = (len(points), n_nearest)
    return distances[others].reshape(shape), indices[others].reshape(shape)
