"""One sample that is open, with its run: all that the routes read from."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spacetravlr.betas import CellKeys
from spacetravlr.tissue import CELL_TYPE_NAMES
from spacetravlr.tissue.units import Scale, known_scale
from spacetravlr.viewer._coefficients import Coefficients
from spacetravlr.viewer._expression import Expression
from spacetravlr.viewer._h5ad import UMAP_KEYS, H5adFile
from spacetravlr.viewer._memory import ByteCache
from spacetravlr.viewer._obs import Labels, Numbers, as_labels, cluster_ids, read_column, sorted_labels
from spacetravlr.viewer._runtime import Runtime

if TYPE_CHECKING:
    from spacetravlr.prior import PriorNetwork
    from spacetravlr.run import Run
    from spacetravlr.signaling import SignalField

_LOG = logging.getLogger("spacetravlr")
_INTEGER_COLUMN = "cell_type_int"
ANNOTATED = "annotated_type"


@dataclass(eq=False)
class Dataset:
    """An open sample; it does not change, except that more of it is in memory.

    Attributes
    ----------
    id
        Changes with the data behind it.
    file, expression
        The h5ad file, and its layers by gene.
    layer, cluster_column
        What is shown unless another one is named.
    inputs
        The request that it was opened by.
    identity
        The id without names that clusters were given: it tells whether the files have changed (see `identity_now`).
    network
        The prior network restricted to the measured genes, or None.
    run, coefficients, runtime
        A trained run, its tables and its model, or None.
    notices
        What a person should know.
    annotation
        Names that clusters were given; None for the cell types of the file.
    memory
        Columns of obs and embeddings that are in memory.
    """

    id: str
    file: H5adFile
    expression: Expression
    layer: str
    cluster_column: str
    inputs: tuple[str, ...]
    memory: ByteCache[Any]
    identity: str
    network: PriorNetwork | None = None
    network_dir: str | None = None
    run: Run | None = None
    run_toml: Path | None = None
    coefficients: Coefficients | None = None
    runtime: Runtime | None = None
    notices: tuple[str, ...] = ()
    annotation: Labels | None = None

    @property
    def n_obs(self) -> int:
        """Number of cells."""
        return self.file.n_obs

    @property
    def genes(self) -> tuple[str, ...]:
        """Measured genes."""
        return self.file.genes

    @cached_property
    def _spatial(self) -> tuple[str, NDArray[np.float64]]:
        return self.file.spatial()

    @property
    def spatial_key(self) -> str:
        """Key of the positions in obsm."""
        return self._spatial[0]

    @property
    def xy(self) -> NDArray[np.float64]:
        """``(n_obs, 2)`` positions, NaN for a cell without one."""
        return self._spatial[1]

    @cached_property
    def umap_key(self) -> str | None:
        """Key of the UMAP in obsm, if there is a usable one."""
        known = {key for key, _ in self.embeddings.values()}
        return next((key for key in UMAP_KEYS if key in known), None)

    @cached_property
    def embeddings(self) -> dict[str, tuple[str, int]]:
        """Key and number of columns of each embedding that can be read, by name."""
        found = {}
        for name, (key, dims) in self.file.embeddings().items():
            try:
                if name != "spatial":
                    self._stored(key, dims)
            except (OSError, RuntimeError) as error:
                # nothing else needs it: the sample is shown without
                _LOG.warning("obsm[%r] cannot be read and is left out: %s", key, error)
            else:
                found[name] = key, dims
        return found

    def embedding(self, name: str) -> NDArray[np.float64]:
        """Return ``(n_obs, 2)`` or ``(n_obs, 3)`` positions of an embedding of `embeddings`."""
        if name == "spatial":
            return self.xy
        return self._stored(*self.embeddings[name])

    def _stored(self, key: str, dims: int) -> NDArray[np.float64]:
        def read() -> tuple[NDArray[np.float64], int]:
            values = self.file.embedding(key, dims)
            return values, values.nbytes

        found: NDArray[np.float64] = self.memory.take(("obsm", id(self.file), key), read)
        return found

    def obs(self, column: str) -> Labels | Numbers:
        """Return a column of obs.

        Raises
        ------
        InputError
            If it does not exist or cannot be read.
        """
        if column == ANNOTATED and self.annotation is not None:
            return self.annotation

        def read() -> tuple[Labels | Numbers, int]:
            found = read_column(self.file.obs(column))
            return found, 8 * self.n_obs

        found: Labels | Numbers = self.memory.take(("obs", id(self.file), column), read)
        return found

    @cached_property
    def clusters(self) -> tuple[NDArray[np.int64], dict[int, str]]:
        """``(n_obs,)`` cluster ids, and the name of each id."""
        return cluster_ids(self.obs(self.cluster_column))

    @cached_property
    def cluster_labels(self) -> Labels:
        """The clusters by the labels that tables of coefficients carry."""
        return as_labels(self.obs(self.cluster_column))

    def shown(self, column: str) -> Labels | Numbers:
        """Return a column of obs as it is coloured: clusters and samples by name, also where they are numbers."""
        if column == self.cluster_column:
            return self.cluster_labels
        return self.samples if column == self.sample_column and self.samples is not None else self.obs(column)

    @cached_property
    def cell_type_column(self) -> str | None:
        """Column of cell type names, if there is one."""
        if self.annotation is not None:
            return ANNOTATED
        columns = self.file.obs_columns
        exact = next((name for name in CELL_TYPE_NAMES if name in columns), None)
        return exact or next((name for name in columns if name.casefold() == "cell_type"), None)

    @cached_property
    def cell_types(self) -> Labels | None:
        """Cell types, names sorted by code point (those of `annotation` by cluster id), if there are any."""
        if self.annotation is not None:
            return self.annotation
        return None if self.cell_type_column is None else sorted_labels(self.obs(self.cell_type_column))

    @cached_property
    def scale(self) -> Scale | None:
        """How long a unit of the coordinates is, if the file tells."""
        handle = self.file.handle
        return known_scale(handle.get("uns", {}), handle.get("obs"), self.xy)

    @cached_property
    def placed(self) -> NDArray[np.bool_]:
        """``(n_obs,)`` cells that have a position."""
        return np.asarray(np.isfinite(self.xy).all(axis=1))

    @cached_property
    def tree(self) -> tuple[Any, NDArray[np.int64]]:
        """A tree of the cells that have a position, and their rows."""
        from scipy.spatial import cKDTree

        rows = np.flatnonzero(self.placed)
        return cKDTree(self.xy[rows]), rows

    @property
    def sample_column(self) -> str | None:
        """Column of obs that says in which piece of tissue a cell is, if the run is about several."""
        return None if self.run is None else self.run.config.data.sample

    @cached_property
    def samples(self) -> Labels | None:
        """The piece of tissue of each cell, if the run is about several: no signal passes between them."""
        return None if self.sample_column is None else as_labels(self.obs(self.sample_column))

    def tree_around(self, cell: int) -> tuple[Any, NDArray[np.int64]]:
        """Return a tree of the cells with a position in the same piece of tissue as a cell, and their rows."""
        if self.samples is None:
            return self.tree
        codes = self.samples.codes
        code = int(codes[cell])

        def make() -> tuple[tuple[Any, NDArray[np.int64]], int]:
            from scipy.spatial import cKDTree

            rows = np.flatnonzero(self.placed & (codes == code))
            return (cKDTree(self.xy[rows]), rows), 64 * len(rows)

        found: tuple[Any, NDArray[np.int64]] = self.memory.take(("tree", id(self.file), code), make)
        return found

    def field(self, radius: float) -> SignalField:
        """Return the operator of received ligands of the run (of 1 / n times the sum without a run)."""
        from spacetravlr.signaling import SignalField

        def make() -> tuple[SignalField, int]:
            options: dict[str, Any] = {}
            if self.run is not None:
                spatial = self.run.config.spatial
                options = {"kernel": spatial.kernel, "scale": spatial.weighted_ligand_scale_factor}
            if self.samples is not None:
                options["samples"] = np.asarray(self.samples.codes)
            return SignalField(self.xy, radius, tol=1e-4, **options), 64 * self.n_obs

        found: SignalField = self.memory.take(("field", id(self.file), radius), make)
        return found

    def close(self) -> None:
        """Let go of everything; a job that is still at work keeps what it holds."""
        if self.runtime is not None:
            self.runtime.cancel()
        self.expression.close()


def cell_keys(dataset: Callable[[], Dataset]) -> Callable[[], CellKeys]:
    """Return the maker of the keys by which cells find their rows (see `Tissue.row_keys`)."""

    def make() -> CellKeys:
        data = dataset()
        column = data.cluster_column
        keys = [_texts(data.cluster_labels)]
        if column.casefold() in CELL_TYPE_NAMES and _INTEGER_COLUMN in data.file.obs_columns:
            keys.insert(0, _texts(as_labels(data.obs(_INTEGER_COLUMN))))
        return CellKeys(tuple(keys), data.file.cells)

    return make


def _texts(labels: Labels) -> NDArray[np.object_]:
    names = np.array([*labels.categories, ""], dtype=object)
    return np.asarray(names[labels.codes], dtype=object)


def dataset_id(*parts: object) -> str:
    """Return the id of a dataset from what identifies its data."""
    return sha256(json.dumps(parts, default=str).encode()).hexdigest()[:16]
