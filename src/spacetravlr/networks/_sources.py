"""What a network is built from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from spacetravlr.errors import ConfigError, InputError
from spacetravlr.networks._files import TableFile
from spacetravlr.networks._packages import package_table
from spacetravlr.networks._provenance import read_provenance

LEVELS = ("A", "B", "C", "D", "E")


@dataclass(frozen=True, eq=False)
class Source:
    """A file or table of relations and how to take it.

    Raises
    ------
    ConfigError
        A number or word makes no sense.
    """

    table: str | Path | pd.DataFrame
    """A file; `liana:RESOURCE`, `decoupler:collectri` or `decoupler:dorothea` of an installed package; a table."""
    name: str | None = None
    """How reports call it; the name of the file by default."""
    format: str | None = None
    """One of `FORMATS` or `ALIASES`; recognised by the columns if not given."""
    weight: float = 1.0
    """How much its word counts."""
    license: str | None = None
    """Name or text of the licence it comes under."""
    min_weight: float | None = None
    """Relations must be at least this strong by the file's own weight, whatever its sign."""
    confidence: tuple[str, ...] = ("A", "B", "C")
    """Levels of DoRothEA to keep."""
    ligands: Literal["columns", "rows"] = "columns"
    """Where the ligands of a NicheNet matrix are."""
    translate: bool | None = None
    """Whether its symbols are translated by the table of orthologs; by default if they are rather of that species."""

    def __post_init__(self) -> None:
        who = self.label
        if not 0 < self.weight < float("inf"):
            raise ConfigError(f"{who}: the weight of a source must be a positive number, not {self.weight}")
        if self.min_weight is not None and not 0 <= self.min_weight < float("inf"):
            raise ConfigError(f"{who}: the least weight must be a number of at least 0, not {self.min_weight}")
        if self.ligands not in {"columns", "rows"}:
            raise ConfigError(f"{who}: ligands are in 'columns' or 'rows', not {self.ligands!r}")
        if not self.confidence or any(level not in LEVELS for level in self.confidence):
            raise ConfigError(f"{who}: confidence levels are some of A, B, C, D, E, not {','.join(self.confidence)!r}")

    @property
    def label(self) -> str:
        """Name for reports."""
        if self.name:
            return self.name
        if isinstance(self.table, pd.DataFrame):
            return "table"
        if self.is_package:
            return str(self.table).replace(":", " ")
        name = Path(self.table).name
        for suffix in (".gz", Path(name.removesuffix(".gz")).suffix):
            name = name.removesuffix(suffix)
        return name

    @property
    def is_package(self) -> bool:
        """Whether the table comes from an installed package."""
        return isinstance(self.table, str) and self.table.partition(":")[0] in {"liana", "decoupler"}


@dataclass(frozen=True)
class OpenSource:
    """A source with its table at hand."""

    given: Source
    name: str
    file: TableFile
    record: dict[str, Any]
    """What the provenance says of it."""


def open_sources(sources: Iterable[Source], species: str) -> list[OpenSource]:
    """Find the tables of all sources, and give each a name of its own.

    Raises
    ------
    InputError
        A file is missing, or there are no sources.
    MissingExtraError
        A package is not installed.
    """
    found: list[OpenSource] = []
    taken: set[str] = set()
    for source in sources:
        name, number = source.label, 1
        while name in taken:
            number += 1
            name = f"{source.label} ({number})"
        taken.add(name)
        found.append(_open(source, name, species))
    if not found:
        raise InputError("a network needs at least one source")
    return found


def _open(source: Source, name: str, species: str) -> OpenSource:
    if isinstance(source.table, pd.DataFrame) or source.is_package:
        frame, origin = (
            (source.table, "a table in memory")
            if isinstance(source.table, pd.DataFrame)
            else package_table(str(source.table), species, source.confidence)
        )
        text = frame.to_csv(index=False).encode()
        record: dict[str, Any] = {"file": origin, "sha256": sha256(text).hexdigest(), "bytes": len(text)}
        return OpenSource(source, name, MemoryTable(Path(name), frame), record)
    path = Path(source.table).expanduser()
    file = TableFile(path)
    file.check()
    digest, size = file.digest()
    record = {"file": path.name, "sha256": digest, "bytes": size}
    made_from = read_provenance(path) if file.kind == "parquet" else None
    if made_from is not None:
        record["provenance"] = made_from
    return OpenSource(source, name, file, record)


@dataclass(frozen=True)
class MemoryTable(TableFile):
    """A table that is in memory already."""

    table: pd.DataFrame

    @property
    def kind(self) -> str:
        """It is read like a parquet file: numbers are numbers."""
        return "memory"

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(str(name) for name in self.table.columns)

    def frame(self, columns: list[str] | None = None) -> pd.DataFrame:
        """Return columns, by default all."""
        table = self.table.reset_index(drop=True)
        return table if columns is None else table[columns]
