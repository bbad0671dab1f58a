"""What has become of every target, as the files tell."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from spacetravlr.betas import betadata_files

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from spacetravlr.run import RunDirectory, RunStatus

Fate = Literal["model", "orphan", "failed", "at work", "left behind", "waiting"]
FATES: tuple[Fate, ...] = ("model", "orphan", "failed", "at work", "left behind", "waiting")
_NO_REASON = "no modulator was kept"
DETAIL = (
    "cluster",
    "n_cells",
    "n_modulators",
    "n_kept",
    "r2_in",
    "r2_out",
    "r2_tf_only",
    "r2_shuffled",
    "r2_niche_out",
    "n_iter",
    "converged",
    "kept",
)
"""Columns of `scores.feather` that are shown for every cluster of a gene."""
_DIGITS = 4
_MORE_DIGITS = 6
"""What is shown of a gene is rounded once more, and must not be rounded twice."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Genes:
    """The targets of a run, a row each.

    Attributes
    ----------
    names, fates, reasons
        Of each target; a reason is empty where there is nothing to explain.
    r2_in, r2_out
        (n,) means over clusters, unweighted; NaN where not known.
    p_space
        (n,) chance of what the places of the cells add, if they did not matter; NaN where not known.
    n_offered, n_kept
        (n,) modulators of the design, and with a coefficient in the file; -1 where not known.
    n_clusters, n_modelled
        (n,) clusters that were fitted, and those of them with coefficients; -1 where not known.
    scores
        A row per target and cluster, as `scores.feather`.
    """

    names: tuple[str, ...]
    fates: tuple[Fate, ...]
    reasons: tuple[str, ...]
    r2_in: NDArray[np.float64]
    r2_out: NDArray[np.float64]
    p_space: NDArray[np.float64]
    n_offered: NDArray[np.int64]
    n_kept: NDArray[np.int64]
    n_clusters: NDArray[np.int64]
    n_modelled: NDArray[np.int64]
    scores: pd.DataFrame

    def count(self, fate: Fate) -> int:
        """Return how many targets have this fate."""
        return self.fates.count(fate)

    @property
    def modelled(self) -> NDArray[np.bool_]:
        """(n,) whether a target has coefficients."""
        return np.array([fate == "model" for fate in self.fates], dtype=bool)

    @property
    def skill(self) -> dict[str, float]:
        """R2 in regions held out of the targets with coefficients, NaN where it is not known."""
        own = self.modelled
        return {name: r2 for name, r2, has in zip(self.names, self.r2_out.tolist(), own, strict=True) if has}

    def median(self, name: Literal["r2_in", "r2_out"]) -> float:
        """Return the median over targets with coefficients, NaN if none is known."""
        values = getattr(self, name)[self.modelled]
        values = values[np.isfinite(values)]
        return float(np.median(values)) if len(values) else math.nan

    @property
    def tells_places(self) -> bool:
        """Whether it is known of any target what the places of the cells add."""
        return bool(np.isfinite(self.p_space).any())

    def payload(self) -> dict[str, Any]:
        """Return what the table of the page is made of: columns, and for each target the rows of its clusters."""
        clusters = list(dict.fromkeys(self.scores["cluster"].astype(str)))
        # columns that nothing is known of are not shown
        columns = [name for name in DETAIL if name == "cluster" or self.scores[name].notna().any()]
        return {
            "schema": 1,
            "genes": list(self.names),
            "fates": list(FATES),
            "fate": [FATES.index(fate) for fate in self.fates],
            "reason": list(self.reasons),
            "r2_in": _rounded(self.r2_in),
            "r2_out": _rounded(self.r2_out),
            "p_space": _rounded(self.p_space),
            **{name: _counts(getattr(self, name)) for name in ("n_offered", "n_kept", "n_clusters", "n_modelled")},
            "clusters": clusters,
            "columns": columns,
            "rows": self._rows(columns, {label: number for number, label in enumerate(clusters)}),
        }

    def _rows(self, columns: list[str], codes: Mapping[str, int]) -> list[list[list[Any]]]:
        cells = {name: _plain(self.scores[name]) for name in columns if name != "cluster"}
        cells = {"cluster": [codes[str(label)] for label in self.scores["cluster"]], **cells}
        by_gene: dict[str, list[list[Any]]] = {}
        for gene, *row in zip(self.scores["gene"], *(cells[name] for name in columns), strict=True):
            by_gene.setdefault(str(gene), []).append(row)
        return [by_gene.get(name, []) for name in self.names]


