"""What a reader is told besides its file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spacetravlr.errors import InputError, listing
from spacetravlr.networks._companions import Companions
from spacetravlr.networks._ledger import Ledger

Wanted = Callable[[Sequence[str]], NDArray[np.bool_]]
"""Tells of names, as the source writes them, whether the network has a use for them."""


def everything(names: Sequence[str]) -> NDArray[np.bool_]:
    """Want all names."""
    return np.ones(len(names), dtype=np.bool_)


@dataclass(frozen=True)
class Context:
    """Options of one source and where its account goes."""

    where: str
    """Name of the file for messages."""
    ledger: Ledger
    companions: Companions = field(default_factory=Companions)
    confidence: tuple[str, ...] = ("A", "B", "C")
    """Levels that are kept where a table has levels."""
    min_weight: float | None = None
    """Relations must be at least this strong by the file's own weight, whatever its sign."""
    ligands: str = "columns"
    """Where the ligands of a matrix are: columns or rows."""
    wanted_ligands: Wanted = everything
    """Ligands that a matrix is asked for."""
    wanted_tfs: Wanted = everything
    """TFs that a matrix is asked for."""

    def pick(self, columns: Iterable[str], aliases: Sequence[str], what: str) -> str:
        """Return the first alias that is a column, whatever its case.

        Raises
        ------
        InputError
            There is none.
        """
        columns = list(columns)
        found = self.find(columns, aliases)
        if found is None:
            raise InputError(
                f"{self.where}: no column with the {what}; looked for {listing(aliases)}, "
                f"present: {listing(columns, 12)}"
            )
        return found

    @staticmethod
    def find(columns: Iterable[str], aliases: Sequence[str]) -> str | None:
        """Return the first alias that is a column, whatever its case; None if there is none."""
        folded = {str(name).casefold(): str(name) for name in reversed(list(columns))}
        return next((folded[alias] for alias in aliases if alias in folded), None)

    def keep(self, table: pd.DataFrame, wanted: NDArray[np.bool_] | pd.Series, reason: str) -> pd.DataFrame:
        """Return the rows that are wanted, and count the others as lost."""
        mask = np.asarray(wanted, dtype=np.bool_)
        self.ledger.lose(reason, int((~mask).sum()))
        return table[mask]

    def numbers(self, column: pd.Series) -> pd.Series:
        """Return a column as numbers, NaN where it is empty.

        Raises
        ------
        InputError
            It holds text.
        """
        try:
            return pd.to_numeric(column).astype(np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(f"{self.where}: column {column.name} is not numeric ({error})") from error
