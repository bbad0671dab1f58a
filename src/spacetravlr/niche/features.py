"""What a cell's neighbourhood consists of, as numbers: counts, densities, received ligands, position."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from spacetravlr.niche.maps import MapGrid, MapStyle, spatial_maps
from spacetravlr.signaling import SignalField
from spacetravlr.threads import one_blas_thread

if TYPE_CHECKING:
    from numpy.typing import NDArray

DENSITY_RADII = (0.25, 0.5, 1.0)
"""Reach of the densities of cell types, in radii of the ligands."""
RECEIVED_COMPONENTS = 8
POSITION_ORDER = 4
"""Half waves across the tissue of the finest function of the position."""


def neighbour_counts(
    xy: NDArray[np.float64],
    codes: NDArray[np.integer],
    radius: float,
    *,
    n_clusters: int,
    samples: NDArray[np.integer] | None = None,
) -> NDArray[np.float64]:
    """Count the cells of every cluster around every cell.

    Parameters
    ----------
    xy
        (n_cells, 2), coordinate units.
    codes
        (n_cells,) cluster of every cell.
    radius
        How far a neighbour may be; one at exactly this distance counts.
    n_clusters
        Number of columns.
    samples
        (n_cells,) piece of tissue of every cell, whose cells alone are its neighbours; None is one piece.

    Returns
    -------
    (n_cells, n_clusters), the cell itself included; 0 for a cell without a position, which no other cell counts. Cost:
    cells times neighbours, no list of neighbours is held.
    """
    from scipy.spatial import cKDTree

    counts = np.zeros((len(xy), n_clusters))
    located = np.flatnonzero(np.isfinite(xy).all(axis=1))
    # the square of the radius may round below the square of an equal distance
    reach = float(np.nextafter(radius, np.inf))
    for piece in pieces(located, samples):
        for code in range(n_clusters):
            members = piece[codes[piece] == code]
            if len(members):
                tree = cKDTree(xy[members])
                counts[piece, code] = tree.query_ball_point(xy[piece], reach, return_length=True)
    return counts


def pieces(cells: NDArray[np.int64], samples: NDArray[np.integer] | None) -> list[NDArray[np.int64]]:
    """Return cells by the piece of tissue they are of; all together where there is one piece."""
    if samples is None:
        return [cells]
    return [cells[samples[cells] == code] for code in np.unique(samples[cells])]


@dataclass(frozen=True)
class Scaling:
    """Brings columns to 0..1: (value - low) / span.

    Attributes
    ----------
    low, span
        (k,); the span of a constant column is 1.
    """

    low: NDArray[np.float64]
    span: NDArray[np.float64]

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Self:
        """Take lowest and highest value of the columns of (n, k) values."""
        low, span = values.min(axis=0), np.ptp(values, axis=0)
        return cls(low, np.where(span > 0.0, span, 1.0))

    def apply(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return scaled values, (n, k)."""
        return np.asarray((values - self.low) / self.span)


