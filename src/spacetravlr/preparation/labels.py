"""Names: of genes, of cells, and of cell types as text and as numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.errors import InputError, did_you_mean, listing
from spacetravlr.tissue.clusters import INTEGER_COLUMN, cell_type_column, read_labels

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray

TYPE_COLUMN = "cell_type"
UNLABELLED = "unassigned"
SYMBOL_COLUMNS = ("gene_symbols", "gene_symbol", "feature_name", "gene_name", "gene_names", "symbol", "symbols")
_NO_SYMBOL = re.compile(r"ENS[A-Z]*G\d{6,}(\.\d+)?|\d+(\.\d+)?")
_WHOLE = re.compile(r"0|[1-9]\d{0,8}")


def are_symbols(names: Sequence[str]) -> bool:
    """Return whether names of genes are symbols, as far as most of them are neither Ensembl identifiers nor numbers."""
    return sum(bool(_NO_SYMBOL.fullmatch(name)) for name in names) <= len(names) // 2


def use_symbols(adata: AnnData, tell: Callable[[str], None]) -> None:
    """Give genes their symbols where they have identifiers or plain numbers, and make all names unique; in place.

    Parameters
    ----------
    adata
        The sample; identifiers are kept in `var["gene_ids"]`.
    tell
        Is told of each change.
    """
    names = [str(name) for name in adata.var_names]
    if not are_symbols(names):
        column = next((name for name in SYMBOL_COLUMNS if name in adata.var.columns), None)
        if column is None:
            tell(
                f"genes have identifiers ({listing(names, 2)}) and var has no column of symbols: no network knows them"
            )
        else:
            given = adata.var[column]
            symbols = [
                name if missing or not str(symbol).strip() else str(symbol).strip()
                for name, symbol, missing in zip(names, given, given.isna(), strict=True)
            ]
            if "gene_ids" not in adata.var.columns:
                adata.var["gene_ids"] = names
            adata.var_names = symbols
            tell(f"genes are named by var[{column!r}]; their identifiers are in var['gene_ids']")
    adata.var_names = adata.var_names.astype(str)
    adata.obs_names = adata.obs_names.astype(str)
    if not adata.var_names.is_unique:
        tell(f"{int(adata.var_names.duplicated().sum()):,} gene names occur more than once: -1, -2 ... were added")
        adata.var_names_make_unique()
    if not adata.obs_names.is_unique:
        tell(f"{int(adata.obs_names.duplicated().sum()):,} cell names occur more than once: -1, -2 ... were added")
        adata.obs_names_make_unique()


def check_column(obs: pd.DataFrame, column: str, flag: str) -> None:
    """Refuse a column that does not exist.

    Raises
    ------
    InputError
        With the columns that do.
    """
    if column not in obs.columns:
        names = [str(name) for name in obs.columns]
        hint = did_you_mean(column, names, ".")
        raise InputError(f"{flag} {column!r} is not in obs{hint} Columns: {listing(names, 25)}")


def choose_type_column(obs: pd.DataFrame, column: str | None) -> str | None:
    """Return the column of cell types: the one asked for, else a known name, else the numbers; None if there is none.

    Raises
    ------
    InputError
        If the one asked for does not exist.
    """
    if column is not None:
        check_column(obs, column, "the cluster column")
        return column
    return cell_type_column(obs) or (INTEGER_COLUMN if INTEGER_COLUMN in obs.columns else None)


def possible_type_columns(obs: pd.DataFrame) -> list[str]:
    """Return the columns that could name cell types: text or categories, of 2 to 200 kinds."""
    found = []
    for name in obs.columns:
        values = obs[name]
        text = values.dtype == object or str(values.dtype) in {"category", "string", "str"}
        if text and 2 <= values.nunique() <= min(200, max(2, len(obs) // 2)):
            found.append(str(name))
    return found


def labels_digest(obs: pd.DataFrame, column: str | None) -> str | None:
    """Return a SHA-256 of the labels in a column, the same for text and categories; None for no column.

    Raises
    ------
    InputError
        If no cell has a label, or one is a number that is not whole.
    """
    if column is None:
        return None
    labels, codes = _labels(obs, column)
    return sha256("\0".join(labels[code] for code in codes).encode()).hexdigest()


def _labels(obs: pd.DataFrame, column: str) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    values = obs[column]
    missing = values.isna().to_numpy()
    if missing.all():
        raise InputError(f"no cell has a label in obs[{column!r}]")
    if missing.any():
        values = values.astype(object).where(~missing, UNLABELLED).map(_as_text)
    return read_labels(values, column)


def set_types(obs: pd.DataFrame, column: str, tell: Callable[[str], None], *, keep: bool = True) -> int:
    """Write `cell_type` (categories of text) and `cell_type_int`; in place. Return the number of types.

    The numbers are those that are there, if they go with the types one to one; else the types themselves where all are
    whole numbers, such as those of Leiden clusters; else types are counted in their order: categories as stored, text
    sorted. Cells without a label become `unassigned`.

    Parameters
    ----------
    obs
        Table of the cells.
    column
        Where the types are.
    tell
        Is told of each change.
    keep
        Whether other types in `cell_type` are kept in `cell_type_before`, where there is nothing yet.

    Raises
    ------
    InputError
        If no cell has a label, or one is a number that is not whole.
    """
    import pandas as pd

    missing = int(obs[column].isna().sum())
    labels, codes = _labels(obs, column)
    if missing:
        tell(f"{missing:,} cells have no label in obs[{column!r}]: they are {UNLABELLED!r}")
    numbers = _numbers_there(obs, labels, codes)
    before = f"{TYPE_COLUMN}_before"
    if keep and TYPE_COLUMN in obs.columns and column != TYPE_COLUMN and before not in obs.columns:
        there = obs[TYPE_COLUMN].astype(str).to_numpy()
        if not np.array_equal(there, np.asarray(labels, dtype=object)[codes].astype(str)):
            obs[before] = obs[TYPE_COLUMN]
            tell(f"obs[{TYPE_COLUMN!r}] is replaced by obs[{column!r}]; what was there is in {before}")
    order = np.argsort(numbers, kind="stable")
    rank = np.argsort(order, kind="stable")
    obs[TYPE_COLUMN] = pd.Categorical.from_codes(
        rank[codes].astype(np.int64), categories=pd.Index([labels[at] for at in order])
    )
    obs[INTEGER_COLUMN] = numbers[codes]
    return len(labels)


def _numbers_there(obs: pd.DataFrame, types: Sequence[str], codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of every code: of `cell_type_int` if they agree one to one, else the type's own, or the code.

    Two numberings of the same clusters would be taken for one another: sorted as text, cluster 4 is type 12.
    """
    numbered = all(_WHOLE.fullmatch(label) for label in types)
    own = np.array([int(label) for label in types] if numbered else range(len(types)), dtype=np.int64)
    if INTEGER_COLUMN not in obs.columns:
        return own
    try:
        labels, there = read_labels(obs[INTEGER_COLUMN], INTEGER_COLUMN)
        numbers = np.array([int(label) for label in labels], dtype=np.int64)
    except (InputError, ValueError):
        return own
    pairs = {(int(a), int(b)) for a, b in zip(codes, there, strict=True)}
    if len(pairs) == len(own) == len(numbers) and numbers.min() >= 0:
        own[[code for code, _ in pairs]] = numbers[[number for _, number in pairs]]
    return own


def _as_text(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
