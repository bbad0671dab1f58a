"""Which products make up the derivatives of one target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spacetravlr.betas._splash_inputs import SplashInputs
from spacetravlr.betas.table import Betas

_Term = tuple[int, int]  # column of the coefficients, row of the matrix they are multiplied by


@dataclass(frozen=True, eq=False)
class SplashPlan:
    """Which products make up the derivative of each modulator gene, as indices into the input matrices.

    The derivative of gene k is its plain coefficient plus three runs of products: received ligand (counted where the
    gene itself is expressed), expression, received ligand of the ligand-regulator pairs.

    Attributes
    ----------
    genes
        ``(n,)`` modulator genes, sorted: the columns of the result.
    tf
        ``(n,)`` column of the plain coefficient, -1 for none.
    gate
        ``(n,)`` row of the gene itself in the expression by gene (0 where no product asks for it).
    ends
        ``(n, 3)`` where each run of products ends in `betas` and `partners`; the runs lie one behind the other.
    betas, partners
        ``(n_products,)`` column of the coefficient, and row of what it is multiplied by.
    dropped
        Pairs of which a gene is not among the inputs.
    """

    genes: tuple[str, ...]
    tf: NDArray[np.int64]
    gate: NDArray[np.uint32]
    ends: NDArray[np.int64]
    betas: NDArray[np.uint32]
    partners: NDArray[np.uint32]
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
        The plan; `splash_arrays` runs it.
        """
        roles, names = betas.roles, betas.modulator_genes
        runs: dict[str, tuple[list[_Term], list[_Term], list[_Term]]] = {name: ([], [], []) for name in names}
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
                runs[regulator][2].append((column, inputs.tfl_ligands[ligand]))
            else:
                dropped.append(pair)
        lengths = np.array([[len(run) for run in runs[name]] for name in names], dtype=np.int64)
        terms = np.array([term for name in names for run in runs[name] for term in run], dtype=np.uint32).reshape(-1, 2)
        plain = dict(zip(roles.tfs, roles.tf_columns, strict=True))
        return cls(
            genes=names,
            tf=np.array([plain.get(name, -1) for name in names], dtype=np.int64),
            gate=np.array([inputs.genes.get(name, 0) for name in names], dtype=np.uint32),
            ends=np.cumsum(lengths.ravel()).reshape(-1, 3),
            betas=np.ascontiguousarray(terms[:, 0]),
            partners=np.ascontiguousarray(terms[:, 1]),
            dropped=tuple(dropped),
        )
