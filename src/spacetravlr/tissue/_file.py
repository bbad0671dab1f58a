"""The parts of an h5ad file that a tissue needs, read without touching its matrices."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacetravlr.errors import InputError, listing, nearest
from spacetravlr.tissue.elements import read_element

if TYPE_CHECKING:
    import h5py
    import pandas as pd
    from anndata import AnnData


IMPUTED = "imputed_count"
"""The layer that training reads unless another is named."""
MEASURED = "normalized_count"
"""Logarithms of normalised counts: what was measured, nothing imputed."""


@dataclass(frozen=True)
class SampleFile:
    """An open h5ad with its tables."""

    handle: h5py.File
    obs: pd.DataFrame
    genes: tuple[str, ...]

    def layer_node(self, layer: str) -> Any:
        """Return the stored matrix of a layer; `X` names the main one."""
        layers = self.handle.get("layers")
        names = list(layers.keys()) if layers is not None else []
        return pick_layer(layer, names, lambda name: layers[name], self.handle.get("X"), file=self.handle.filename)

    def obsm(self, key: str) -> Any:
        """Return one obsm entry in memory."""
        return read_element(self.handle["obsm"][key])

    def obsm_keys(self) -> list[str]:
        """Return the names of the obsm entries."""
        return list(self.handle["obsm"].keys()) if "obsm" in self.handle else []


def layer_names(adata: AnnData) -> list[str]:
    """Return the names of the layers; from anndata 0.13 on, X is among them, under the name None."""
    return [name for name in adata.layers if name is not None]


def pick_layer(layer: str, names: list[str], named: Any, main: Any, *, file: str | None = None) -> Any:
    """Return a layer by name, or raise with the names that exist and, for the imputed one, with how to make it."""
    if layer in {"", "X"}:
        if main is None:
            raise InputError(f"the file has no X matrix. Layers: {listing(names)}")
        return main
    if layer in names:
        return named(layer)
    close = nearest(layer, [*names, "X"])
    hint = f"; did you mean {close!r}?" if close else "; choose one with [data].layer, 'X' names the main matrix."
    if layer == IMPUTED and not close:
        how = f"spacetravlr prepare {shlex.quote(file)} -o ready.h5ad" if file else "spacetravlr.pp.prepare(adata)"
        hint = f"; make it: {how} (training with --prepare does both); or choose another with [data].layer."
    raise InputError(f"layer {layer!r} is not in the file{hint} Layers: {listing(names)}")


def open_sample(path: Path) -> SampleFile:
    """Open an h5ad file for reading.

    Raises
    ------
    InputError
        If it does not exist, is not HDF5, is damaged, or has no obs and var tables.
    """
    if path.is_dir():
        raise InputError(f"{path} is a directory; an .h5ad file is needed")
    handle = open_hdf5(path)
    if "obs" not in handle or "var" not in handle:
        raise InputError(f"{path} is HDF5 but not an h5ad: it has no obs and var tables")
    try:
        obs, var = read_element(handle["obs"]), read_element(handle["var"])
    except Exception as error:
        # readers raise many unrelated classes on damaged or foreign tables; all mean the same to the reader
        raise InputError(
            f"{path}: its obs or var table cannot be read ({type(error).__name__}); is the file complete?"
        ) from error
    obs.index = obs.index.astype(str)
    return SampleFile(handle, obs, tuple(var.index.astype(str)))


def open_hdf5(path: Path) -> h5py.File:
    """Open any HDF5 file for reading.

    Raises
    ------
    InputError
        If it does not exist, is not HDF5 or is damaged.
    """
    import h5py

    if not path.exists():
        raise InputError(f"no such file: {path}")
    try:
        return h5py.File(path, "r")
    except PermissionError as error:
        raise InputError(f"{path} cannot be read: permission denied") from error
    except OSError as error:
        reason = "damaged or incomplete (truncated copy or download?)" if has_signature(path) else "not an h5ad file"
        raise InputError(f"{path} is {reason}") from error


def has_signature(path: Path) -> bool:
    """Say whether a file begins as HDF5 files do."""
    with path.open("rb") as stream:
        return stream.read(8) == b"\x89HDF\r\n\x1a\n"
