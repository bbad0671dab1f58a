"""Tissues with a known answer.

`simulated_tissue` makes a tissue whose regulation, communication and knock-outs are known; `synth_v1` makes the larger,
simpler one on which training is timed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spacetravlr import _simulate
from spacetravlr._simulate import Kernel, PositionPattern, Settings

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["cell_effects", "content_hash", "knock_out_truth", "simulated_tissue", "synth_v1", "write_network"]


def simulated_tissue(
    n_cells: int = 2000,
    n_genes: int = 200,
    n_types: int = 5,
    seed: int = 0,
    *,
    radius: float = 200.0,
    false_prior: float = 0.5,
    kernel: Kernel = "exponential",
    knock_outs: Sequence[str] | None = None,
    position_effect: float = 0.0,
    position_pattern: PositionPattern = "density",
    tf_share: float = 0.41,
    lr_share: float = 0.20,
    tfl_share: float = 0.05,
    nuisance: float = 0.12,
    missing_prior: float = 0.0,
) -> AnnData:
    """Simulate a tissue section of which everything is known.

    Cells of several types lie in bands and blobs that mix, with varying density. 10 % of the genes are TFs, 20 %
    ligands, 20 % receptors, the rest targets. Every target and half of the others are regulated; the others vary on
    their own and have only false edges in the prior network. A regulated gene depends on 2 TFs, 3 ligand-receptor pairs
    and 2 ligand-TF pairs: a share of 41, 20 and 5 % of the variance of its input within a type by default; the rest is
    a spatial nuisance that all genes share, and noise. An edge is active in 80 % of the types, with a strength of its
    own in each, and negative with a chance of 30 %.

    The tissue does not follow the model that is fitted to it: TFs act by Hill curves, ligands by the occupancy of
    receptors, ligands travel by an exponential kernel, the output is a softplus, and feedback loops are brought to a
    steady state (last change below 1e-9). A knock-out is the same process with the same draws and one gene held at 0.

    Parameters
    ----------
    n_cells
        At least 10 per type; the area per cell is always 500 square micrometres.
    n_genes
        At least 10; mouse symbols, those of the starter network first.
    n_types
        Number of cell types.
    seed
        The same seed gives the same bits, whatever the number of threads.
    radius
        Reach of the ligands, micrometres: the radius of the Gaussian kernel that carries them as far on average.
    false_prior
        Share of the prior network that is false: of the TFs of a regulated gene, the ligand-receptor pairs and the
        ligand-TF rows; 0 to 0.9.
    kernel
        How ligands thin out with distance.
    knock_outs
        Genes whose true knock-out goes into the answer key; by default the two TFs, two ligands and the receptor whose
        edges have the largest effects.
    position_effect
        How much the strength of an edge depends on where the cell lies: 0, the same in all cells of a type, to 1, from
        next to nothing to double. The factor is ``1 + position_effect tanh(z)``, with z of mean 0 and sd 1 inside every
        type; which z acts is drawn for every edge.
    position_pattern
        What z is: the `density` of the cells of one of the types around the cell (Gaussian of half the radius), or one
        of as many smooth random fields (`field`, correlation length 250 micrometres).
    tf_share, lr_share, tfl_share
        Parts of the variance of a regulated gene's input, within a type, that TFs, ligand-receptor pairs and ligand-TF
        pairs explain. A kind with 0 has no true edges; with all three at 0 nothing regulates anything.
    nuisance
        Part of the variance of every gene that is a mixture of the same few smooth fields, 0 to 0.5.
    missing_prior
        Share of the true edges that the prior network lacks; they are in the answer key all the same.

    Returns
    -------
    AnnData with

    ``X`` and ``layers["imputed_count"]``
        expression, float64; ``layers["counts"]`` Poisson counts of it.
    ``obs``
        ``cell_type`` and the same as a code, ``cell_type_int``.
    ``var``
        ``role`` (TF, ligand, receptor, target) and ``regulated``.
    ``obsm["spatial"]``
        positions, micrometres.
    ``uns["network"]``
        the prior network, a table of source, target, edge_type, weight in random order.
    ``uns["truth"]``
        the answer key: ``version``, ``seed``, ``parameters``; ``edges``, a table of the true edges with columns target,
        modulator (``TF``, ``L$R`` or ``L#TF``), kind, cell_type, effect and effect_sd, a row for each type in which
        the edge is active; ``knock_outs``, gene -> (n_cells, n_genes) float32 true change. With a position effect also
        ``factors``, (n_cells, n_patterns) float32, and in ``edges`` the column pattern, the factor on the edge;
        `cell_effects` puts them together.

    ``effect`` is what a regression of the target on the modulator's column would find inside the type if nothing else
    moved, in expression units per unit of the column, with received ligands as the fitted model defines them (Gaussian
    kernel of that radius, divided by the number of cells). ``effect_sd`` is the same in standard deviations of both.

    Raises
    ------
    InputError
        If a value is out of range or a gene to knock out is not in the panel.

    Notes
    -----
    About a second for 2,000 cells and 200 genes, half a minute for 10,000 cells; the time grows with the number of
    cells times the number of neighbours in reach, and ``knock_outs=()`` saves half of it or more. No matrix of cells
    times cells is held: about 10 n_cells * n_genes * 8 bytes, and n_cells * n_genes * 4 for each knock-out.

    Examples
    --------
    >>> import spacetravlr as stl
    >>> adata = stl.datasets.simulated_tissue(n_cells=300, n_genes=50)
    >>> adata.uns["truth"]["edges"].columns.tolist()
    ['target', 'modulator', 'kind', 'cell_type', 'effect', 'effect_sd']
    """
    settings = Settings(
        n_cells=int(n_cells),
        n_genes=int(n_genes),
        n_types=int(n_types),
        seed=int(seed),
        radius=float(radius),
        false_prior=float(false_prior),
        kernel=kernel,
        position_effect=float(position_effect),
        position_pattern=position_pattern,
        tf_share=float(tf_share),
        lr_share=float(lr_share),
        tfl_share=float(tfl_share),
        nuisance=float(nuisance),
        missing_prior=float(missing_prior),
    )
    return _simulate.build(settings, knock_outs)


def knock_out_truth(adata: AnnData, gene: str) -> NDArray[np.float64]:
    """Return the true change of every gene in every cell of a simulated tissue when one gene is held at 0.

    The tissue is simulated again from ``uns["truth"]`` (parameters and seed), so this also works on a file that was
    written and read, and on a subset of its cells and genes. It takes about a second, less for the tissue that was
    simulated last.

    Parameters
    ----------
    adata
        From `simulated_tissue`, with its own names of cells and genes.
    gene
        Any gene of the simulated panel.

    Returns
    -------
    (n_cells, n_genes), expression units; exactly 0 for genes that are not downstream of the gene.

    Raises
    ------
    InputError
        If the answer key is missing or of another version, or a name does not belong to the tissue.
    """
    return _simulate.knock_out(adata, gene)


def cell_effects(adata: AnnData, target: str) -> pd.DataFrame:
    """Return the true effect of every edge of a target in every cell of a simulated tissue.

    Parameters
    ----------
    adata
        From `simulated_tissue`, with its own names of cells; a subset of its cells will do.
    target
        Any gene of the tissue.

    Returns
    -------
    Cells times true modulators (``TF``, ``L$R``, ``L#TF``), expression units per unit of the modulator's column: the
    ``effect`` of the cell's type (0 where the edge is not active) times the factor at the cell's position, if the
    tissue has a position effect.

    Raises
    ------
    InputError
        If the answer key is missing, or a name does not belong to the tissue.
    """
    return _simulate.cell_effects(adata, target)


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
    """
    return _simulate.write_network(adata, directory)


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
    """
    return _simulate.content_hash(adata)
