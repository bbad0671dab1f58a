"""All coefficients of a run in one table: one row per modulator, target and cell type."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spacetravlr.betas._rows import as_labels
from spacetravlr.betas.table import Betas
from spacetravlr.errors import ConfigError, InputError, UsageError, listing

if TYPE_CHECKING:
    import pandas as pd

_log = logging.getLogger("spacetravlr")

Aggregate = Literal["mean", "min", "max", "sum", "positive", "negative"]
"""How the coefficients of the rows (cells or clusters) of one cell type become one number; ``positive`` and
``negative`` are the mean over those rows whose coefficient is above, or below, 0 (0 if there is none)."""

INTERACTION_TYPES = ("tf", "ligand-receptor", "ligand-tf")
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def collect_interactions(
    betas: Mapping[str, Betas] | Iterable[Betas],
    labels: Mapping[str, str] | ArrayLike | None = None,
    *,
    cells: Sequence[str] | None = None,
    aggregate: Aggregate | Sequence[Aggregate] = "mean",
    keep_zeros: bool = False,
) -> pd.DataFrame:
    """Return the coefficients of all targets as one tidy table.

    Parameters
    ----------
    betas
        The tables, for example a `Betabase`.
    labels
        Cell type of each row label: a mapping from cluster labels (for tables by cluster; `Tissue.cluster_cell_types`)
        or from cell names (for tables by cell; a run may have both, and so may the mapping), or ``(n_cells,)`` labels
        in the order of `cells`. None takes the row labels of tables by cluster as they are. Rows without a label are
        left out, with a warning where that is all rows of a target.
    cells
        ``(n_cells,)`` cell names that go with an array of labels.
    aggregate
        What becomes of the rows of one cell type, each row counting once: ``mean``, ``min``, ``max``, ``sum``,
        ``positive`` or ``negative`` (mean over the rows with a coefficient above, or below, 0). Several give a column
        each.
    keep_zeros
        Whether to list modulators whose coefficients in a cell type are all 0.

    Returns
    -------
    Columns ``interaction`` (``TF``, ``ligand$receptor`` or ``ligand#TF``), ``target_gene``, ``interaction_type``
    (``tf``, ``ligand-receptor``, ``ligand-tf``), ``cell_type``, ``beta``; with several aggregates a column for each of
    them instead of ``beta``. Texts are categorical. Targets in the given order, then cell types sorted, then modulators
    in file order. Cost: one pass over the coefficients.

    Raises
    ------
    ConfigError
        For an unknown aggregate.
    UsageError
        If tables by cell come without labels, or an array of labels without cell names.
    InputError
        If labels and cell names differ in number, or no row has a label.

    Examples
    --------
    >>> from spacetravlr.betas import collect_interactions
    >>> table = collect_interactions(run.betabase, run.tissue().cluster_cell_types)
    >>> table.columns.tolist()
    ['interaction', 'target_gene', 'interaction_type', 'cell_type', 'beta']
    """
    import pandas as pd

    asked = (aggregate,) if isinstance(aggregate, str) else tuple(aggregate)
    unknown = [name for name in asked if name not in get_args(Aggregate)]
    if unknown or not asked:
        raise ConfigError(f"unknown aggregate {listing(map(repr, unknown))} (known: {listing(get_args(Aggregate))})")
    tables = list(betas.values() if isinstance(betas, Mapping) else betas)
    grouping = _Grouping(None if labels is None else _label_map(labels, cells))
    numbers: dict[str, int] = {}
    parts = [_collect(table, grouping, numbers, asked, keep_zeros=keep_zeros) for table in tables]
    if tables and not grouping.names:
        raise InputError("no row of the coefficients has a cell type: check the labels against the row labels")
    lost = [table.target for table in tables if table.row_labels and not len(grouping.rows(table)[0])]
    if lost:
        _log.warning("%d targets are left out, none of their rows has a cell type: %s", len(lost), listing(lost, 8))
    names = sorted(grouping.names)
    rank = np.searchsorted(np.array(names, dtype=object), np.array(list(grouping.names), dtype=object))
    codes = _stack([part[0] for part in parts], np.empty((3, 0), dtype=np.int64))
    values = _stack([part[1] for part in parts], np.empty((len(asked), 0)))
    target = np.repeat(np.arange(len(tables)), [part[0].shape[1] for part in parts])
    order = np.lexsort((np.arange(len(target)), rank[codes[2]], target))
    texts = {
        "interaction": (codes[0], list(numbers)),
        "target_gene": (target, [table.target for table in tables]),
        "interaction_type": (codes[1], list(INTERACTION_TYPES)),
        "cell_type": (rank[codes[2]], names),
    }
    columns: dict[str, Any] = {
        name: pd.Categorical.from_codes(code[order], categories=pd.Index(known, dtype=object))
        for name, (code, known) in texts.items()
    }
    for name, column in zip(["beta"] if len(asked) == 1 else asked, values, strict=True):
        columns[name] = column[order]
    return pd.DataFrame(columns)


class _Grouping:
    """Cell types of rows; tables with the same row labels share the look-up."""

    def __init__(self, types: Mapping[str, str] | None) -> None:
        self._types = types
        self._known: dict[tuple[str, tuple[str, ...]], tuple[IntArray, IntArray]] = {}
        self.names: dict[str, int] = {}

    def rows(self, table: Betas) -> tuple[IntArray, IntArray]:
        """Return the rows that have a cell type, sorted by it, and the number of the cell type of each of them."""
        key = (table.by, table.row_labels)
        if key not in self._known:
            self._known[key] = self._look_up(table)
        return self._known[key]

    def _look_up(self, table: Betas) -> tuple[IntArray, IntArray]:
        if self._types is None and table.by == "cell":
            raise UsageError(
                f"the coefficients of {table.target} are per cell: give labels, the cell type of each cell name"
            )
        labels = table.row_labels if self._types is None else map(self._types.get, table.row_labels)
        codes = np.array(
            [-1 if label is None or label == "" else self.names.setdefault(label, len(self.names)) for label in labels],
            dtype=np.int64,
        )
        rows = np.flatnonzero(codes >= 0)
        rows = rows[np.argsort(codes[rows], kind="stable")]
        return rows, codes[rows]


def _label_map(labels: Mapping[str, str] | ArrayLike, cells: Sequence[str] | None) -> Mapping[str, str]:
    if isinstance(labels, Mapping):
        return {str(row): str(label) for row, label in labels.items()}
    if cells is None:
        raise UsageError("an array of labels needs the cell names that it belongs to")
    texts = as_labels(labels)
    if len(texts) != len(cells):
        raise InputError(f"there are {len(texts)} labels for {len(cells)} cells")
    return dict(zip(map(str, cells), texts, strict=True))


def _collect(
    table: Betas, grouping: _Grouping, numbers: dict[str, int], asked: Sequence[str], *, keep_zeros: bool
) -> tuple[IntArray, FloatArray]:
    """Return of one target ``(3, k)`` codes (interaction, its type, cell type) and ``(n_aggregates, k)`` values."""
    rows, codes = grouping.rows(table)
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    kinds = np.zeros(len(table.modulators), dtype=np.int64)
    kinds[list(table.roles.lr_columns)], kinds[list(table.roles.tfl_columns)] = 1, 2
    own = np.array([numbers.setdefault(name, len(numbers)) for name in table.modulators], dtype=np.int64)
    if not len(rows) or not len(own):
        return np.empty((3, 0), dtype=np.int64), np.empty((len(asked), 0))
    values = table.values[rows]
    counts = np.diff(starts, append=len(rows))[:, None]
    nonzero = np.logical_or.reduceat(values != 0, starts, axis=0)
    group, column = np.nonzero(nonzero | keep_zeros)
    found = [_aggregate(values, starts, counts, name)[group, column] for name in asked]
    return np.stack([own[column], kinds[column], codes[starts][group]]), np.stack(found)


def _aggregate(values: NDArray[Any], starts: IntArray, counts: IntArray, name: str) -> FloatArray:
    if name in ("min", "max"):
        extreme = np.minimum if name == "min" else np.maximum
        return np.asarray(extreme.reduceat(values, starts, axis=0), dtype=np.float64)
    if name in ("positive", "negative"):
        chosen = values > 0 if name == "positive" else values < 0
        values = np.where(chosen, values, 0.0)
        counts = np.maximum(np.add.reduceat(chosen, starts, axis=0, dtype=np.int64), 1)
    sums: FloatArray = np.add.reduceat(values, starts, axis=0, dtype=np.float64)
    return sums if name == "sum" else sums / counts


def _stack(parts: Sequence[NDArray[Any]], empty: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([empty, *parts], axis=1)
