"""The result of a simulation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spacetravlr.errors import InputError, UsageError, did_you_mean, listing
from spacetravlr.perturbation._compare import compare_effects
from spacetravlr.perturbation._convergence import StepChange
from spacetravlr.perturbation._groups import group_cells
from spacetravlr.perturbation._tables import differential_table, top_table
from spacetravlr.perturbation.targets import Intervention, Target

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
        Remarks for the reader: doses outside the observed range, perturbed genes that no model listens to, values that
        run away, steps that grow.
    interventions
        What was done to which cells, one per perturbed gene.
    changes
        How much each step has changed; `steps` is the same as a table.
    xy
        ``(n_cells, 2)`` or ``(n_cells, 3)`` coordinates, or None.
    radius
        The radius in which distances are thought of, or None.
    samples
        ``(n_cells,)`` number of the piece of tissue each cell is in, or None for one piece.

    Examples
    --------
    >>> effect = run.perturb({"Pax6": 0.0})
    >>> effect.top(3).columns.tolist()
    ['gene', 'mean_delta', 'mean_abs_delta', 'baseline_mean', 'simulated_mean']
    >>> effect.top(1, by="ring", include_targets=True)[["gene", "ring"]]
       gene       ring
    0  Pax6  perturbed
    >>> half = run.perturb({"Pax6": "x0.5"}, n_propagation=1)
    >>> bool(effect.compare(half).set_index("gene").correlation["Pax6"] > 0.99)
    True
    >>> effect.to_anndata().layers["delta"].shape
    (300, 60)
    >>> effect.write("ko.feather").name
    'ko.feather'
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
    interventions: tuple[Intervention, ...] = ()
    changes: tuple[StepChange, ...] = ()
    xy: NDArray[np.float64] | None = None
    radius: float | None = None
    samples: NDArray[np.int64] | None = None

    def __repr__(self) -> str:
        genes = ", ".join(dict.fromkeys(target.gene for target in self.targets))
        n_steps = len(self.changes)
        return (
            f"Effect(of {genes}: {len(self.cells):,} cells, {len(self.columns):,} of {len(self.genes):,} genes can "
            f"change, {n_steps} {'step' if n_steps == 1 else 'steps'})"
        )

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

        Parameters
        ----------
        name
            The gene.

        Raises
        ------
        InputError
            For an unknown gene.
        """
        if name not in self.genes:
            raise InputError(f"gene {name!r} is not in this effect{did_you_mean(name, self.genes)}")
        place = self.genes.index(name)
        rows = np.flatnonzero(self.columns == place)
        return np.array(self.values[rows[0]] if len(rows) else self.baseline[:, place], dtype=np.float64)

    @property
    def steps(self) -> pd.DataFrame:
        """Table of how much each step has changed the effect, columns ``step``, ``max_change``, ``norm``, ``relative``.

        ``max_change`` is the largest absolute difference to the step before, ``norm`` the root of the sum of their
        squares over genes and cells, ``relative`` the share of that in the norm of the whole effect. Where
        ``relative`` goes to 0 the propagation has settled.
        """
        import pandas as pd

        names = ["step", "max_change", "norm", "relative"]
        return pd.DataFrame([astuple(change) for change in self.changes], columns=names).astype({"step": np.int64})

    def top(
        self,
        n: int = 20,
        *,
        by: str | NDArray[Any] | None = None,
        rings: Sequence[float] | None = None,
        include_targets: bool = False,
    ) -> pd.DataFrame:
        """Return the genes that change most.

        Parameters
        ----------
        n
            Number of genes, in each group if `by` is given.
        by
            None for the whole tissue; ``"cell_type"``, another column of `obs`, or ``"cluster"`` for groups of cells;
            ``"ring"`` for the perturbed cells and rings around them (by the distance to the nearest one in the same
            piece of tissue; cells of pieces in which nothing is perturbed are in no ring); or ``(n_cells,)`` labels.
        rings
            Ascending edges of the rings in coordinate units; None for 0.25, 0.5, 1 and 2 radii. The last ring is open.
        include_targets
            Whether to list the perturbed genes too.

        Returns
        -------
        Columns ``gene``, (the group,) ``mean_delta``, ``mean_abs_delta``, ``baseline_mean``, ``simulated_mean``;
        sorted by ``mean_abs_delta``, largest first, within the groups (sorted, rings from the inside). Genes without
        any change are left out.

        Raises
        ------
        InputError
            If `by` is no known grouping, or no perturbed cell has a position.
        UsageError
            For rings without coordinates, or with another grouping.
        """
        return top_table(self, group_cells(self, by, rings), n, include_targets=include_targets)

    def differential(
        self,
        *,
        by: str | NDArray[Any] | None = "cell_type",
        rings: Sequence[float] | None = None,
        changed: float = 0.1,
        include_targets: bool = False,
    ) -> pd.DataFrame:
        """Return how strongly every gene changes in every group of cells.

        A simulation has no sampling error, so there are effect sizes here and no p values
        (`PropagationModel.negative_control` gives empirical ones).

        Parameters
        ----------
        by, rings, include_targets
            As for `top`.
        changed
            A cell counts as changed if the gene's change exceeds this share of its standard deviation in the group.

        Returns
        -------
        Columns ``gene``, (the group,) ``n_cells``; ``mean_delta``; ``effect_size``, the mean change over the
        baseline's standard deviation in the group (in the whole tissue where the gene does not vary in the group, NaN
        where it varies nowhere); ``fraction_changed``; ``baseline_mean``, ``baseline_sd``, ``simulated_mean``;
        ``rank`` by absolute effect size within the group, from 1. Genes without any change in a group are left out.

        Raises
        ------
        InputError, UsageError
            As for `top`.
        """
        groups = group_cells(self, by, rings)
        return differential_table(self, groups, changed=changed, include_targets=include_targets)

    def compare(self, other: Effect) -> pd.DataFrame:
        """Return how two effects on the same cells agree, gene by gene.

        Parameters
        ----------
        other
            Another effect, for example of another gene, dose, profile or number of steps. Its cells may be in another
            order; genes that only one of the two knows are left out.

        Returns
        -------
        Columns ``gene``; ``correlation`` of the changes over the cells (NaN where one of the two does not vary from
        cell to cell); ``mean_delta``, ``mean_delta_other``, ``mean_abs_delta``, ``mean_abs_delta_other``;
        ``rms_difference``. One row per gene that changes in either, the largest difference first.

        Raises
        ------
        InputError
            If the cells are not the same.
        """
        return compare_effects(self, other)

    def to_anndata(self) -> anndata.AnnData:
        """Return an AnnData: X is the baseline, layers ``"simulated"`` and ``"delta"``, the request in ``uns``.

        Cells and genes are in the order of the sample, positions in ``obsm["spatial"]``.
        """
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
