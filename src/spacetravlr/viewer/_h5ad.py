"""An h5ad file read part by part: names, single columns of obs, embeddings, matrices."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spacetravlr.errors import InputError, did_you_mean, listing
from spacetravlr.tissue import ExpressionMatrix
from spacetravlr.tissue.coordinates import SPATIAL_KEYS, check_coordinates
from spacetravlr.viewer._elements import read_element, text_of

if TYPE_CHECKING:
    import h5py

UMAP_KEYS = ("X_umap", "umap")
_READ = ("obs", "var", "obsm", "layers", "X", "uns")
_MOST_LINKS = 50_000
_MOST_GENES = 10_000_000
"""A small file can claim any number of names, and reading them takes room."""


class H5adFile:
    """An open sample; nothing is read before it is asked for.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    InputError
        If it cannot be opened, is no h5ad, or leads to other files by links or storage.
    """

    def __init__(self, path: Path) -> None:
        import h5py

        self.path = path
        try:
            self.handle: h5py.File = h5py.File(path, "r")
        except OSError as error:
            raise InputError(f"{path.name} cannot be opened as an h5ad file") from error
        try:
            for name in ("obs", "var"):
                if not isinstance(self.handle.get(name, getlink=False), h5py.Group):
                    raise InputError(f"{path.name} is no h5ad file of today: it has no {name} table; save it again")
            _refuse_links(self.handle)
            if self._index_node("var").shape[0] > _MOST_GENES:
                raise InputError(f"{path.name} names more than {_MOST_GENES:,} genes: this is no sample")
            self.genes = tuple(str(name) for name in self._index("var"))
            self.n_obs = int(self._index_node("obs").shape[0])
        except (InputError, LookupError, AttributeError, OSError, RuntimeError, ValueError, MemoryError) as error:
            self.handle.close()
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path.name}: its tables cannot be read; is the file complete?") from error
        if not self.n_obs or not self.genes:
            self.handle.close()
            raise InputError(f"{path.name} is empty: {self.n_obs} cells x {len(self.genes)} genes")

    @cached_property
    def gene_index(self) -> dict[str, int]:
        """Column of each gene."""
        return {gene: column for column, gene in enumerate(self.genes)}

    @cached_property
    def cells(self) -> NDArray[np.object_]:
        """``(n_obs,)`` names of the cells."""
        return np.asarray(self._index("obs"), dtype=object)

    def cell(self, index: int) -> str:
        """Return the name of one cell."""
        value = self._index_node("obs")[index]
        return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)

    @cached_property
    def obs_columns(self) -> tuple[str, ...]:
        """Names of the columns of obs, in file order."""
        group = self.handle["obs"]
        order = [text_of(name) for name in np.atleast_1d(group.attrs.get("column-order", []))]
        return tuple(name for name in order if name in group)

    def obs(self, column: str) -> Any:
        """Return a column of obs as pandas or numpy holds it.

        Raises
        ------
        InputError
            If it does not exist or cannot be read.
        """
        if column not in self.obs_columns:
            hint = did_you_mean(column, self.obs_columns, ".")
            raise InputError(f"obs has no column {column!r}{hint} Columns: {listing(self.obs_columns, 25)}")
        try:
            found = read_element(self.handle["obs"][column])
        except Exception as error:  # readers raise whatever a damaged element makes them raise
            raise InputError(f"the column {column!r} of obs cannot be read") from error
        if np.shape(found) != (self.n_obs,):
            raise InputError(f"the column {column!r} of obs has not one value for each cell")
        return found

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers, `X` first if there is one."""
        group = self.handle.get("layers")
        return (*(("X",) if "X" in self.handle else ()), *(group.keys() if group is not None else ()))

    def matrix_node(self, layer: str) -> Any:
        """Return the stored matrix of a layer.

        Raises
        ------
        InputError
            If there is none.
        """
        if layer not in self.layers:
            hint = did_you_mean(layer, self.layers, ".")
            raise InputError(f"there is no layer {layer!r}{hint} Layers: {listing(self.layers)}")
        return self.handle["X"] if layer == "X" else self.handle["layers"][layer]

    def matrix(self, layer: str) -> ExpressionMatrix:
        """Return a layer; nothing is read yet.

        Raises
        ------
        InputError
            If there is none, or it is no numeric matrix of this shape.
        """
        return ExpressionMatrix.from_hdf5(self.matrix_node(layer), layer, (self.n_obs, len(self.genes)))

    def embeddings(self) -> dict[str, tuple[str, int]]:
        """Return key and number of columns of each plane or space to show, by plain name; `spatial` first, then umap.

        Tables of four and more columns (principal components) are no picture and are left out.
        """
        group = self.handle.get("obsm", {})
        keys = [key for key in (*SPATIAL_KEYS, *UMAP_KEYS, *group) if key in group]
        found: dict[str, tuple[str, int]] = {}
        for key in dict.fromkeys(keys):
            shape: tuple[int, ...] = tuple(getattr(group[key], "shape", ()))
            name = "spatial" if key in SPATIAL_KEYS else key.removeprefix("X_")
            if name in found or len(shape) != 2 or shape[0] != self.n_obs or group[key].dtype.kind not in "iuf":
                continue
            if 2 <= shape[1] <= 3 or (shape[1] > 3 and key in (*SPATIAL_KEYS, *UMAP_KEYS)):
                found[name] = key, min(shape[1], 3)
        return found

    def spatial(self) -> tuple[str, NDArray[np.float64]]:
        """Return key and ``(n_obs, 2)`` positions of the cells.

        Raises
        ------
        InputError
            If there are none that can be used.
        """
        group = self.handle.get("obsm", {})
        reasons = []
        for key in SPATIAL_KEYS:
            if key in group and hasattr(group[key], "shape"):
                try:
                    return key, check_coordinates(group[key][()], key, self.n_obs)
                except InputError as error:
                    reasons.append(error)
        if reasons:
            raise reasons[0]
        raise InputError(f"no coordinates: obsm has none of {', '.join(SPATIAL_KEYS)}. Keys: {listing(group)}")

    def embedding(self, key: str, columns: int = 2) -> NDArray[np.float64]:
        """Return ``(n_obs, columns)`` of an obsm entry."""
        return np.ascontiguousarray(self.handle["obsm"][key][:, :columns], dtype=np.float64)

    def close(self) -> None:
        """Close the file."""
        self.handle.close()

    def _index_node(self, table: str) -> Any:
        node = self.handle[table][text_of(self.handle[table].attrs.get("_index", "_index"))]
        # anndata 0.13 stores names as values and a mask, like all texts that may be missing
        return node if hasattr(node, "dtype") else node["values"]

    def _index(self, table: str) -> Any:
        return read_element(self._index_node(table))


