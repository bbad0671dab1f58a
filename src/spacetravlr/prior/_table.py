"""A network as a checked table: reading the file and bringing any data frame into one form."""

from __future__ import annotations

import logging
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from spacetravlr.errors import InputError, listing

log = logging.getLogger("spacetravlr")

EDGE_TYPES = ("grn", "lr", "nichenet")
"""TF -> gene, ligand -> receptor, ligand -> TF."""

REQUIRED = ("source", "target", "edge_type", "weight")
PAIR_SIGNS = ("$", "#")
"""Characters that join the names of a pair (``L$R``, ``L#TF``) and so cannot be part of a gene symbol."""

_POINTER = b"version https://git-lfs.github.com/spec/"


def read_network(path: Path) -> pd.DataFrame:
    """Read a network file.

    Parameters
    ----------
    path
        A parquet file with the columns of `REQUIRED` and, optionally, ``signaling``.

    Returns
    -------
    The rows as stored, only the columns that are used.

    Raises
    ------
    InputError
        The file cannot be opened, is not (or is a truncated) parquet file, is a Git LFS pointer, or lacks a column.
    """
    refuse_pointer(path)
    try:
        with pq.ParquetFile(path) as file:
            present = list(file.schema_arrow.names)
            check_columns(present, str(path))
            table = file.read(columns=[name for name in (*REQUIRED, "signaling") if name in present])
            frame: pd.DataFrame = table.to_pandas(strings_to_categorical=True, ignore_metadata=True)
    except (pa.ArrowException, OSError) as error:
        cause = " ".join(str(error).split())
        raise InputError(
            f"{path}: not a readable parquet file (truncated download?); fetch it again [{cause}]"
        ) from error
    return frame


def refuse_pointer(path: Path) -> None:
    """Raise if a file is the placeholder that Git LFS leaves in a clone made without it.

    Raises
    ------
    InputError
        The file is a pointer, or cannot be opened.
    """
    try:
        with path.open("rb") as file:
            head = file.read(len(_POINTER))
    except OSError as error:
        raise InputError(f"{path}: cannot be opened ({error.strerror})") from error
    if head == _POINTER:
        raise InputError(f"{path}: is a Git LFS pointer, not the table itself; run `git lfs pull` in that clone")


def check_columns(present: list[str], where: str) -> None:
    """Raise if a network table lacks a column, naming the table and the columns it has."""
    missing = [name for name in REQUIRED if name not in present]
    if missing:
        raise InputError(
            f"{where}: column {listing(missing)} is missing; present: {listing(present)}; "
            f"a network needs {', '.join(REQUIRED)}"
        )


def normalise(frame: pd.DataFrame, where: str) -> pd.DataFrame:
    """Bring a table of edges into the form that everything else relies on.

    Rows without a name or an edge type drop out, as do rows of an unknown edge type and rows whose source or target
    contains one of `PAIR_SIGNS` (one logged warning each). The order of the rows is kept: it decides the order of
    modulators.

    Parameters
    ----------
    frame
        Columns of `REQUIRED`, optionally ``signaling``; text columns may be categorical.
    where
        Name of the table for messages.

    Returns
    -------
    A new frame with a plain index: source, target, edge_type (categorical), weight (float64, NaN where there was
    none), and signaling (categorical) if it was given.

    Raises
    ------
    InputError
        A column is missing, holds something that is not text (or not a number, for the weight), or there are rows
        but none has a known edge type.
    """
    check_columns([str(name) for name in frame.columns], where)
    table = pd.DataFrame({name: _text(frame[name], name, where) for name in ("source", "target", "edge_type")})
    table["weight"] = _numbers(frame["weight"], where)
    if "signaling" in frame.columns:
        table["signaling"] = _text(frame["signaling"], "signaling", where)
    named = table[["source", "target", "edge_type"]].notna().all(axis=1) & (table["source"] != "")
    table = table[named & (table["target"] != "")]
    table = _known_types(table, where)
    table = _without_pair_signs(table, where)
    return table.reset_index(drop=True)


def _text(column: pd.Series, name: str, where: str) -> pd.Series:
    if column.isna().all():
        return pd.Series(pd.Categorical([None] * len(column), categories=pd.Index([], dtype=object)))
    # The plain index of the result makes columns of differently indexed input line up by position.
    values = column.reset_index(drop=True).astype("category")
    odd = [value for value in values.cat.categories if not isinstance(value, str)]
    if odd:
        raise InputError(f"{where}: column {name} holds {odd[0]!r}, expected text")
    return values


def _numbers(column: pd.Series, where: str) -> pd.Series:
    try:
        return pd.to_numeric(column.reset_index(drop=True)).astype("float64")
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: column weight is not numeric ({error})") from error


def _known_types(table: pd.DataFrame, where: str) -> pd.DataFrame:
    known = table["edge_type"].isin(EDGE_TYPES)
    if known.all():
        return table
    others = listing(sorted(set(table.loc[~known, "edge_type"])))
    expected = ", ".join(EDGE_TYPES)
    if not known.any():
        raise InputError(f"{where}: no row has a known edge_type; found {others}, expected {expected}")
    log.warning("%s: %d rows of edge_type %s are ignored (known: %s)", where, int((~known).sum()), others, expected)
    return table[known]


def _without_pair_signs(table: pd.DataFrame, where: str) -> pd.DataFrame:
    bad = pd.Series(data=False, index=table.index)
    names: set[str] = set()
    for end in ("source", "target"):
        odd = [name for name in table[end].cat.categories if any(sign in name for sign in PAIR_SIGNS)]
        hit = table[end].isin(odd)
        names.update(table.loc[hit, end])
        bad |= hit
    if not names:
        return table
    log.warning(
        "%s: %d edges are ignored because a symbol contains $ or #, which join the names of a pair: %s",
        where,
        int(bad.sum()),
        listing(sorted(names), 5),
    )
    return table[~bad]
