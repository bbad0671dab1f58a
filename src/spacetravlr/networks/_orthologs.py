"""From the symbols of one species to those of another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from spacetravlr.errors import ConfigError, InputError, did_you_mean, listing
from spacetravlr.networks._files import TableFile

OneToMany = Literal["all", "first", "drop"]


@dataclass(frozen=True)
class Orthologs:
    """A table of orthologous genes.

    Parameters
    ----------
    pairs
        Gene -> its orthologs, in the order of the table.
    targets
        All orthologs: a source written in these symbols needs no translation.
    columns
        Names of the two columns.
    record
        What the provenance says of the table.
    """

    pairs: dict[str, tuple[str, ...]]
    targets: frozenset[str]
    columns: tuple[str, str]
    record: dict[str, object]

    @classmethod
    def read(cls, path: str | Path, columns: tuple[str, str] | None = None) -> Orthologs:
        """Read a table.

        Parameters
        ----------
        path
            Text, parquet or feather with a header; HCOP's and Ensembl's exports are of this kind.
        columns
            Names of the columns with the symbols of the sources and those of the network; the first two by default.

        Raises
        ------
        InputError
            The file cannot be read, has one column, or no complete row.
        ConfigError
            There is no such column.
        """
        file = TableFile(Path(path).expanduser())
        present = file.columns
        if columns is None:
            if len(present) < 2:
                raise InputError(f"{file.path}: orthologs need two columns, one for each species")
            columns = (present[0], present[1])
        for name in columns:
            if name not in present:
                hint = did_you_mean(name, present, ".")
                raise ConfigError(f"{file.path}: there is no column {name!r}{hint} Columns: {listing(present, 12)}")
        found: dict[str, dict[str, None]] = {}
        for old, new in file.frame(list(columns)).itertuples(index=False, name=None):
            if isinstance(old, str) and isinstance(new, str) and old.strip() and new.strip():
                found.setdefault(old.strip(), {})[new.strip()] = None
        if not found:
            raise InputError(f"{file.path}: no row has symbols in both {columns[0]!r} and {columns[1]!r}")
        pairs = {old: tuple(new) for old, new in found.items()}
        record: dict[str, object] = {"file": file.path.name, "sha256": file.digest()[0], "columns": list(columns)}
        return cls(pairs, frozenset(one for new in pairs.values() for one in new), columns, record)

    def applies_to(self, symbols: Iterable[str]) -> bool:
        """Tell whether symbols are rather of the species that is translated than of the one they are translated to."""
        names = set(symbols)
        return len(names & self.pairs.keys()) > len(names & self.targets)

    def note(self, symbols: Iterable[str], *, asked: bool | None) -> tuple[bool, str]:
        """Decide whether a source is translated, and say so.

        Parameters
        ----------
        symbols
            All symbols of the source.
        asked
            What the user said, None if nothing.
        """
        names = set(symbols)
        translate = self.applies_to(names) if asked is None else asked
        old, new = self.columns
        if translate:
            return True, f"symbols translated from {old} to {new}"
        if asked is None and names.isdisjoint(self.targets):
            return False, "symbols taken as they are: none of them is in the table of orthologs"
        return False, f"symbols taken as they are: {'as asked' if asked is not None else f'they are those of {new}'}"

    def rule(self, one_to_many: OneToMany) -> dict[str, tuple[str, ...]]:
        """Return gene -> its orthologs after the rule for genes with several.

        Parameters
        ----------
        one_to_many
            `all` of them, the `first` of the table, or none (`drop`).
        """
        if one_to_many == "all":
            return self.pairs
        if one_to_many == "first":
            return {old: new[:1] for old, new in self.pairs.items()}
        return {old: new if len(new) == 1 else () for old, new in self.pairs.items()}


def expand(frame: pd.DataFrame, end: str, choices: pd.Series) -> pd.DataFrame:
    """Replace one end of each relation by each of its choices.

    Parameters
    ----------
    frame
        Relations.
    end
        `source` or `target`.
    choices
        A tuple of names for each row, none of them empty.

    Returns
    -------
    As many rows as there are choices, in order.
    """
    grown = frame.assign(**{end: choices}).explode(end)
    return grown.reset_index(drop=True)