def _refuse_links(handle: h5py.File) -> None:
    """Refuse a file whose parts lie in other files: reading them would lead out of the data roots."""
    import h5py

    for count, (name, link, group) in enumerate(_links(handle)):
        if count > _MOST_LINKS:
            raise InputError("the file has more parts than a sample needs")
        if isinstance(link, h5py.ExternalLink | h5py.SoftLink):
            raise InputError(f"the file has a link at {name!r}: such files are not opened; copy the data into it")
        if not isinstance(node := group[name.rpartition("/")[2]], h5py.Dataset):
            continue
        if node.external or node.is_virtual:
            raise InputError(f"the data of {name!r} lie in another file: such files are not opened; copy them into it")


def _links(handle: h5py.File) -> Iterator[tuple[str, Any, Any]]:
    import h5py

    waiting: list[tuple[str, Any]] = []
    for name in _READ:
        if name in handle.keys():  # noqa: SIM118 - `in handle` follows links
            link = handle.get(name, getlink=True)
            yield name, link, handle
            if isinstance(handle[name], h5py.Group):
                waiting.append((name, handle[name]))
    seen: set[Any] = set()
    while waiting:
        path, group = waiting.pop()
        if group.id in seen:
            continue
        seen.add(group.id)
        for key in group.keys():  # noqa: SIM118 - iterating a group gives names too, and means the same
            link = group.get(key, getlink=True)
            yield f"{path}/{key}", link, group
            if group.get(key, getclass=True) is h5py.Group:
                waiting.append((f"{path}/{key}", group[key]))
