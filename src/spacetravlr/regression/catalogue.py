"""Every distinct modulator column of a run, once; a target is an index list into it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacetravlr.prior import Modulators


@dataclass(frozen=True)
class Catalogue:
    """Columns of the design shared by all targets, pairs of ligand and receptor first.

    A column is the expression of one gene, or that expression times a received ligand (training design: TF and extra
    columns ``E[:, g]``, pairs ``received[:, L] * E[:, g]``).
    """

    names: tuple[str, ...]
    genes: tuple[str, ...]
    """Genes whose expression is a factor of some column."""
    ligands: tuple[str, ...]
    """Ligands whose received signal is a factor of some column."""
    gene_of: NDArray[np.int64]
    """(P,), index into `genes`."""
    ligand_of: NDArray[np.int64]
    """(P,), index into `ligands`; -1 for a plain column."""

    @classmethod
    def from_modulators(cls, modulators: Iterable[Modulators]) -> Catalogue:
        """Collect the columns of some targets; the order depends on the targets and their order alone."""
        pairs: dict[str, tuple[str, str]] = {}
        plain: dict[str, None] = {}
        with_ligand: dict[str, tuple[str, str]] = {}
        for one in modulators:
            pairs.update(zip(one.lr_pairs, zip(one.ligands, one.receptors, strict=True), strict=True))
            plain.update(dict.fromkeys(one.regulators))
            plain.update(dict.fromkeys(one.extras))
            with_ligand.update(zip(one.tfl_pairs, zip(one.tfl_ligands, one.tfl_regulators, strict=True), strict=True))
        products = [*pairs.values(), *with_ligand.values()]
        ligands = tuple(dict.fromkeys(ligand for ligand, _ in products))
        genes = tuple(dict.fromkeys([*(gene for _, gene in products), *plain]))
        gene_at = {gene: index for index, gene in enumerate(genes)}
        ligand_at = {ligand: index for index, ligand in enumerate(ligands)}
        factors = [*pairs.values(), *((None, gene) for gene in plain), *with_ligand.values()]
        return cls(
            names=(*pairs, *plain, *with_ligand),
            genes=genes,
            ligands=ligands,
            gene_of=np.array([gene_at[gene] for _, gene in factors], dtype=np.int64),
            ligand_of=np.array([-1 if lig is None else ligand_at[lig] for lig, _ in factors], dtype=np.int64),
        )

    def __len__(self) -> int:
        """Return the number of columns P."""
        return len(self.names)

    def positions(self, names: Sequence[str]) -> NDArray[np.int64]:
        """Return the column numbers of some names."""
        index = self._index
        return np.array([index[name] for name in names], dtype=np.int64)

    @property
    def _index(self) -> dict[str, int]:
        cached = self.__dict__.get("_names_to_column")
        if cached is None:
            cached = {name: column for column, name in enumerate(self.names)}
            object.__setattr__(self, "_names_to_column", cached)
        return cached

    def design(
        self,
        expression: NDArray[np.float64],
        received: NDArray[np.float64],
        columns: NDArray[np.int64] | None = None,
    ) -> NDArray[np.float64]:
        """Compute columns for some cells.

        Parameters
        ----------
        expression
            (n, len(genes)), expression units.
        received
            (n, len(ligands)), expression units.
        columns
            Which columns; None for all.

        Returns
        -------
        (n, P), C order. Cost O(n P).
        """
        wanted = np.arange(len(self)) if columns is None else columns
        X = expression[:, self.gene_of[wanted]]
        paired = np.flatnonzero(self.ligand_of[wanted] >= 0)
        if paired.size:
            X[:, paired] *= received[:, self.ligand_of[wanted][paired]]
        return np.ascontiguousarray(X)
