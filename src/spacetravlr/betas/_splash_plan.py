"""Which products make up the derivatives of one target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spacetravlr.betas._splash_inputs import SplashInputs
from spacetravlr.betas.table import Betas

_Term = tuple[int, int]  # column of the coefficients, row of the features they are multiplied by
_Runs = tuple[list[_Term], list[_Term]]  # counted where the gene itself is expressed, and everywhere
_N_KINDS = 6


@dataclass(frozen=True, eq=False)
class SplashPlan:
    """Which products make up the derivative of each modulator gene, as indices into the features.

    The derivative of a gene is its plain coefficient plus two runs of products: with received ligands where the gene
    itself is expressed, and with expression, or with received ligands of the ligand-TF pairs, everywhere. Genes
    are worked on by kind: a plain coefficient alone; one product, free or gated; two of them; everything else.

    Attributes
    ----------
    genes
        ``(n,)`` modulator genes, sorted: the columns of the result.
    kinds
        ``(7,)`` where the genes of each kind begin among the worked on.
    place
        ``(n,)`` position in `genes` of each gene worked on; the arrays below are in the same order.
    tf
        ``(n,)`` column of the plain coefficient, -1 for none.
    gate
        ``(n,)`` feature that holds the gene's own expression (0 where no product asks for it).
    runs
        ``(n, 3)`` where the products of a gene begin in `betas` and `partners`, where the gated ones end, and the
        others.
    betas, partners
        ``(n_products,)`` column of the coefficient, and feature that it is multiplied by.
    scaled
        ``(n_modulators,)`` whether a coefficient belongs to a pair, which the scale applies to.
    dropped
        Pairs of which a gene is not among the inputs.
    """

    genes: tuple[str, ...]
    kinds: NDArray[np.int64]
    place: NDArray[np.uint32]
    tf: NDArray[np.int64]
    gate: NDArray[np.uint32]
    runs: NDArray[np.int64]
    betas: NDArray[np.uint32]
    partners: NDArray[np.uint32]
    scaled: NDArray[np.bool_]
    dropped: tuple[str, ...]

    @classmethod
    def build(cls, betas: Betas, inputs: SplashInputs) -> SplashPlan:
        """Resolve the names of one target's modulators.

        Parameters
        ----------
        betas
            The target's coefficients.
        inputs
            The matrices that the plan is for.

        Returns
        -------
        The plan; `run_splash` runs it.
        """
        names, roles = betas.modulator_genes, betas.roles
        runs, dropped = _terms(betas, inputs)
        plain = dict(zip(roles.tfs, roles.tf_columns, strict=True))
        kinds = np.array([_kind(runs[name], is_plain=name in plain) for name in names], dtype=np.int64)
        order = np.argsort(kinds, kind="stable")
        lengths = np.array([[len(run) for run in runs[names[gene]]] for gene in order], dtype=np.int64).reshape(-1, 2)
        ends = np.cumsum(lengths.ravel()).reshape(-1, 2)
        terms = np.array([term for gene in order for run in runs[names[gene]] for term in run], dtype=np.uint32)
        pairs = terms.reshape(-1, 2)
        scaled = np.ones(len(betas.modulators), dtype=np.bool_)
        scaled[list(roles.tf_columns)] = False
        return cls(
            genes=names,
            kinds=np.searchsorted(kinds[order], np.arange(_N_KINDS + 1)),
            place=order.astype(np.uint32),
            tf=np.array([plain.get(names[gene], -1) for gene in order], dtype=np.int64),
            gate=np.array([inputs.genes.get(names[gene], 0) for gene in order], dtype=np.uint32),
            runs=np.column_stack([ends[:, :1] - lengths[:, :1], ends]),
            betas=np.ascontiguousarray(pairs[:, 0]),
            partners=np.ascontiguousarray(pairs[:, 1]),
            scaled=scaled,
            dropped=dropped,
        )


def _terms(betas: Betas, inputs: SplashInputs) -> tuple[dict[str, _Runs], tuple[str, ...]]:
    """Return the products of each modulator gene, and the pairs left out."""
    roles = betas.roles
    runs: dict[str, _Runs] = {name: ([], []) for name in betas.modulator_genes}
    dropped = []
    for pair, ligand, receptor, column in zip(
        roles.lr_pairs, roles.ligands, roles.receptors, roles.lr_columns, strict=True
    ):
        if ligand in inputs.ligands and receptor in inputs.genes:
            runs[receptor][0].append((column, inputs.ligands[ligand]))
            runs[ligand][1].append((column, inputs.genes[receptor]))
        else:
            dropped.append(pair)
    for pair, ligand, regulator, column in zip(
        roles.tfl_pairs, roles.tfl_ligands, roles.tfl_regulators, roles.tfl_columns, strict=True
    ):
        if ligand in inputs.tfl_ligands and regulator in inputs.genes:
            runs[ligand][1].append((column, inputs.genes[regulator]))
            runs[regulator][1].append((column, inputs.tfl_ligands[ligand]))
        else:
            dropped.append(pair)
    return runs, tuple(dropped)


def _kind(runs: _Runs, *, is_plain: bool) -> int:
    gated, free = map(len, runs)
    if is_plain:
        return _N_KINDS - 1 if gated or free else 0
    return {(0, 1): 1, (1, 0): 2, (0, 2): 3, (2, 0): 4}.get((gated, free), _N_KINDS - 1)
