"""The coefficients of one target gene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spacetravlr.betas._columns import CELL_ID, CLUSTER_ID, INTERCEPT, PREFIX, Join, Roles, read_roles
from spacetravlr.betas._rows import CellKeys, IntArray
from spacetravlr.betas._stream import Streamed
from spacetravlr.errors import InputError, listing

if TYPE_CHECKING:
    import pandas as pd

Coefficients = NDArray[np.float64] | NDArray[np.float32]


@dataclass(frozen=True, eq=False, repr=False)
class Betas:
    """The coefficients of one target: a row per cluster or per cell, a column per modulator.

    A modulator is named ``TF``, ``ligand$receptor`` or ``ligand#TF`` (without the prefix ``beta_`` of the files), and
    its coefficient is in expression units of the target per unit of the modulator. Two tables are equal only if they
    are the same object.

    Attributes
    ----------
    target
        The gene that the coefficients explain.
    by
        Whether rows are clusters or cells.
    row_labels
        ``(n_rows,)`` cluster labels or cell names; duplicates are allowed.
    intercept
        ``(n_rows,)`` intercepts.
    modulators
        ``(n_modulators,)`` names in file order, all different.
    values
        ``(n_rows, n_modulators)`` coefficients, C order, float64 or float32. Large tables by cell that were read with
        many others may be left in their files (see `Betabase.load`); they are read each time they are used.

    Raises
    ------
    InputError
        If shapes disagree, a name occurs twice or `by` is neither word.

    Examples
    --------
    >>> betas = stl.Betas.read("my_run/Agr2_betadata.feather")
    >>> betas
    Betas(Agr2: 28 modulators in 5 clusters)
    >>> betas.by, betas.row_labels, betas.tfs[:2]
    ('cluster', ('0', '1', '2', '3', '4'), ('Cebpb', 'Pax6'))
    >>> betas.to_frame().columns[:3].tolist()
    ['beta0', 'beta_Cebpb', 'beta_Pax6']
    >>> bool(betas.values[:, betas.modulators.index("Pax6")].max() > 0)
    True
    """

    target: str
    by: Join
    row_labels: tuple[str, ...]
    intercept: NDArray[np.float64]
    modulators: tuple[str, ...]
    values: Coefficients

    def __post_init__(self) -> None:
        dtype = np.float32 if getattr(self.values, "dtype", None) == np.float32 else np.float64
        values: Any = self.values if self.is_streamed else np.asarray(self.values, dtype=dtype, order="C")
        intercept = self.intercept if self.is_streamed else np.asarray(self.intercept, dtype=np.float64)
        arrays = {"values": values, "intercept": intercept}
        tuples = {"row_labels": tuple(self.row_labels), "modulators": tuple(self.modulators)}
        for name, checked in {**arrays, **tuples}.items():
            object.__setattr__(self, name, checked)
        n_rows, n_modulators = len(self.row_labels), len(self.modulators)
        if self.by not in ("cluster", "cell"):
            raise InputError(f"betas of {self.target}: by is {self.by!r}; give 'cluster' or 'cell'")
        if values.shape != (n_rows, n_modulators) or self.intercept.shape != (n_rows,):
            raise InputError(
                f"betas of {self.target}: {n_rows} row labels and {n_modulators} modulators, but values of shape "
                f"{values.shape} and {self.intercept.shape} intercepts"
            )
        if len(set(self.modulators)) < n_modulators:
            twice = {name for name in self.modulators if self.modulators.count(name) > 1}
            raise InputError(f"betas of {self.target}: modulators named more than once: {listing(sorted(twice))}")

    def __repr__(self) -> str:
        return f"Betas({self.target}: {len(self.modulators)} modulators in {len(self.row_labels)} {self.by}s)"

    @classmethod
    def read(cls, path: Path | str) -> Betas:
        """Read the coefficients of one gene from ``{gene}_betadata.feather``, ``.parquet`` or ``.csv``.

        Accepted are the files of this package, of the compiled edition and of the original Python package. Nulls and
        text that is no number count as 0. Whole-number row labels lose their decimal point. Tables by cell whose
        columns are all single or half precision stay float32.

        Parameters
        ----------
        path
            The file; its name gives the gene.

        Returns
        -------
        The table.

        Raises
        ------
        InputError
            For a file that is missing, damaged or empty, has no coefficients, or holds one that is not finite.
        """
        from spacetravlr.betas._read import read_betas

        return read_betas(Path(path))

    def write(self, path: Path | str) -> None:
        """Write the non-zero coefficients as an Arrow IPC file (feather) with LZ4 compression.

        The identity column ``Cluster`` or ``CellID`` comes first, then ``beta0`` and ``beta_<modulator>`` in table
        order, float64, or float32 for a table by cell in single precision. Non-finite values are written as 0, columns
        without a non-zero value not at all. The file appears at once under its name or not at all; equal tables give
        equal bytes.

        Parameters
        ----------
        path
            The file, usually named by `betadata_file_name`.

        Raises
        ------
        InputError
            If no modulator has a non-zero coefficient (such a target has no table, see `is_orphan`).
        RunDirectoryError
            If the file cannot be written.
        """
        from spacetravlr.betas._write import write_betas

        write_betas(self, Path(path))

    @cached_property
    def roles(self) -> Roles:
        """The modulators by role, with their columns in `values`."""
        try:
            return read_roles(self.modulators)
        except InputError as error:
            raise InputError(f"betas of {self.target}: {error}") from None

    @property
    def is_streamed(self) -> bool:
        """Whether the coefficients are read from their file each time they are used."""
        return isinstance(self.values, Streamed)

    @property
    def tfs(self) -> tuple[str, ...]:
        """Plain modulators, which are TFs and extra modulators."""
        return self.roles.tfs

    @property
    def lr_pairs(self) -> tuple[str, ...]:
        """Ligand-receptor modulators, ``ligand$receptor``."""
        return self.roles.lr_pairs

    @property
    def ligands(self) -> tuple[str, ...]:
        """Ligand of each of `lr_pairs`."""
        return self.roles.ligands

    @property
    def receptors(self) -> tuple[str, ...]:
        """Receptor of each of `lr_pairs`."""
        return self.roles.receptors

    @property
    def tfl_pairs(self) -> tuple[str, ...]:
        """Ligand-TF modulators, ``ligand#TF``."""
        return self.roles.tfl_pairs

    @property
    def tfl_ligands(self) -> tuple[str, ...]:
        """Ligand of each of `tfl_pairs`."""
        return self.roles.tfl_ligands

    @property
    def tfl_regulators(self) -> tuple[str, ...]:
        """Regulator of each of `tfl_pairs`."""
        return self.roles.tfl_regulators

    @cached_property
    def modulator_genes(self) -> tuple[str, ...]:
        """Every gene that takes part in a modulator, once, sorted."""
        roles = self.roles
        genes = {*roles.tfs, *roles.ligands, *roles.receptors, *roles.tfl_ligands, *roles.tfl_regulators}
        return tuple(sorted(genes))

    @property
    def is_orphan(self) -> bool:
        """Whether no modulator has a finite coefficient other than 0."""
        values = np.asarray(self.values)
        return not bool((np.isfinite(values) & (values != 0)).any())

    def nonzero(self) -> Betas:
        """Return the table without all-zero modulators, and with non-finite values set to 0."""
        given, intercept = np.asarray(self.values), np.asarray(self.intercept)
        values = np.where(np.isfinite(given), given, 0)
        kept = np.flatnonzero((values != 0).any(axis=0))
        return replace(
            self,
            intercept=np.where(np.isfinite(intercept), intercept, 0.0),
            modulators=tuple(self.modulators[column] for column in kept),
            values=values[:, kept],
        )

    def to_frame(self) -> pd.DataFrame:
        """Return a data frame: index ``Cluster`` or ``CellID``, columns ``beta0`` and ``beta_<modulator>``, float64."""
        import pandas as pd

        return pd.DataFrame(
            np.column_stack([np.asarray(self.intercept), np.asarray(self.values, dtype=np.float64)]),
            index=pd.Index(self.row_labels, name=CELL_ID if self.by == "cell" else CLUSTER_ID, dtype=object),
            columns=[INTERCEPT, *(PREFIX + name for name in self.modulators)],
        )

    def rows_for(self, keys: Sequence[ArrayLike] | NDArray[Any], cells: ArrayLike) -> IntArray:
        """Return which row belongs to which cell.

        In a table by cluster the first of the cell's keys that is a row label decides, then its name; of several rows
        with one label the last counts. In a table by cell only the name decides, and the first row counts.

        Parameters
        ----------
        keys
            Arrays ``(n_cells,)`` of labels in order of precedence, for example `Tissue.row_keys`.
        cells
            ``(n_cells,)`` cell names.

        Returns
        -------
        ``(n_cells,)`` row numbers, -1 for a cell without a row: all its coefficients are 0 (`v1_rows` gives it the
        first row, as the compiled edition does).

        Raises
        ------
        InputError
            If the arrays differ in length.
        """
        return CellKeys(keys, cells).rows(self.row_labels, self.by)

    def splash(
        self,
        received: pd.DataFrame | ArrayLike | None,
        received_tfl: pd.DataFrame | ArrayLike | None,
        expression: pd.DataFrame | ArrayLike,
        genes: Sequence[str] | None = None,
        *,
        ligands: Sequence[str] | None = None,
        tfl_ligands: Sequence[str] | None = None,
        rows: ArrayLike | None = None,
        scale: float = 1.0,
        cap: float | None = None,
        min_expression: float = 1e-9,
    ) -> pd.DataFrame:
        """Return the derivative of the target's expression with respect to each modulator gene.

        Parameters
        ----------
        received, received_tfl, expression, genes, ligands, tfl_ligands, rows, scale, cap, min_expression
            As for `spacetravlr.betas.splash`, which also has the formula.

        Returns
        -------
        ``(n_cells, n_modulator_genes)`` derivatives, columns ``beta_<gene>``.

        Raises
        ------
        InputError, ConfigError
            As `spacetravlr.betas.splash`.
        """
        from spacetravlr.betas._splash import splash

        return splash(
            *(self, received, received_tfl, expression),
            genes=genes,
            ligands=ligands,
            tfl_ligands=tfl_ligands,
            rows=rows,
            scale=scale,
            cap=cap,
            min_expression=min_expression,
        )
