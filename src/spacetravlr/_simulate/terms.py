"""The terms of which the regulation of a gene is made, and their names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Kind = Literal["TF", "LR", "TFL"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Term = tuple[int, int, int, int]
"""(kind, TF, ligand, receptor): a position in KINDS and gene indices, -1 where the kind has no such part."""

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Terms:
    """Distinct terms of a tissue, in parallel arrays of length n_terms.

    Attributes
    ----------
    kind
        Position in `KINDS`.
    tf, ligand, receptor
        Gene indices, -1 where the kind has no such part.
    """

    kind: Indices
    tf: Indices
    ligand: Indices
    receptor: Indices

    @classmethod
    def of(cls, terms: Iterable[Term]) -> Terms:
        """Build from rows."""
        table = np.array(list(terms), dtype=np.int64).reshape(-1, 4)
        return cls(*np.ascontiguousarray(table.T))

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def inputs(self) -> Indices:
        """(n_terms, 2) gene indices that a term reads, -1 where it reads only one."""
        first = np.where(self.ligand >= 0, self.ligand, self.tf)
        second = np.where(self.kind == 1, self.receptor, np.where(self.kind == 2, self.tf, -1))
        return np.column_stack([first, second])

    def names(self, genes: Sequence[str]) -> list[str]:
        """Return ``TF``, ``L$R`` and ``L#TF`` for the three kinds."""
        return [self._name(genes, *row) for row in zip(self.kind, self.tf, self.ligand, self.receptor, strict=True)]

    @staticmethod
    def _name(genes: Sequence[str], kind: int, tf: int, ligand: int, receptor: int) -> str:
        if kind == 0:
            return genes[tf]
        return f"{genes[ligand]}${genes[receptor]}" if kind == 1 else f"{genes[ligand]}#{genes[tf]}"
