"""Trained coefficients that nobody trained: the shape of the README's benchmarks of derivatives and knock-outs.

468 genes, 50 targets, 13 clusters; 423 modulator genes in all; each target has 20 TFs, 160 ligand-receptor pairs and
80 ligand-TF pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spacetravlr.betas import Betabase, Betas

if TYPE_CHECKING:
    from collections.abc import Sequence

N_GENES, N_TARGETS, N_CLUSTERS = 468, 50, 13
_N_LIGANDS, _N_RECEPTORS, _N_TFS = 149, 149, 125
_PER_TARGET = (20, 160, 80)
_SPACING = 10.0
_SEED = 42


@dataclass(frozen=True)
class MockTissue:
    """A tissue on a square of 10 um per cell, and coefficients for it.

    Attributes
    ----------
    genes, ligands
        Names of the columns of `expression`, and which of them are ligands.
    expression
        (n_cells, 468) float32.
    xy
        (n_cells, 2), micrometres.
    labels
        (n_cells,) cluster labels.
    betas
        One table by cluster for each of 50 targets.
    """

    genes: tuple[str, ...]
    ligands: tuple[str, ...]
    expression: NDArray[np.float32]
    xy: NDArray[np.float64]
    labels: NDArray[np.str_]
    betas: Betabase


def mock_tissue(n_cells: int, *, n_targets: int = N_TARGETS) -> MockTissue:
    """Return the tissue of a number of cells; the coefficients are the same for all numbers."""
    rng = np.random.default_rng(np.random.SeedSequence(_SEED, spawn_key=(n_cells,)))
    genes = tuple(f"G{number:03d}" for number in range(N_GENES))
    side = _SPACING * np.sqrt(n_cells)
    xy = rng.uniform(0.0, side, (n_cells, 2))
    code = (xy[:, 0] / side * N_CLUSTERS).astype(np.int64).clip(0, N_CLUSTERS - 1)
    return MockTissue(
        genes=genes,
        ligands=genes[:_N_LIGANDS],
        expression=rng.standard_exponential((n_cells, N_GENES), dtype=np.float32),
        xy=xy,
        labels=code.astype(str),
        betas=mock_betas(genes, n_targets),
    )


def mock_betas(genes: Sequence[str], n_targets: int) -> Betabase:
    """Return coefficients so small that 3 steps stay in range; targets are of all kinds, all modulators are used."""
    rng = np.random.default_rng(np.random.SeedSequence(_SEED))
    ends = np.cumsum([_N_LIGANDS, _N_RECEPTORS, _N_TFS])
    ligands, receptors, tfs = genes[: ends[0]], genes[ends[0] : ends[1]], genes[ends[1] : ends[2]]
    # in turn, so that all of them occur
    n = len(receptors)
    pairs = [(one, receptors[(3 * place + shift) % n]) for shift in range(3) for place, one in enumerate(ligands)]
    tables = []
    for target in (genes[place] for place in np.linspace(0, len(genes) - 1, n_targets).astype(np.int64).tolist()):
        own = [tf for tf in rng.permutation(tfs) if tf != target]
        lr = [pairs[index] for index in rng.permutation(len(pairs)) if target not in pairs[index]]
        others = [ligand for ligand in rng.permutation(ligands) if ligand != target]
        tfl = zip(others[: _PER_TARGET[2]], own[_PER_TARGET[0] :], strict=False)
        names = [
            *own[: _PER_TARGET[0]],
            *(f"{ligand}${receptor}" for ligand, receptor in lr[: _PER_TARGET[1]]),
            *(f"{ligand}#{tf}" for ligand, tf in tfl),
        ]
        tables.append(
            Betas(
                target=target,
                by="cluster",
                row_labels=tuple(str(code) for code in range(N_CLUSTERS)),
                intercept=np.zeros(N_CLUSTERS),
                modulators=tuple(map(str, names)),
                values=0.02 * rng.standard_normal((N_CLUSTERS, len(names))),
            )
        )
    return Betabase(tables)
