"""The result of a simulation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spacetravlr.errors import InputError, UsageError, listing, nearest
from spacetravlr.perturbation.targets import Target

if TYPE_CHECKING:
    import anndata
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Effect:
    """What a perturbation does to every cell.

    Only genes that can change are stored; the full matrices are made when first asked for.

    Attributes
    ----------
    baseline
        ``(n_cells, n_genes)`` expression before, not a copy.
    genes, cells
        Names of the columns and rows.
    targets
        What was asked for.
    n_propagation
        Number of steps done.
    profile
        Name of the rules.
    columns
        ``(n_changeable,)`` genes that can change.
    values
        ``(n_changeable, n_cells)`` their simulated expression.
    labels
        ``(n_cells,)`` cluster labels, or None.
    obs
        ``(n_cells, ...)`` table of cells, or None.
    notes
        Remarks for the reader: perturbed genes that no model listens to, values that run away.
    """

    baseline: NDArray[Any]
    genes: tuple[str, ...]
    cells: tuple[str, ...]
    targets: tuple[Target, ...]
    n_propagation: int
    profile: str
    columns: NDArray[np.int64]
    values: NDArray[np.float64]
    labels: NDArray[Any] | None = None
    obs: pd.DataFrame | None = None
    notes: tuple[str, ...] = ()

    @cached_property
    def simulated(self) -> NDArray[np.float64]:
        """``(n_cells, n_genes)`` simulated expression, perturbed entries at their desired values."""
        simulated = np.array(self.baseline, dtype=np.float64)
        simulated[:, self.columns] = self.values.T
        return simulated

    @cached_property
    def delta(self) -> NDArray[np.float64]:
        """``(n_cells, n_genes)`` simulated minus baseline expression, the perturbed entries included."""
        delta = np.zeros(self.baseline.shape)
        delta[:, self.columns] = self.values.T - self.baseline[:, self.columns]
        return delta

    def gene(self, name: str) -> NDArray[np.float64]:
        """Return ``(n_cells,)`` simulated expression of one gene.

        Raises
        ------
        InputError
            For an unknown gene.
        """
        if name not in self.genes:
            close = nearest(name, self.genes)
            raise InputError(f"gene {name!r} is not in this effect" + (f"; did you mean {close!r}?" if close else ""))
        place = self.genes.index(name)
        rows = np.flatnonzero(self.columns == place)
        return np.array(self.values[rows[0]] if len(rows) else self.baseline[:, place], dtype=np.float64)

    def top(self, n: int = 20, *, by: str | NDArray[Any] | None = None, include_targets: bool = False) -> pd.DataFrame:
        """Return the genes that change most.

        Parameters
        ----------
        n
            Number of genes, in each group if `by` is given.
        by
            None for the whole tissue; ``"cell_type"``, another column of `obs`, or ``"cluster"`` for groups of cells;
            or ``(n_cells,)`` labels.
        include_targets
            Whether to list the perturbed genes too.

        Returns
        -------
        Columns ``gene``, (the group,) ``mean_delta``, ``mean_abs_delta``, ``baseline_mean``, ``simulated_mean``;
        sorted by ``mean_abs_delta``, largest first, within the sorted groups. Genes without any change are left out.

        Raises
        ------
        InputError
            If `by` is no known grouping.
        """
        import pandas as pd

        name, groups = self._groups(by)
        perturbed = {target.gene for target in self.targets}
        shown = [row for row, gene in enumerate(self.columns) if include_targets or self.genes[gene] not in perturbed]
        names = np.array([self.genes[gene] for gene in self.columns[shown]], dtype=object)
        tables = []
        for label, mask in groups.items():
            stats = np.array([self._means(row, mask) for row in shown]).reshape(len(shown), 4)
            order = np.lexsort((names.astype(str), -stats[:, 1]))
            order = order[stats[order, 1] > 0][: max(n, 0)]
            table = pd.DataFrame(
                stats[order], columns=["mean_delta", "mean_abs_delta", "baseline_mean", "simulated_mean"]
            )
            if name is not None:
                table.insert(0, name, label)
            table.insert(0, "gene", names[order])
            tables.append(table)
        filled = [table for table in tables if len(table)] or tables[:1]
        return pd.concat(filled, ignore_index=True)

    def to_anndata(self) -> anndata.AnnData:
        """Return an AnnData: X is the baseline, layers ``"simulated"`` and ``"delta"``, the request in ``uns``."""
        from spacetravlr.perturbation._export import to_anndata

        return to_anndata(self)

    def write(self, path: Path | str) -> Path:
        """Write the simulated expression (``.feather``) or everything (``.h5ad``).

        A feather file (Arrow IPC, LZ4) has the column ``CellID`` and one float64 column per gene. Parent directories
        are created; the file appears at once under its name or not at all.

        Parameters
        ----------
        path
            The file.

        Returns
        -------
        The path.

        Raises
        ------
        UsageError
            For another suffix.
        RunDirectoryError
            If the file cannot be written.
        """
        from spacetravlr.perturbation._export import write_feather, write_h5ad

        writers = {".feather": write_feather, ".h5ad": write_h5ad}
        target = Path(path)
        if target.suffix not in writers:
            raise UsageError(f"cannot write an effect as {target.name}: use one of the suffixes {listing(writers)}")
        writers[target.suffix](self, target)
        return target

    def _means(self, row: int, mask: NDArray[np.bool_] | slice) -> tuple[float, float, float, float]:
        after = self.values[row, mask]
        before = np.asarray(self.baseline[mask, self.columns[row]], dtype=np.float64)
        delta = after - before
        return float(delta.mean()), float(np.abs(delta).mean()), float(before.mean()), float(after.mean())

    def _groups(self, by: str | NDArray[Any] | None) -> tuple[str | None, dict[str, NDArray[np.bool_] | slice]]:
        if by is None:
            return None, {"": slice(None)}
        if not isinstance(by, str):
            name, labels = "group", np.asarray(by)
        elif self.obs is not None and by in self.obs.columns:
            name, labels = by, np.asarray(self.obs[by])
        elif by in ("cluster", "cell_type") and self.labels is not None:
            name, labels = by, self.labels
        else:
            known = [] if self.obs is None else [str(column) for column in self.obs.columns]
            raise InputError(f"cells cannot be grouped by {by!r}; known: {listing(dict.fromkeys([*known, 'cluster']))}")
        if labels.shape != (len(self.cells),):
            raise InputError(f"labels must have shape ({len(self.cells)},), not {labels.shape}")
        text = labels.astype(str)
        return name, {str(label): text == label for label in np.unique(text)}
