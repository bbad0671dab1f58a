"""TF priors: the TFs of a target, possibly different in each cell type, as an alternative to the network's."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
from numpy.typing import NDArray

from spacetravlr.errors import InputError, listing
from spacetravlr.prior._table import PAIR_SIGNS

log = logging.getLogger("spacetravlr")

COLUMNS = ("source", "target", "cell_type")


class TfPriors:
    """TF -> target edges by cell type, restricted to measured genes.

    Parameters
    ----------
    edges
        (TF, target, cell type) in file order; taken as checked, as `read` and `from_frame` do.
    """

    def __init__(self, edges: Iterable[tuple[str, str, str]]) -> None:
        anywhere: dict[str, dict[str, None]] = {}
        typed: dict[str, dict[str, set[str]]] = {}
        for tf, target, cell_type in edges:
            anywhere.setdefault(target, {})[tf] = None
            typed.setdefault(target, {}).setdefault(cell_type, set()).add(tf)
        self._anywhere = {target: tuple(tfs) for target, tfs in anywhere.items()}
        self._typed = typed

    @classmethod
    def read(cls, path: str | os.PathLike[str], genes: Collection[str]) -> TfPriors:
        """Read ``[grn].tf_priors_feather``.

        Parameters
        ----------
        path
            Arrow IPC (Feather) file with the columns source (TF), target and cell_type; ``~`` is expanded.
        genes
            Measured genes; other rows are skipped.

        Raises
        ------
        InputError
            The file cannot be read or lacks a column; the message names the file and the columns it has.
        """
        file = Path(path).expanduser()
        if not file.exists():
            raise InputError(f"no such file: {file}; it is the one of [grn].tf_priors_feather (--tf-prior)")
        try:
            table = pyarrow.feather.read_table(file)
        except (pa.ArrowException, OSError) as error:
            cause = " ".join(str(error).split())
            raise InputError(f"{file}: not a readable Arrow IPC (Feather) file [{cause}]") from error
        _check_columns(table.column_names, str(file))
        columns = [table.column(name).to_pylist() for name in COLUMNS]
        return cls._from_columns(columns, frozenset(genes), str(file))

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, genes: Collection[str]) -> TfPriors:
        """Make priors from a table with the columns source, target and cell_type.

        Raises
        ------
        InputError
            A column is missing.
        """
        _check_columns([str(name) for name in frame.columns], "TF priors")
        return cls._from_columns([frame[name].tolist() for name in COLUMNS], frozenset(genes), "TF priors")

    @classmethod
    def _from_columns(cls, columns: list[list[object]], genes: frozenset[str], where: str) -> TfPriors:
        rows = zip(*([_text(value) for value in column] for column in columns), strict=True)
        known = [row for row in rows if all(row) and row[0] in genes and row[1] in genes]
        itself = {tf for tf, target, _ in known if tf == target}
        if itself:
            log.warning("%s: a gene is no prior of itself; ignored for %s", where, listing(sorted(itself), 5))
        odd = {tf for tf, _, _ in known if any(sign in tf for sign in PAIR_SIGNS)}
        if odd:
            log.warning("%s: TFs with $ or # in their name are ignored: %s", where, listing(sorted(odd), 5))
        return cls((tf, target, kind) for tf, target, kind in known if tf != target and tf not in odd)

    @property
    def targets(self) -> tuple[str, ...]:
        """Genes that have at least one prior TF, in file order."""
        return tuple(self._anywhere)

    def regulators(self, target: str) -> tuple[str, ...]:
        """Return the TFs of a target in any cell type, each once, in file order."""
        return self._anywhere.get(target, ())

    def masks(self, target: str) -> dict[str, NDArray[np.bool_]]:
        """Return for each cell type with an entry which of `regulators` it allows.

        Returns
        -------
        Cell type label -> (n_regulators,); empty if the target has no priors.
        """
        tfs = self.regulators(target)
        return {
            cell_type: np.array([tf in allowed for tf in tfs], dtype=np.bool_)
            for cell_type, allowed in self._typed.get(target, {}).items()
        }


def _check_columns(present: list[str], where: str) -> None:
    missing = [name for name in COLUMNS if name not in present]
    if missing:
        raise InputError(
            f"{where}: column {listing(missing)} is missing; present: {listing(present)}; "
            f"TF priors need {', '.join(COLUMNS)}"
        )


def _text(value: object) -> str:
    missing = value is None or value is pd.NA or value != value  # noqa: PLR0124 - NaN is the value unlike itself
    return "" if missing else str(value).strip()
