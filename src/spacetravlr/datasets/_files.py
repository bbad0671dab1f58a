"""The tissue on which training is timed, and simulated tissues in files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from spacetravlr import _simulate

if TYPE_CHECKING:
    from anndata import AnnData


def synth_v1(
    n_cells: int = 2000,
    n_genes: int = 200,
    seed: int = 42,
    *,
    n_types: int = 5,
    radius: float = 200.0,
    jitter: float = 0.0,
    communication: bool = True,
) -> AnnData:
    """Build the tissue on which training is timed: recipe synth-v1.

    Cells on a 20 um grid in contiguous domains; 40 % TFs, 25 % ligands, 25 % receptors. Every gene has 8 TFs in the
    prior network, there are 1.25 ligand-receptor pairs for each gene, and 5 ligands for each TF: about 300 modulators a
    target at 200 genes. The log of the expression is linear in the standardised log of those of its TFs that come
    earlier in a random order (weight 0.6 / sqrt(number), 80 % positive), in the received ligand times the receptor
    of one pair (0.4, half of the genes), a domain effect, one smooth field (0.2) and noise (0.3).

    Parameters
    ----------
    n_cells
        At least 10 per domain.
    n_genes
        At least 10; mouse symbols, those of the starter network first.
    seed
        The same seed gives the same bits, whatever the number of threads.
    n_types
        Number of domains.
    radius
        Standard deviation of the Gaussian by which ligands are received, micrometres.
    jitter
        Standard deviation by which a cell is moved off the grid, micrometres.
    communication
        Whether pairs act at all.

    Returns
    -------
    AnnData as of `simulated_tissue`, in float32: ``layers["imputed_count"]`` is the expression, ``layers["counts"]``
    Poisson counts, ``X`` their log after normalisation. The answer key has edges (their effects are the same kind of
    local slope) but no knock-outs.

    Raises
    ------
    InputError
        If a value is out of range.

    Examples
    --------
    >>> adata = stl.datasets.synth_v1(n_cells=100, n_genes=20)
    >>> adata.shape, sorted(name for name in adata.layers if name)
    ((100, 20), ['counts', 'imputed_count'])
    """
    return _simulate.build_synth(
        int(n_cells),
        int(n_genes),
        int(seed),
        n_types=int(n_types),
        radius=float(radius),
        jitter=float(jitter),
        communication=bool(communication),
    )


def write_network(adata: AnnData, directory: str | os.PathLike[str]) -> Path:
    """Write the prior network of a simulated tissue as ``mouse_network.parquet``, where training looks for it.

    Parameters
    ----------
    adata
        From `simulated_tissue` or `synth_v1`.
    directory
        Made if it is not there; give it as ``network_data_dir``.

    Returns
    -------
    The file.

    Raises
    ------
    InputError
        If the AnnData has no network.
    RunDirectoryError
        If the file cannot be written.

    Examples
    --------
    >>> adata = stl.datasets.simulated_tissue(n_cells=100, n_genes=20, knock_outs=())
    >>> stl.datasets.write_network(adata, "network_of_20").name
    'mouse_network.parquet'
    >>> stl.PriorNetwork.load("mouse", "network_of_20").counts()
    {'grn': 57, 'lr': 4, 'nichenet': 12}
    """
    return _simulate.write_network(adata, directory)


def write_tissue(adata: AnnData, path: str | os.PathLike[str]) -> Path:
    """Write a simulated tissue as h5ad: data, prior network, answer key and answers to the knock-outs.

    Parameters
    ----------
    adata
        From `simulated_tissue` or `synth_v1`, whole; it is not changed.
    path
        The file; it appears complete or not at all, and its directory is made.

    Returns
    -------
    The file.

    Raises
    ------
    InputError
        If the AnnData has no answer key, or the answers are of other cells or genes.
    RunDirectoryError
        If the file cannot be written.

    Examples
    --------
    >>> adata = stl.datasets.simulated_tissue(n_cells=100, n_genes=20, knock_outs=())
    >>> stl.datasets.write_tissue(adata, "tissue.h5ad").name
    'tissue.h5ad'
    """
    return _simulate.write_tissue(adata, path)


def read_tissue(path: str | os.PathLike[str]) -> AnnData:
    """Read a simulated tissue from a file; `knock_out_truth` and `cell_effects` work on it as on the original.

    Parameters
    ----------
    path
        From `write_tissue`, or any h5ad of a simulated tissue.

    Returns
    -------
    The tissue.

    Raises
    ------
    InputError
        If the file cannot be read, or has no answer key, or one of other cells or genes.

    Examples
    --------
    >>> adata = stl.datasets.simulated_tissue(n_cells=100, n_genes=20, knock_outs=())
    >>> again = stl.datasets.read_tissue(stl.datasets.write_tissue(adata, "tissue.h5ad"))
    >>> stl.datasets.knock_out_truth(again, again.var_names[0]).shape
    (100, 20)
    """
    return _simulate.read_tissue(path)


def content_hash(adata: AnnData) -> str:
    """Return a fingerprint of the data a run is trained on, to state in a benchmark's result.

    Parameters
    ----------
    adata
        Any AnnData; a sparse matrix counts as its dense form.

    Returns
    -------
    SHA-256 (64 hexadecimal digits) of names, X, layers, obsm, cell types and network, the same after writing and
    reading a file.

    Examples
    --------
    >>> adata = stl.datasets.synth_v1(n_cells=100, n_genes=20)
    >>> stl.datasets.content_hash(adata) == stl.datasets.content_hash(adata.copy())
    True
    """
    return _simulate.content_hash(adata)
