"""The cells that a person has chosen, in words and in rows."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spacetravlr.errors import InputError, UsageError, listing
from spacetravlr.perturbation._read import read_records
from spacetravlr.perturbation.regions import Region
from spacetravlr.perturbation.scopes import read_cells_csv
from spacetravlr.perturbation.workbench.bench import Workbench, shares_a_row

if TYPE_CHECKING:
    from collections.abc import Sequence

_WORDS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Table:
    """A column of a table whose columns are lists of cells."""

    path: Path
    column: str

    @staticmethod
    def columns(path: Path) -> dict[str, int]:
        """Return the columns of a table with the number of names in each.

        Raises
        ------
        InputError
            If it cannot be read, or has no header.
        """
        records = read_records(path)
        names = [name.strip() for name in records[0]] if records else []
        if not any(names):
            raise InputError(f"{path} has no header: its first line must name the columns, lists of cells")
        sizes = dict.fromkeys(filter(None, names), 0)
        for record in records[1:]:
            for name, entry in zip(names, record, strict=False):
                sizes[name] = sizes.get(name, 0) + bool(entry.strip() and name)
        sizes.pop("", None)
        return sizes


@dataclass(frozen=True)
class Scope:
    """Which cells; of several conditions all must hold, and without any it is the whole tissue.

    Attributes
    ----------
    column, labels
        A column of obs, and labels of it.
    table
        A column of a table of cells.
    query
        A condition on the columns of obs.
    region
        A file with a polygon in tissue coordinates.
    """

    column: str | None = None
    labels: tuple[str, ...] = ()
    table: Table | None = None
    query: str | None = None
    region: Path | None = None

    @classmethod
    def parse(cls, text: str, bench: Workbench) -> Scope:
        """Read a scope as a person writes it.

        Parameters
        ----------
        text
            `all`; labels such as `B cell,T cell`, of the cell types or of the first other column that has them all;
            `COLUMN=LABEL,LABEL`; `csv FILE COLUMN`; `where QUERY`; or `region FILE`.
        bench
            The cells.

        Raises
        ------
        InputError, UsageError
            If it means nothing here.
        """
        word, _, rest = text.strip().partition(" ")
        rest = rest.strip()
        if text.strip() in ("", "all"):
            return cls()
        if word in ("csv", "region") and rest:
            return _of_file(word, rest)
        if word == "where" and rest:
            return cls(query=rest)
        column, equals, listed = text.partition("=")
        if equals and column.strip() in bench.columns:
            return cls(column=column.strip(), labels=_labels(listed, bench.grouping(column.strip()).labels))
        for name in bench.columns:
            known = bench.grouping(name).labels
            labels = _labels(text, known)
            if labels and set(labels) <= set(known):
                return cls(column=name, labels=labels)
        return cls(column=bench.columns[0], labels=_labels(text, bench.grouping(bench.columns[0]).labels))

    @property
    def everywhere(self) -> bool:
        """Whether it is the whole tissue."""
        return self == Scope()

    @property
    def told(self) -> bool:
        """Whether `text` tells all of it: a few cell types, or the whole tissue."""
        known = self == Scope(column=self.column, labels=self.labels) and self.column in (None, "cell_type")
        return known and len(self.labels) <= _WORDS_SHOWN

    @property
    def text(self) -> str:
        """What it is, in a few words."""
        words = []
        if self.labels:
            words.append(listing(self.labels, _WORDS_SHOWN))
        if self.table is not None:
            words.append(f"{self.table.path.name}:{self.table.column}")
        if self.query is not None:
            words.append(f"where {self.query}")
        if self.region is not None:
            words.append(f"in {self.region.name}")
        return " & ".join(words) or "all cells"

    def resolve(self, bench: Workbench) -> NDArray[np.int64] | None:
        """Return the sorted rows of the cells, None for all.

        Raises
        ------
        InputError
            If a label, column, query or file is unknown or unreadable, or no cell is left.
        UsageError
            If labels are given without a column.
        """
        found: dict[str, NDArray[np.int64]] = {}
        if self.labels:
            if self.column is None:
                raise UsageError("labels are chosen from a column: name it")
            found[f"{self.column} {listing(self.labels, _WORDS_SHOWN)}"] = bench.rows_of({self.column: self.labels})
        if self.table is not None:
            path, column = self.table.path, self.table.column
            rows = read_cells_csv(path, column, bench.model.cells, left_out=bench.left_out)
            found[f"column {column!r} of {path}"] = rows
        if self.query is not None:
            found[f"the query {self.query!r}"] = bench.rows_of(self.query)
        if self.region is not None:
            found[f"the region {self.region}"] = bench.rows_of(Region.read(self.region))
        if not found:
            return None
        for words, rows in found.items():
            if not len(rows):
                raise InputError(f"no cell is meant by {words}")
        rows = shares_a_row(list(found.values()))
        if not len(rows):
            raise InputError(f"no cell is meant by all of {' and '.join(found)} together")
        return rows


def _labels(text: str, known: Sequence[str]) -> tuple[str, ...]:
    """Return labels separated by commas; a text that is a label itself is one."""
    if text.strip() in known:
        return (text.strip(),)
    return tuple(dict.fromkeys(label.strip() for label in text.split(",") if label.strip()))


def _of_file(word: str, rest: str) -> Scope:
    try:
        parts = shlex.split(rest)
    except ValueError as error:
        raise UsageError(f"{word} {rest}: a quote is not closed") from error
    if word == "region" and len(parts) == 1:
        return Scope(region=Path(parts[0]).expanduser())
    if word == "csv" and len(parts) == 2:
        return Scope(table=Table(Path(parts[0]).expanduser(), parts[1]))
    how = "csv FILE COLUMN" if word == "csv" else "region FILE"
    raise UsageError(f"write {how}, with quotes around names that have blanks, not {word} {rest}")