@dataclass(frozen=True)
class NicheInputs:
    """What every network of a tissue reads; the same for all targets.

    Attributes
    ----------
    xy
        (n_cells, 2), coordinate units.
    counts
        (n_cells, n_clusters), from `neighbour_counts`, unscaled.
    scaling
        Brings the counts to 0..1, over all cells.
    grid
        Pixels of the maps.
    style
        Form of the maps.
    """

    xy: NDArray[np.float64]
    counts: NDArray[np.float64]
    scaling: Scaling
    grid: MapGrid
    style: MapStyle = "readme"

    @classmethod
    def build(
        cls,
        xy: NDArray[np.float64],
        codes: NDArray[np.integer],
        *,
        n_clusters: int,
        side: int,
        radius: float,
        style: MapStyle = "readme",
        samples: NDArray[np.integer] | None = None,
    ) -> Self:
        """Count the neighbours and lay the grid.

        Parameters
        ----------
        xy, codes
            Positions and clusters of all cells.
        n_clusters
            Clusters of the tissue, also those without cells.
        side
            Pixels along a side of a map (`[spatial].spatial_dim`).
        radius
            Of the counts (`[cnn].spatial_feature_radius`), coordinate units.
        style
            Form of the maps.
        samples
            As for `neighbour_counts`.
        """
        counts = neighbour_counts(xy, codes, radius, n_clusters=n_clusters, samples=samples)
        return cls(xy, counts, Scaling.of(counts), MapGrid.over(xy, side), style)

    def maps(self, cells: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the maps of a batch of cells, (n, 1, side, side)."""
        return spatial_maps(self.grid, self.xy[cells], style=self.style)[:, None]


def niche_table(
    xy: NDArray[np.float64],
    codes: NDArray[np.integer],
    *,
    n_clusters: int,
    radius: float,
    received: NDArray[np.floating] | None = None,
    position: bool = True,
    samples: NDArray[np.integer] | None = None,
) -> NDArray[np.float32]:
    """Describe the neighbourhood of every cell for the shared encoder.

    Three kinds of columns: the density of every cluster (Gaussian, a quarter, a half and one radius); the first
    principal components of the received ligands; and products of cosines of the two coordinates, which say where the
    cell lies as a map does, at a thousandth of the cost.

    Parameters
    ----------
    xy, codes
        Positions and clusters of all cells.
    n_clusters
        Clusters of the tissue.
    radius
        Reach of the ligands (`[spatial].radius`), coordinate units.
    received
        (n_cells, n_ligands) received ligands, expression units; None leaves them out.
    position
        Whether the cell's own position is described.
    samples
        As for `neighbour_counts`; where a cell lies is described within its piece.

    Returns
    -------
    (n_cells, k); zero for cells without a position.
    """
    located = np.asarray(np.isfinite(xy).all(axis=1))
    present = np.zeros((len(xy), n_clusters))
    present[np.flatnonzero(located), codes[located]] = 1.0
    columns = [SignalField(xy, factor * radius, samples=samples).apply(present) * len(xy) for factor in DENSITY_RADII]
    if received is not None and received.shape[1]:
        columns.append(principal_components(np.asarray(received, dtype=np.float64), RECEIVED_COMPONENTS))
    if position:
        columns.append(_waves(xy, pieces(np.flatnonzero(located), samples)))
    table = np.hstack(columns).astype(np.float32)
    table[~located] = 0.0
    return table


def principal_components(values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return the first principal components of standardised columns, (n, at most count), mean 0 and sd 1.

    The sign is that which makes the largest loading positive, so that it does not depend on the linear algebra library.
    """
    centred = values - values.mean(axis=0)
    sd = centred.std(axis=0)
    centred /= np.where(sd > 0.0, sd, 1.0)
    with one_blas_thread():
        size, vectors = np.linalg.eigh(centred.T @ centred / max(len(values), 1))
    keep = np.flatnonzero(size > 1e-9 * max(size[-1], 1e-300))[::-1][:count]
    chosen = vectors[:, keep]
    chosen = chosen * np.sign(chosen[np.abs(chosen).argmax(axis=0), np.arange(len(keep))])
    with one_blas_thread():
        return np.asarray(centred @ chosen / np.sqrt(size[keep]))


def _waves(xy: NDArray[np.float64], parts: list[NDArray[np.int64]]) -> NDArray[np.float64]:
    """Return products of cosines of at most `POSITION_ORDER` half waves together, across each piece of tissue."""
    orders = [(i, j) for i in range(POSITION_ORDER + 1) for j in range(POSITION_ORDER + 1 - i) if i + j]
    out = np.zeros((len(xy), len(orders)))
    for cells in parts:
        if not len(cells):
            continue
        place = xy[cells]
        span = np.ptp(place, axis=0)
        unit = (place - place.min(axis=0)) / np.where(span > 0.0, span, 1.0)
        for column, (i, j) in enumerate(orders):
            out[cells, column] = np.cos(np.pi * i * unit[:, 0]) * np.cos(np.pi * j * unit[:, 1])
    return out
