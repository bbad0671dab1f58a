"""A simulated tissue as a file, its network as another, and a fingerprint of its content."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spacetravlr.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData

NETWORK_FILE = "mouse_network.parquet"


def write_network(adata: AnnData, directory: str | os.PathLike[str]) -> Path:
    """Write ``uns["network"]`` as a network file; see `spacetravlr.datasets.write_network`."""
    # not above: the run room loads the coefficients, and a simulation must owe nothing to the code it judges
    from spacetravlr.atomic import make_directory, replacing

    if "network" not in adata.uns:
        raise InputError("uns['network'] is missing: this AnnData is not a simulated tissue; use one of datasets")
    folder = Path(directory).expanduser()
    make_directory(folder)
    path = folder / NETWORK_FILE
    with replacing(path) as temporary:
        adata.uns["network"].to_parquet(temporary, index=False)
    return path


def write_tissue(adata: AnnData, path: str | os.PathLike[str]) -> Path:
    """Write a simulated tissue with its answer key; see `spacetravlr.datasets.write_tissue`."""
    from spacetravlr.atomic import make_directory
    from spacetravlr.preparation import write_ready

    _check_answers(adata, "this AnnData")
    target = Path(path).expanduser()
    make_directory(target.absolute().parent)
    write_ready(adata.copy(), target)
    return target


def read_tissue(path: str | os.PathLike[str]) -> AnnData:
    """Read what `write_tissue` wrote; see `spacetravlr.datasets.read_tissue`."""
    import anndata

    source = Path(path).expanduser()
    try:
        adata = anndata.read_h5ad(source)
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"cannot read {source} as h5ad: {error}") from error
    _check_answers(adata, str(source))
    for holder, name in ((adata.uns, "network"), (adata.uns["truth"], "edges")):
        holder[name] = holder[name].reset_index(drop=True)
    return adata


def _check_answers(adata: AnnData, what: str) -> None:
    truth: Any = adata.uns.get("truth")
    if truth is None or "network" not in adata.uns or "edges" not in truth:
        raise InputError(f"{what} has no answer key (uns['truth'] and uns['network']); simulate a tissue with datasets")
    for gene, change in truth.get("knock_outs", {}).items():
        if np.shape(change) != adata.shape:
            raise InputError(
                f"{what}: the answer to the knock-out of {gene} is of {np.shape(change)} cells and genes, "
                f"the tissue of {adata.shape}; keep the tissue whole, and take a part after reading"
            )


def content_hash(adata: AnnData) -> str:
    """Return the SHA-256 of names, X, layers, positions, cell types and network; see `datasets.content_hash`."""
    digest = hashlib.sha256()
    _add_text(digest, adata.obs_names)
    _add_text(digest, adata.var_names)
    # from anndata 0.13 on, X is among the layers, under the name None
    layers = sorted((name, values) for name, values in adata.layers.items() if name is not None)
    for name, values in (("X", adata.X), *layers, *sorted(adata.obsm.items())):
        dense = np.ascontiguousarray(values.toarray() if hasattr(values, "toarray") else values)
        _add_text(digest, [name, dense.dtype.newbyteorder("<").str, str(dense.shape)])
        digest.update(dense.astype(dense.dtype.newbyteorder("<"), copy=False).tobytes())
    if "cell_type" in adata.obs:
        _add_text(digest, adata.obs["cell_type"].astype(str))
    if "network" in adata.uns:
        network = adata.uns["network"]
        for column in sorted(network.columns):
            _add_text(digest, [column, *map(str, network[column])])
    return digest.hexdigest()


def _add_text(digest: Any, names: Iterable[str]) -> None:
    # length first, so that no two different lists give the same bytes
    for name in names:
        encoded = str(name).encode()
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    digest.update(b"\xff" * 8)