def read_genes(directory: RunDirectory, status: RunStatus, scores: pd.DataFrame) -> Genes:
    """Return what has become of the targets of a run.

    Parameters
    ----------
    directory
        The run.
    status
        Its status; what is finished after it was read is told the next time.
    scores
        As `Run.scores`.
    """
    fates = _fates(status)
    names = tuple(_in_order(fates, status.planned))
    tables = scores.groupby("gene", sort=False)
    summary = tables.agg(
        r2_in=("r2_in", "mean"),
        r2_out=("r2_out", "mean"),
        p_space=("p_space", "first"),
        n_offered=("n_modulators", "max"),
        n_clusters=("cluster", "size"),
        n_modelled=("kept", "sum"),
    ).reindex(list(names))
    kept = _kept(directory.path)
    reasons = {gene: directory.orphan_reason(gene) or _NO_REASON for gene in status.orphan}
    reasons |= dict(status.failed)
    return Genes(
        names=names,
        fates=tuple(fates[name] for name in names),
        reasons=tuple(reasons.get(name, "") for name in names),
        r2_in=_real(summary["r2_in"]),
        r2_out=_real(summary["r2_out"]),
        p_space=_real(summary["p_space"]),
        n_offered=_whole(summary["n_offered"]),
        n_clusters=_whole(summary["n_clusters"]),
        n_modelled=_whole(summary["n_modelled"]),
        n_kept=np.array([kept.get(name, -1) for name in names], dtype=np.int64),
        scores=scores[scores["gene"].isin(set(names))],
    )


def _fates(status: RunStatus) -> dict[str, Fate]:
    fates: dict[str, Fate] = dict.fromkeys(status.planned or (), "waiting")
    fates |= dict.fromkeys(status.failed, "failed")
    fates |= {lock.gene: "left behind" if lock.gone else "at work" for lock in status.locked}
    fates |= dict.fromkeys(status.orphan, "orphan")
    fates |= dict.fromkeys(status.done, "model")
    return fates


def _in_order(fates: Mapping[str, Fate], planned: tuple[str, ...] | None) -> list[str]:
    first = list(dict.fromkeys(planned or ()))
    return [*first, *sorted(fates.keys() - set(first))]


def _kept(root: Path) -> dict[str, int]:
    """Return how many modulators each coefficient file has, told by its header alone."""
    import pyarrow as pa

    found: dict[str, int] = {}
    for gene, path in betadata_files(root).items():
        if path.suffix != ".feather":
            continue
        try:
            with pa.memory_map(str(path)) as stream:
                names = pa.ipc.open_file(stream).schema.names
        except (OSError, pa.ArrowInvalid):
            # it is being replaced, or damaged, which is told elsewhere
            continue
        found[gene] = sum(name != "beta0" for name in names[1:])
    return found


def _real(column: pd.Series) -> NDArray[np.float64]:
    return column.to_numpy(dtype=np.float64)


def _whole(column: pd.Series) -> NDArray[np.int64]:
    return column.astype("float64").fillna(-1).to_numpy().astype(np.int64)


def _rounded(values: NDArray[np.float64]) -> list[float | None]:
    return [round(value, _MORE_DIGITS) if math.isfinite(value) else None for value in values.tolist()]


def _counts(values: NDArray[np.int64]) -> list[int | None]:
    return [value if value >= 0 else None for value in values.tolist()]


def _plain(column: pd.Series) -> list[Any]:
    return [_plain_value(value) for value in column.tolist()]


def _plain_value(value: Any) -> Any:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, bool | np.bool_):
        return int(value)
    number = float(value)
    return int(number) if number.is_integer() else round(number, _DIGITS)
