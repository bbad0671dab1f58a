"""The simulated tissue and what is true of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from spacetravlr import _simulate
from spacetravlr._simulate import Kernel, Measurement, PositionPattern, Settings

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray


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
    tf_correlation: float = 0.0,
    ligand_correlation: float = 0.0,
    depth: float = 3.0,
    depth_sd: float = 0.3,
    dropout: float = 0.0,
    measurement: Measurement = "exact",
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
        ligand-TF rows; 0 to 0.9. Of the ligand-TF rows at most 60 %, since the model takes no more than five ligands of
        a TF.
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
    tf_correlation, ligand_correlation
        How much TFs (ligands) vary together: the correlation, 0 to 0.9, between what any two of them do on their own.
        Half of the shared part is smooth in space, half is the cell's. Regulated ones correlate less, since what
        regulates them is not shared.
    depth, depth_sd
        Mean number of counts of a cell per gene, and the standard deviation of the logarithm of the library size.
    dropout
        Share of the entries of the counts that are 0 whatever the expression, little expressed ones first: an entry of
        expected count s is lost with probability K / (K + s).
    measurement
        What stands for the expression in ``layers["imputed_count"]``: itself (`exact`), or only what the counts tell,
        as logarithms scaled to the median library size (`counts`), also smoothed over similar cells as `pp.prepare`
        does it: means over 25 cells (`knn`) or two steps of diffusion on their graph (`diffusion`).

    Returns
    -------
    AnnData with

    ``X`` and ``layers["imputed_count"]``
        expression, float64; ``layers["counts"]`` Poisson counts of it. Under another measurement than `exact`, ``X`` is
        the expression still, ``imputed_count`` is not, and ``layers["normalized_count"]`` has the logarithms before
        smoothing; give ``response_layer="normalized_count"`` to training then.
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
        tf_correlation=float(tf_correlation),
        ligand_correlation=float(ligand_correlation),
        depth=float(depth),
        depth_sd=float(depth_sd),
        dropout=float(dropout),
        measurement=measurement,
    )
    return _simulate.build(settings, knock_outs)


def knock_out_truth(adata: AnnData, gene: str, *, cells: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
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
    cells
        (n_obs,) in which cells of `adata` it is held, for example those of a type or a region; by default in all cells
        of the tissue. Other cells keep the gene under the rule of its regulators, and feel what they receive.

    Returns
    -------
    (n_cells, n_genes), expression units; exactly 0 for genes that are not downstream of the gene.

    Raises
    ------
    InputError
        If the answer key is missing or of another version, a name does not belong to the tissue, or `cells` has not one
        entry per cell.

    Examples
    --------
    >>> import spacetravlr as stl
    >>> adata = stl.datasets.simulated_tissue(n_cells=300, n_genes=50)
    >>> ligand = adata.var_names[adata.var["role"] == "ligand"][0]
    >>> some = (adata.obs["cell_type"] == adata.obs["cell_type"].iloc[0]).to_numpy()
    >>> stl.datasets.knock_out_truth(adata, ligand, cells=some).shape
    (300, 50)
    """
    return _simulate.knock_out(adata, gene, cells)


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

    Examples
    --------
    >>> adata = stl.datasets.simulated_tissue(n_cells=300, n_genes=50, position_effect=0.5, knock_outs=())
    >>> target = adata.uns["truth"]["edges"]["target"].iloc[0]
    >>> stl.datasets.cell_effects(adata, target).shape
    (300, 7)
    """
    return _simulate.cell_effects(adata, target)
