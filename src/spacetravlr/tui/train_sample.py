"""The cells of a run for the picture of the tissue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacetravlr.run import RunDirectory


@dataclass(frozen=True, slots=True)
class Picture:
    """Cells in their places."""

    xy: NDArray[np.float64]
    """(n_cells, 2)."""
    codes: NDArray[np.int64]
    """(n_cells,) number of the cluster."""
    labels: tuple[str, ...]
    """Clusters."""
    names: Mapping[str, str]
    """Cell types of clusters that are numbers."""

    def by_cluster(self, scores: Mapping[str, float]) -> NDArray[np.float64]:
        """Return the score of each cell's cluster; NaN where there is none."""
        table = np.array([scores.get(label, np.nan) for label in self.labels] or [np.nan])
        return np.where(self.codes >= 0, table[self.codes], np.nan)


def read_picture(directory: RunDirectory) -> Picture:
    """Read the cells of a run from its sample.

    Parameters
    ----------
    directory
        The run.

    Raises
    ------
    SpaceTravLRError
        If the sample is not to be found or read.
    """
    from spacetravlr.run import Run

    tissue = Run.open(directory.path).tissue()
    return Picture(tissue.xy, tissue.clusters.codes, tissue.clusters.labels, tissue.cluster_cell_types)
