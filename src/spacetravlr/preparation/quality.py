"""Leave out cells and genes that say too little, and keep account of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from spacetravlr.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray
    from scipy import sparse

    from spacetravlr.preparation.options import PrepareOptions

TOTAL, DETECTED, MITO = "total_counts", "n_genes_by_counts", "pct_counts_mt"
"""Columns of obs, named as scanpy names them; they keep what the raw file said."""


@dataclass
class Removed:
    """What was left out, and why."""

    reasons: list[str] = field(default_factory=list)
    cells: list[int] = field(default_factory=list)
    genes: list[int] = field(default_factory=list)

    def add(self, reason: str, *, cells: int = 0, genes: int = 0) -> None:
        """Note a reason, unless it applied to nothing."""
        if cells or genes:
            self.reasons.append(reason)
            self.cells.append(int(cells))
            self.genes.append(int(genes))

    def lines(self, n_cells: int, n_genes: int) -> list[str]:
        """Return it as a table for people, with what is kept in the last line."""
        width = max([4, *(len(reason) for reason in self.reasons)])
        rows = [f"  {'removed':<{width}}  {'cells':>9}  {'genes':>9}"]
        for reason, cells, genes in zip(self.reasons, self.cells, self.genes, strict=True):
            rows.append(f"  {reason:<{width}}  {_number(cells)}  {_number(genes)}")
        return [*rows, f"  {'kept':<{width}}  {n_cells:>9,}  {n_genes:>9,}"]

    def frame(self) -> pd.DataFrame:
        """Return it as a table: reason, cells, genes."""
        import pandas as pd

        columns: dict[str, Any] = {"reason": self.reasons, "cells": self.cells, "genes": self.genes}
        return pd.DataFrame(columns).astype({"reason": object, "cells": np.int64, "genes": np.int64})

    @classmethod
    def of_frame(cls, table: pd.DataFrame) -> Removed:
        """Return what a table says."""
        return cls([str(one) for one in table["reason"]], table["cells"].tolist(), table["genes"].tolist())


def metrics(matrix: sparse.csr_matrix, genes: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Return what a cell is judged by: its sum, its number of detected genes, its mitochondrial share in percent."""
    total = np.asarray(matrix.sum(axis=1), dtype=np.float64).ravel()
    mito = np.flatnonzero(is_mitochondrial(genes))
    part = np.asarray(matrix[:, mito].sum(axis=1), dtype=np.float64).ravel()
    share = np.divide(100.0 * part, total, out=np.zeros_like(total), where=total > 0)
    return {TOTAL: total, DETECTED: np.diff(matrix.indptr).astype(np.int64), MITO: share}


def is_mitochondrial(genes: Sequence[str]) -> NDArray[np.bool_]:
    """Say of every gene whether its name begins with `mt-` or `MT-`."""
    return np.array([gene[:3].casefold() == "mt-" for gene in genes], dtype=np.bool_)


def keep_cells(
    judged: dict[str, NDArray[Any]], options: PrepareOptions, n_measured: int, removed: Removed
) -> NDArray[np.bool_]:
    """Return which cells stay.

    Parameters
    ----------
    judged
        What `metrics` returned.
    options
        The thresholds.
    n_measured
        Number of genes of the raw file.
    removed
        Is told what goes; a cell counts at the first reason that applies.

    Raises
    ------
    InputError
        If fewer than three cells would be left.
    """
    keep = np.ones(len(judged[TOTAL]), dtype=np.bool_)
    least = options.least_genes(n_measured)
    tests = [
        ("no counts at all", judged[TOTAL] > 0),
        (f"cells with fewer than {least} genes", judged[DETECTED] >= least),
        (f"cells with fewer than {options.min_counts} counts", judged[TOTAL] >= options.min_counts),
    ]
    if options.max_mito is not None:
        tests.append((f"cells with more than {options.max_mito:g} % mitochondrial", judged[MITO] <= options.max_mito))
    for reason, good in tests:
        removed.add(reason, cells=int((keep & ~good).sum()))
        keep &= good
    if keep.sum() < 3:
        reasons = "; ".join(f"{n:,} {why}" for why, n in zip(removed.reasons, removed.cells, strict=True))
        empty = not (judged[TOTAL] > 0).any()
        fix = "is it the right layer?" if empty else "change --min-genes, --min-counts or --max-mito"
        raise InputError(f"{int(keep.sum())} of {len(keep):,} cells would be left ({reasons}): {fix}")
    return keep


def keep_genes(
    matrix: sparse.csr_matrix, options: PrepareOptions, removed: Removed, *, in_network: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return which genes are detected in enough cells; one of the network, which may be a modulator, in any.

    Parameters
    ----------
    matrix
        (n_cells, n_genes) of the cells that stay.
    options
        The threshold.
    removed
        Is told what goes.
    in_network
        (n_genes,), which genes the network names.

    Raises
    ------
    InputError
        If none is detected in enough cells.
    """
    found = np.bincount(matrix.indices, minlength=matrix.shape[1])
    enough = np.asarray(found >= max(1, options.min_cells), dtype=np.bool_)
    keep = enough | (in_network & (found > 0))
    known = int((~keep & in_network).sum())
    of_them = f" ({known:,} of the network in none)" if known else ""
    removed.add(f"genes in fewer than {max(1, options.min_cells)} cells{of_them}", genes=int((~keep).sum()))
    if not enough.any():
        raise InputError(f"no gene is detected in {options.min_cells} cells: lower --min-cells")
    return keep


def _number(value: int) -> str:
    return f"{value:>9,}" if value else f"{'-':>9}"
