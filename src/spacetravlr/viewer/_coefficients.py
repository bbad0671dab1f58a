"""The coefficients of a run as values of cells; targets and columns are members of listings, never parts of paths."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spacetravlr.betas import Betas, CellKeys, betadata_files, escape_gene
from spacetravlr.errors import SpaceTravLRError, did_you_mean
from spacetravlr.viewer._memory import ByteCache
from spacetravlr.viewer._problem import ProblemError, of_error

Kind = Literal["tf", "ligand-receptor", "ligand-tf", "intercept"]
INTERCEPTS = ("beta0", "beta_0", "intercept")
_LISTED = 2.0
"""Seconds for which a listing of the directory counts as new."""


@dataclass(frozen=True, eq=False)
class CellValues:
    """A coefficient of every cell."""

    values: NDArray[np.float32]
    """``(n_obs,)``, NaN for a cell without a row in the table."""
    unmatched: int
    """Number of such cells."""


class Coefficients:
    """The tables of a run.

    Parameters
    ----------
    directory
        Where they are.
    keys
        By which cells find their rows; made when first needed.
    holds
        Says whether a file may be opened.
    memory
        Bytes of tables kept.
    """

    def __init__(
        self, directory: Path, *, keys: Callable[[], CellKeys], holds: Callable[[Path], bool], memory: int
    ) -> None:
        self.directory = directory
        self._make_keys = keys
        self._holds = holds
        self._tables: ByteCache[Betas] = ByteCache(memory)
        self._rows: dict[tuple[str, tuple[str, ...]], NDArray[np.int64]] = {}
        self._row_label: Literal["CellID", "Cluster"] | None = None
        self._listed: tuple[float, dict[str, Path]] = (-_LISTED, {})
        self._lock = Lock()

    def files(self) -> Mapping[str, Path]:
        """Return the file of each target, sorted by target; read anew every two seconds.

        Raises
        ------
        ProblemError
            If the directory is gone.
        """
        when, files = self._listed
        if time.monotonic() - when > _LISTED:
            try:
                files = betadata_files(self.directory)
            except SpaceTravLRError as error:
                raise ProblemError(400, "the run directory cannot be read any more", code="run_is_gone") from error
            self._listed = time.monotonic(), files
        return files

    @property
    def genes(self) -> tuple[str, ...]:
        """Targets with coefficients, sorted."""
        return tuple(self.files())

    @property
    def row_label(self) -> Literal["CellID", "Cluster"] | None:
        """What the rows of the first readable table are; None without any."""
        if self._row_label is None:
            for gene in self.genes:
                try:
                    self._row_label = "CellID" if self.table(gene).by == "cell" else "Cluster"
                except (ProblemError, OSError):  # damaged, or just being written: the next one will tell
                    continue
                break
        return self._row_label

    def stamp(self, gene: str) -> tuple[int, int]:
        """Return size and date of the file of a target, which change when it is trained again."""
        try:
            facts = self._path(gene).stat()
        except OSError as error:
            raise ProblemError(404, f"the coefficients of {gene[:100]!r} are gone") from error
        return facts.st_size, facts.st_mtime_ns

    def table(self, gene: str) -> Betas:
        """Return the coefficients of a target.

        Raises
        ------
        ProblemError
            404 if it has none, 400 if its file is damaged.
        """
        path = self._path(gene)

        def read() -> tuple[Betas, int]:
            try:
                table = Betas.read(path)
            except SpaceTravLRError as error:
                raise of_error(error, code="damaged_file") from error
            return table, int(table.values.nbytes) + 64 * len(table.row_labels)

        return self._tables.take((gene, *self.stamp(gene)), read)

    def columns(self, gene: str) -> list[str]:
        """Return the names of the columns of a target's table, sorted."""
        return sorted(["beta0", *(f"beta_{name}" for name in self.table(gene).modulators)])

    def values(self, gene: str, column: str) -> CellValues:
        """Return a column of a target's table for every cell.

        Parameters
        ----------
        gene
            The target.
        column
            `beta0`, or a modulator with or without `beta_`.

        Raises
        ------
        ProblemError
            404 for an unknown target, 400 for an unknown column.
        """
        table = self.table(gene)
        own = self.column(table, column)
        rows = self.rows(table)
        values = np.where(rows < 0, np.nan, own[rows]).astype(np.float32)
        return CellValues(values, int((rows < 0).sum()))

    def column(self, table: Betas, column: str) -> NDArray[np.float64]:
        """Return ``(n_rows,)`` values of a column of a table; as `values`."""
        if column in INTERCEPTS:
            return table.intercept
        name = column.removeprefix("beta_")
        for wanted in (name, column):
            if wanted in table.modulators:
                return np.asarray(table.values[:, table.modulators.index(wanted)], dtype=np.float64)
        hint = did_you_mean(name, table.modulators)
        raise ProblemError(400, f"{table.target} has no coefficient {column!r}{hint}")

    def rows(self, table: Betas) -> NDArray[np.int64]:
        """Return ``(n_obs,)`` the row of each cell, -1 for none; cells by name only in tables by cell."""
        identity = (table.by, table.row_labels)
        with self._lock:
            found = self._rows.get(identity)
        if found is None:
            found = self.keys.rows(table.row_labels, table.by)
            found.flags.writeable = False
            with self._lock:
                if len(self._rows) > 8:
                    self._rows.clear()
                self._rows[identity] = found
        return found

    def stability(self, gene: str) -> Betas | None:
        """Return a table of how far each coefficient can be trusted, 0 to 1; None if that is unknown.

        Raises
        ------
        ProblemError
            404 if the target has no coefficients.
        """
        self._path(gene)
        path = self.directory / "stability" / f"{escape_gene(gene)}.feather"
        if not path.is_file() or not self._holds(path):
            return None
        facts = path.stat()

        def read() -> tuple[Betas, int]:
            table = Betas.read(path)
            return table, int(table.values.nbytes)

        try:
            return self._tables.take(("stability", gene, facts.st_size, facts.st_mtime_ns), read)
        except SpaceTravLRError:  # it helps where it can be read, and is no obstacle where it cannot
            return None

    def mean_stability(self, gene: str, modulator: str, cells: NDArray[np.int64]) -> float | None:
        """Return the mean stability of a coefficient over some cells; None if unknown."""
        table = self.stability(gene)
        if table is None or modulator not in table.modulators:
            return None
        rows = self.rows(table)[cells]
        if not (rows >= 0).any():
            return None
        return float(np.asarray(table.values[:, table.modulators.index(modulator)])[rows[rows >= 0]].mean())

    @cached_property
    def keys(self) -> CellKeys:
        """Keys by which cells find their rows."""
        return self._make_keys()

    def _path(self, gene: str) -> Path:
        files = self.files()
        path = files.get(gene)
        if path is None or not self._holds(path):
            hint = did_you_mean(gene, files) if len(gene) < 100 else ""
            raise ProblemError(404, f"there is no model of {gene[:100]!r}{hint}")
        return path


def kind_of(name: str) -> Kind:
    """Return the role of a column or modulator by its name."""
    if name in INTERCEPTS:
        return "intercept"
    if "#" in name:
        return "ligand-tf"
    return "ligand-receptor" if "$" in name else "tf"
