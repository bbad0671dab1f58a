"""How well the true edges were found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spacetravlr.bench._ranking import Array, auprc, auroc, base_rate, sign_agreement
from spacetravlr.betas import pooled_scores
from spacetravlr.errors import InputError, listing

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["TF", "LR", "TFL"]
Unit = Literal["edge", "ligand", "receptor"]
_Entries = tuple[Array, ...]
"""True effects and scores of what is ranked."""


class CoefficientTable(Protocol):
    """What `edge_recovery` reads of the coefficients of one target."""

    @property
    def row_labels(self) -> Sequence[str]:
        """Labels of the rows."""

    @property
    def modulators(self) -> Sequence[str]:
        """Names of the columns."""

    @property
    def values(self) -> NDArray[np.floating]:
        """(n_rows, n_modulators) coefficients."""


@dataclass(frozen=True)
class EdgeRecovery:
    """How well the edges of one kind were found, over all targets and cell types.

    Attributes
    ----------
    auprc
        Average precision of the ranking by size.
    auprc_pooled
        The same when what is found in other cell types counts, as `Run.edges(pooled=True)` ranks.
    base_rate
        Share of the candidates that are true: the average precision of a random ranking.
    auroc
        Area under the ROC curve of the same ranking.
    sign
        Share of the true edges with the right sign; one that was not found counts as wrong.
    sign_found
        The same among the true edges with a coefficient other than 0.
    n_candidates, n_true
        Numbers of edges.
    """

    auprc: float
    auprc_pooled: float
    base_rate: float
    auroc: float
    sign: float
    sign_found: float
    n_candidates: int
    n_true: int


def kind_of(modulator: str) -> Kind:
    """Return the kind of a modulator by its name: ``L$R``, ``L#TF``, or a plain gene."""
    return "LR" if "$" in modulator else "TFL" if "#" in modulator else "TF"


def edge_recovery(
    betas: Mapping[str, CoefficientTable],
    truth: pd.DataFrame,
    *,
    candidates: Mapping[str, Sequence[str]],
    cell_types: Sequence[str],
    sd_x: Mapping[str, ArrayLike] | None = None,
    sd_y: Mapping[str, ArrayLike] | None = None,
    row_names: Mapping[str, str] | None = None,
    stability: Mapping[str, ArrayLike] | None = None,
    unit: Unit = "edge",
) -> dict[Kind, EdgeRecovery]:
    """Compare fitted coefficients with the true edges of a simulated tissue.

    Every (target, cell type, candidate modulator) is an entry, ranked by |beta| sd(x) / sd(y). A candidate without a
    coefficient, and every candidate of a target without a table, has the score 0.

    Parameters
    ----------
    betas
        Target -> coefficients with one row per cell type.
    truth
        Rows target, modulator, cell_type, effect, as in ``uns["truth"]["edges"]``.
    candidates
        Target -> names of the modulators it was offered; the targets that are scored.
    cell_types
        Labels of the truth, in the order of the arrays below.
    sd_x, sd_y
        Modulator (target) -> (n_types,) standard deviation of the column (of the gene) inside every type; without
        them 1.
    row_names
        Row label of a table -> cell type, where the two differ (for example "0" -> "Astrocyte").
    stability
        Target -> (n_rows, n_modulators) factor on the score, in the rows and columns of its table.
    unit
        What is ranked of ligand-receptor pairs: the pairs, or the largest score of every ligand or receptor.

    Returns
    -------
    Kind -> scores, for the kinds that have candidates.

    Raises
    ------
    InputError
        If a true edge of a scored target is not among the candidates, or a row label is not a cell type.
    """
    known = _effects(truth, candidates, cell_types)
    rankings: dict[Kind, list[_Entries]] = {}
    signs: dict[Kind, list[_Entries]] = {}
    for target, names in candidates.items():
        effects = known[target]
        estimate, weight = np.zeros_like(effects), np.zeros_like(effects)
        table = betas.get(target)
        if table is not None:
            into, of = _places(table, target, names, cell_types, row_names or {})
            estimate[into] = np.asarray(table.values)[of]
            weight[into] = 1.0 if stability is None else np.asarray(stability[target])[of]
        signed = estimate * weight * _scale(target, names, len(cell_types), sd_x, sd_y)
        score, pooled = np.abs(signed), pooled_scores(signed)
        kinds = np.array([kind_of(name) for name in names])
        for kind in ("TF", "LR", "TFL"):
            columns = np.flatnonzero(kinds == kind)
            if len(columns):
                signs.setdefault(kind, []).append((effects[:, columns], estimate[:, columns]))
                chosen = [name for name in names if kind_of(name) == kind]
                what = unit if kind == "LR" else "edge"
                entries = _ranked_units(effects[:, columns], (score[:, columns], pooled[:, columns]), chosen, what)
                rankings.setdefault(kind, []).append(entries)
    return {kind: _recovery(rankings[kind], signs[kind]) for kind in rankings}


