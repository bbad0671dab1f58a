"""What the report tells of the sample; a run without its sample still has a report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from spacetravlr.config import RunConfig
from spacetravlr.errors import SpaceTravLRError
from spacetravlr.run import own_cells
from spacetravlr.tissue import Tissue
from spacetravlr.tissue.coordinates import SPATIAL_KEYS
from spacetravlr.tissue.elements import read_element
from spacetravlr.tissue.units import read_scale

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

_UMAP = ("X_umap", "umap")


@dataclass(frozen=True, eq=False, kw_only=True)
class Sample:
    """The sample of a run.

    Attributes
    ----------
    path
        The file; None if no file is known.
    shape
        Cells and genes of the whole file; None if it could not be read.
    tissue
        The cells of the run; None if it could not be read.
    obsm
        Names of the embeddings in the file.
    unit
        What the coordinates are counted in.
    truth
        The known edges of a simulated tissue, with the columns target, modulator, cell_type, effect; else None.
    trouble
        Why something is missing.
    """

    path: Path | None = None
    shape: tuple[int, int] | None = None
    tissue: Tissue | None = None
    obsm: tuple[str, ...] = ()
    unit: str = "units"
    truth: pd.DataFrame | None = None
    trouble: str = ""

    @property
    def spatial_key(self) -> str | None:
        """Name of the embedding with the positions."""
        return next((key for key in SPATIAL_KEYS if key in self.obsm), None)

    @property
    def has_umap(self) -> bool:
        """Whether there is a UMAP."""
        return any(key in self.obsm for key in _UMAP)

    def cluster_names(self, labels: list[str]) -> dict[str, str]:
        """Return labels with the cell type behind them, where both are known and differ."""
        known = {} if self.tissue is None else self.tissue.cluster_cell_types
        return {one: f"{one} {known[one]}" if known.get(one, one) != one else one for one in labels}


def read_sample(
    path: Path | None, root: Path, config: RunConfig, *, cluster_key: str | None, layer: str | None
) -> Sample:
    """Read what is told of a sample: names, positions, labels, no matrix.

    Parameters
    ----------
    path
        The file; None if none is known.
    root
        The run directory, whose cells are taken.
    config
        The configuration of the run.
    cluster_key, layer
        Instead of those of the configuration.
    """
    if path is None:
        return Sample(trouble="The file of the sample is not known.")
    try:
        tissue = Tissue.open(
            path,
            config.data.layer if layer is None else layer,
            cluster_key or config.data.cluster_annot,
            sample_key=config.data.sample,
        )
        shape = (tissue.n_cells, tissue.n_genes)
        own = own_cells(tissue, root, config.data.condition)
        obsm, truth = _embeddings(path), _truth(path)
    except (SpaceTravLRError, OSError) as error:
        return Sample(path=path, trouble=f"The sample could not be read: {error}")
    scale = read_scale(path, tissue.xy)
    known = scale is not None and scale.um_per_unit == 1.0
    return Sample(path=path, shape=shape, tissue=own, obsm=obsm, unit="µm" if known else "units", truth=truth)


def thinned(xy: NDArray[np.float64], most: int) -> NDArray[np.int64]:
    """Return rows of cells to draw: all that have a position, or evenly chosen ones of a large sample."""
    placed = np.flatnonzero(np.isfinite(xy).all(axis=1))
    if len(placed) <= most:
        return placed
    return np.sort(np.random.default_rng(0).choice(placed, most, replace=False))


def _embeddings(path: Path) -> tuple[str, ...]:
    with h5py.File(path, "r") as handle:
        return tuple(handle.get("obsm", {}))


def _truth(path: Path) -> pd.DataFrame | None:
    """Return the edges of an answer key, if there is one that can be read."""
    import pandas as pd

    with h5py.File(path, "r") as handle:
        if "uns/truth/edges" not in handle:
            return None
        try:
            edges = read_element(handle["uns/truth/edges"])
        except (KeyError, TypeError, ValueError):
            return None
    wanted = {"target", "modulator", "cell_type", "effect"}
    return edges if isinstance(edges, pd.DataFrame) and wanted <= set(edges.columns) else None
