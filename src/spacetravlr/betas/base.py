"""The coefficients of a whole run."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import ArrayLike, NDArray

from spacetravlr.betas._columns import Join
from spacetravlr.betas._files import betadata_files, where_else
from spacetravlr.betas._rows import CellKeys, IntArray
from spacetravlr.betas._splash import check_settings, splash_frames, warn_of_dropped
from spacetravlr.betas._splash_inputs import SplashInputs
from spacetravlr.betas._stream import leave_in_file
from spacetravlr.betas.table import Betas
from spacetravlr.errors import InputError, listing, nearest

if TYPE_CHECKING:
    import pandas as pd

_log = logging.getLogger("spacetravlr")
_MOST_WORKERS = 8


def shared_rows(tables: Iterable[Betas], keys: Sequence[ArrayLike] | NDArray[Any], cells: ArrayLike) -> list[IntArray]:
    """Return the row of each cell in each table; tables with the same row labels share one array.

    Parameters
    ----------
    tables
        The tables.
    keys
        Arrays ``(n_cells,)`` of labels in order of precedence; see `Betas.rows_for`.
    cells
        ``(n_cells,)`` cell names.

    Returns
    -------
    One array ``(n_cells,)`` per table, -1 for a cell without a row. Two tables that identify the same rows in the same
    way get the same object, read-only.

    Raises
    ------
    InputError
        If the arrays differ in length.
    """
    cell_keys = CellKeys(keys, cells)
    known: dict[tuple[Join, tuple[str, ...]], IntArray] = {}
    rows = []
    for table in tables:
        identity = (table.by, table.row_labels)
        if identity not in known:
            known[identity] = cell_keys.rows(table.row_labels, table.by)
            known[identity].flags.writeable = False
        rows.append(known[identity])
    return rows


class Betabase(Mapping[str, Betas]):
    """The tables of all trained targets, by gene.

    Parameters
    ----------
    tables
        The tables, in the order in which they are to be iterated.

    Raises
    ------
    InputError
        If two tables have one target.

    Examples
    --------
    >>> base = stl.Betabase.load("my_run", genes=["Adm", "Agr2"])
    >>> list(base), base.receptors[:2]
    (['Adm', 'Agr2'], ('Calcrl', 'Ccr5'))
    """

    def __init__(self, tables: Iterable[Betas]) -> None:
        self._tables: dict[str, Betas] = {}
        for table in tables:
            if table.target in self._tables:
                raise InputError(f"two tables of betas for {table.target}: give one per target")
            self._tables[table.target] = table

    def __getitem__(self, gene: str) -> Betas:
        return self._tables[gene]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    def __repr__(self) -> str:
        return f"Betabase({len(self)} targets: {listing(self, 5)})"

    @classmethod
    def load(
        cls,
        directory: Path | str,
        genes: Iterable[str] | None = None,
        *,
        on_error: Literal["raise", "skip"] = "raise",
        workers: int | None = None,
        keep: float = 2e9,
        on_read: Callable[[int, int], None] | None = None,
    ) -> Betabase:
        """Read the betadata files of a directory, several at a time.

        Parameters
        ----------
        directory
            A run directory, or one of its ``conditions/<label>``.
        genes
            The targets to read; None reads all.
        on_error
            What a damaged file does: stop everything with an error that names it, or be left out with a warning.
        workers
            Threads; None takes the number of cores, at most 8. The result does not depend on it.
        keep
            Bytes of coefficients by cell that are kept in memory. Tables by cell beyond that are left in their files
            and read each time they are used, so a run of any size fits.
        on_read
            Called on this thread with the number of files that are read, and of all; if it raises, the others are left.

        Returns
        -------
        The tables sorted by target.

        Raises
        ------
        RunDirectoryError
            If the directory is missing or cannot be listed.
        InputError
            If it has no readable betadata, if a file is damaged, or if a gene asked for has no file.
        """
        folder = Path(directory)
        files = betadata_files(folder)
        if not files:
            raise InputError(f"{folder}: no betadata in it (*_betadata.feather, .parquet or .csv){where_else(folder)}")
        if genes is not None:
            files = _only(files, genes, folder)
        outcomes = _read_all(list(files.values()), workers, keep, on_read)
        failures = [outcome for outcome in outcomes if isinstance(outcome, InputError)]
        tables = [outcome for outcome in outcomes if isinstance(outcome, Betas)]
        if failures and (on_error == "raise" or not tables):
            more = f" (and {len(failures) - 1} more files of {folder})" if len(failures) > 1 else ""
            raise InputError(f"{failures[0]}{more}")
        for failure in failures:
            _log.warning("left out: %s", failure)
        return cls(tables)

    @cached_property
    def tfs(self) -> tuple[str, ...]:
        """Plain modulators of all targets, sorted."""
        return _union(table.tfs for table in self.values())

    @cached_property
    def ligands(self) -> tuple[str, ...]:
        """Ligands of all ligand-receptor modulators, sorted."""
        return _union(table.ligands for table in self.values())

    @cached_property
    def receptors(self) -> tuple[str, ...]:
        """Receptors of all ligand-receptor modulators, sorted."""
        return _union(table.receptors for table in self.values())

    @cached_property
    def tfl_ligands(self) -> tuple[str, ...]:
        """Ligands of all ligand-TF modulators, sorted."""
        return _union(table.tfl_ligands for table in self.values())

    @cached_property
    def tfl_regulators(self) -> tuple[str, ...]:
        """Regulators of all ligand-TF modulators, sorted."""
        return _union(table.tfl_regulators for table in self.values())

    @cached_property
    def modulator_genes(self) -> tuple[str, ...]:
        """Genes that take part in any modulator of any target, sorted."""
        return _union(table.modulator_genes for table in self.values())

    def rows_for(self, keys: Sequence[ArrayLike] | NDArray[Any], cells: ArrayLike) -> dict[str, IntArray]:
        """Return, by target, the row of each cell; tables with the same rows share one array.

        Parameters
        ----------
        keys, cells
            As for `Betas.rows_for`.

        Raises
        ------
        InputError
            If the arrays differ in length.
        """
        return dict(zip(self, shared_rows(self.values(), keys, cells), strict=True))

    def splash(
        self,
        received: pd.DataFrame | ArrayLike | None,
        received_tfl: pd.DataFrame | ArrayLike | None,
        expression: pd.DataFrame | ArrayLike,
        genes: Sequence[str] | None = None,
        *,
        rows: Mapping[str, ArrayLike],
        ligands: Sequence[str] | None = None,
        tfl_ligands: Sequence[str] | None = None,
        scale: float = 1.0,
        cap: float | None = None,
        min_expression: float = 1e-9,
    ) -> Iterator[tuple[str, pd.DataFrame]]:
        """Yield, target by target, what `Betas.splash` returns; the matrices are laid out once.

        Up to 8 targets are worked on at once, as long as their tables take no more than 1 GB. A pair that is left
        out for want of a gene is named once, in a warning at the end.

        Parameters
        ----------
        received, received_tfl, expression, genes, ligands, tfl_ligands, scale, cap, min_expression
            As for `spacetravlr.betas.splash`.
        rows
            By target, the row of each cell (see `rows_for`).

        Yields
        ------
        Target and derivatives.

        Raises
        ------
        InputError, ConfigError
            As `spacetravlr.betas.splash`.
        """
        check_settings(scale, cap)
        inputs = SplashInputs.prepare(
            *(received, received_tfl, expression),
            genes=genes,
            ligands=ligands,
            tfl_ligands=tfl_ligands,
            needed=frozenset(self.modulator_genes),
            min_expression=min_expression,
        )
        dropped: set[str] = set()
        each = [rows[target] for target in self]
        frames = splash_frames(list(self.values()), inputs, each, scale=scale, cap=cap)
        for target, (frame, left_out) in zip(self, frames, strict=True):
            dropped.update(left_out)
            yield target, frame
        warn_of_dropped(sorted(dropped), f"splash of {len(self)} targets")


def _read_all(
    paths: Sequence[Path], workers: int | None, keep: float, on_read: Callable[[int, int], None] | None
) -> list[Betas | InputError]:
    labels: dict[tuple[str, ...], tuple[str, ...]] = {}
    lock, kept = Lock(), 0

    def read(path: Path) -> Betas | InputError:
        nonlocal kept
        try:
            table = Betas.read(path)
        except InputError as error:
            return error
        if table.by == "cell":
            with lock:
                fits = kept + table.values.nbytes <= keep
                kept += table.values.nbytes if fits else 0
            table = table if fits else leave_in_file(table, path)
        # the names of all cells are kept once, not once per gene
        known = labels.setdefault(table.row_labels, table.row_labels)
        return table if known is table.row_labels else replace(table, row_labels=known)

    with ThreadPoolExecutor(workers or min(_MOST_WORKERS, os.cpu_count() or 1)) as pool:
        outcomes = []
        try:
            for outcome in pool.map(read, paths):
                outcomes.append(outcome)
                if on_read is not None:
                    on_read(len(outcomes), len(paths))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        return outcomes


def _union(names: Iterable[Iterable[str]]) -> tuple[str, ...]:
    return tuple(sorted(set(chain.from_iterable(names))))


def _only(files: Mapping[str, Path], genes: Iterable[str], folder: Path) -> dict[str, Path]:
    wanted = set(genes)
    missing = sorted(wanted - set(files))
    if missing:
        near = nearest(missing[0], files)
        hint = f"; {missing[0]!r}: do you mean {near!r}?" if near else "; genes without a file have no model"
        raise InputError(f"{folder}: no betadata of {listing(missing)}{hint}")
    return {gene: path for gene, path in files.items() if gene in wanted}