def _effects(
    truth: pd.DataFrame, candidates: Mapping[str, Sequence[str]], cell_types: Sequence[str]
) -> dict[str, Array]:
    """Return target -> (n_types, n_candidates) true effects."""
    row = {label: index for index, label in enumerate(cell_types)}
    column = {target: {name: index for index, name in enumerate(names)} for target, names in candidates.items()}
    effects = {target: np.zeros((len(cell_types), len(names))) for target, names in candidates.items()}
    columns = (truth[name] for name in ("target", "modulator", "cell_type", "effect"))
    for target, modulator, label, effect in zip(*columns, strict=True):
        if target not in effects:
            continue
        if modulator not in column[target]:
            raise InputError(f"the true edge {modulator} -> {target} is not among the candidates of {target}; add it")
        if label not in row:
            raise InputError(f"the truth has the cell type {label!r}; cell_types lists {listing(cell_types)}")
        effects[target][row[label], column[target][modulator]] = effect
    return effects


def _places(
    table: CoefficientTable,
    target: str,
    names: Sequence[str],
    cell_types: Sequence[str],
    row_names: Mapping[str, str],
) -> tuple[tuple[NDArray[np.int64], ...], tuple[NDArray[np.int64], ...]]:
    """Return where the coefficients of a table go among (types, candidates), and where they are in the table."""
    position = {name: index for index, name in enumerate(names)}
    strangers = [name for name in table.modulators if name not in position]
    if strangers:
        raise InputError(f"{target} has coefficients of {listing(strangers, 3)}, which are not among its candidates")
    labels = [row_names.get(label, label) for label in table.row_labels]
    unknown = [label for label in labels if label not in cell_types]
    if unknown:
        raise InputError(
            f"row {unknown[0]!r} of {target} is no cell type of the truth ({listing(cell_types)}); give row_names"
        )
    rows = np.array([list(cell_types).index(label) for label in labels], dtype=np.int64)
    columns = np.array([position[name] for name in table.modulators], dtype=np.int64)
    return np.ix_(rows, columns), np.ix_(np.arange(len(rows)), np.arange(len(columns)))


def _scale(
    target: str,
    names: Sequence[str],
    n_types: int,
    sd_x: Mapping[str, ArrayLike] | None,
    sd_y: Mapping[str, ArrayLike] | None,
) -> Array:
    scale = np.ones((n_types, len(names)))
    if sd_x is not None:
        scale *= np.column_stack([np.asarray(sd_x[name], dtype=np.float64) for name in names])
    if sd_y is not None:
        spread = np.asarray(sd_y[target], dtype=np.float64)[:, None]
        scale /= np.where(spread > 0.0, spread, np.inf)
    return scale


def _ranked_units(effects: Array, scores: tuple[Array, ...], names: Sequence[str], unit: Unit) -> _Entries:
    """Return effects and scores of edges, or the largest ones of every ligand or receptor."""
    if unit == "edge":
        return effects, *scores
    part = 0 if unit == "ligand" else 1
    genes, group = np.unique([name.split("$")[part] for name in names], return_inverse=True)
    largest = [np.zeros((len(genes), len(effects))) for _ in range(1 + len(scores))]
    for best, values in zip(largest, (np.abs(effects), *scores), strict=True):
        np.maximum.at(best, group, values.T)
    return tuple(largest)


def _recovery(ranking: list[_Entries], signs: list[_Entries]) -> EdgeRecovery:
    is_true, score, pooled = (np.concatenate([entry[part].ravel() for entry in ranking]) for part in range(3))
    effect, estimate = (np.concatenate([entry[part].ravel() for entry in signs]) for part in (0, 1))
    found = estimate != 0.0
    return EdgeRecovery(
        auprc=auprc(score, is_true != 0.0),
        auprc_pooled=auprc(pooled, is_true != 0.0),
        base_rate=base_rate(is_true != 0.0),
        auroc=auroc(score, is_true != 0.0),
        sign=sign_agreement(estimate, effect),
        sign_found=sign_agreement(estimate[found], effect[found]),
        n_candidates=len(is_true),
        n_true=int((is_true != 0.0).sum()),
    )
