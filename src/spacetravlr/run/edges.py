"""All edges of a run in one table, the firmest first: what regulates what, how strongly, and how sure that is."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spacetravlr.betas import Betas, pooled_scores
from spacetravlr.errors import InputError, SpaceTravLRError, did_you_mean, listing
from spacetravlr.run.stability import EXTRAS, read_stability, stability_file

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from spacetravlr.run.run import Run

COLUMNS: Mapping[str, str] = {
    "target": "category",
    "cluster": "category",
    "modulator": "category",
    "kind": "category",
    "beta": "float64",
    "stability": "float64",
    "low": "float64",
    "high": "float64",
    "effect": "float64",
    "score": "float64",
    "group": "Int64",
    "group_size": "Int64",
}
KINDS = ("tf", "ligand-receptor", "ligand-tf")

Part = dict[str, "NDArray[Any]"]


def edge_table(
    root: Path, tables: Iterable[Betas], *, cluster: str | None = None, pooled: bool = False
) -> pd.DataFrame:
    """Return the edges of some targets, ranked; as `Run.edges`.

    Parameters
    ----------
    root
        Run directory.
    tables
        Coefficients of the targets.
    cluster
        Only the edges of this cluster.
    pooled
        Whether other clusters count in the score, and edges are told that have a coefficient in one of those only.
    """
    parts: list[Part] = []
    targets: list[str] = []
    for table in tables:
        part = _of_stability(stability_file(root, table.target), table) or _of_coefficients(table)
        score = part["stability"] * part["effect"]
        keep = part["beta"] != 0.0
        if pooled:
            shape = (np.unique(part["cluster"].astype(str)).size, -1)
            score = pooled_scores((np.sign(part["beta"]) * score).reshape(shape)).reshape(-1)
            keep |= score > 0.0
        part["score"] = score
        if cluster is not None:
            keep &= part["cluster"] == cluster
        parts.append({name: values[keep] for name, values in part.items()})
        targets += [table.target] * int(keep.sum())
    return _ranked(parts, targets)


def edges_of(run: Run, genes: Iterable[str], cluster: str | None, *, pooled: bool) -> pd.DataFrame:
    """Return the edges of some targets, of one cluster by its label or cell type if it is named; as `Run.edges`."""
    known: dict[str, None] = {}
    tables = []
    for name in genes:
        table = run.betas(name)
        tables.append(table)
        if table.by == "cluster":
            known.update(dict.fromkeys(table.row_labels))
    if cluster is not None and known and cluster not in known:
        cluster = find_cluster(cluster, known, cell_types_of(run))
    return edge_table(run.path, tables, cluster=cluster, pooled=pooled)


def cell_types_of(run: Run) -> dict[str, str]:
    """Return the cell type of each cluster label; empty if the sample is gone or has none."""
    try:
        return run.tissue().cluster_cell_types
    except SpaceTravLRError:
        return {}


def find_cluster(name: str, labels: Collection[str], types: Mapping[str, str]) -> str:
    """Return the label of the only cluster of a cell type.

    Parameters
    ----------
    name
        Of the cell type.
    labels
        Of the clusters.
    types
        The cell type of each label, as far as it is known.

    Raises
    ------
    InputError
        If there is none, or several.
    """
    found = [label for label in labels if types.get(label) == name]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(f"cell type {name!r} has several clusters, give one of them: {listing(found)}")
    hint = did_you_mean(name, [*labels, *types.values()], ".")
    told = (label if types.get(label, label) == label else f"{label} ({types[label]})" for label in labels)
    raise InputError(f"the run has no cluster {name!r}{hint} Clusters: {listing(told)}")


def with_members(edges: pd.DataFrame) -> pd.DataFrame:
    """Return edges with a column `members`: the modulators of each group that have a coefficient, separated by spaces.

    Parameters
    ----------
    edges
        All edges of the targets and clusters that are of interest, as `edge_table` gives them.
    """
    keys = ["target", "cluster", "group"]
    grouped = edges[edges["group"].notna() & (edges["beta"] != 0.0)]
    names = grouped.assign(modulator=grouped["modulator"].astype(str)).groupby(keys, observed=True, sort=False)
    members = names["modulator"].agg(" ".join).rename("members").reset_index()
    out = edges.merge(members, on=keys, how="left")
    out["members"] = out["members"].fillna("")
    return out


def _ranked(parts: Sequence[Part], targets: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    columns: dict[str, Any] = {"target": pd.Categorical(np.array(targets, dtype=object))}
    for name in COLUMNS:
        if name not in columns:
            values = np.concatenate([part[name] for part in parts]) if parts else np.empty(0)
            columns[name] = pd.Categorical(values.astype(object)) if COLUMNS[name] == "category" else values
    frame = pd.DataFrame(columns)
    for name in ("group", "group_size"):
        frame[name] = pd.array(frame[name].to_numpy(dtype=np.float64, na_value=np.nan), dtype="Int64")
        # alone is no group, and what was not looked for is none either
        frame[name] = frame[name].where(frame["group"] > 0)
    size = frame["beta"].abs()
    # names break ties, so that the order does not depend on that of the files
    names = frame[["target", "cluster", "modulator"]].astype(str)
    order = names.assign(score=-frame["score"], size=-size).sort_values(
        ["score", "size", "target", "cluster", "modulator"], kind="stable", na_position="last"
    )
    return frame.loc[order.index, list(COLUMNS)].reset_index(drop=True)


def _kinds(modulators: Sequence[str]) -> NDArray[np.object_]:
    marks = [1 if "$" in name else 2 if "#" in name else 0 for name in modulators]
    return np.array([KINDS[mark] for mark in marks], dtype=object)


def _spread(labels: Sequence[str], modulators: Sequence[str]) -> Part:
    n, k = len(labels), len(modulators)
    return {
        "cluster": np.repeat(np.array(labels, dtype=object), k),
        "modulator": np.tile(np.array(modulators, dtype=object), n),
        "kind": np.tile(_kinds(modulators), n),
    }


def _of_coefficients(table: Betas) -> Part:
    """Return the edges of a target of which nothing but the coefficients is known; those of cells are averaged."""
    cells = table.by == "cell"
    labels = ("",) if cells else table.row_labels
    values = np.asarray(table.values, dtype=np.float64)
    beta = values.mean(axis=0, keepdims=True) if cells else values
    part = _spread(labels, table.modulators)
    part["beta"] = beta.reshape(-1)
    unknown = np.full(part["beta"].size, np.nan)
    return part | dict.fromkeys(("stability", *EXTRAS[1:]), unknown)


def _of_stability(path: Path, table: Betas) -> Part | None:
    """Return the edges of a target with all that its stability file tells; None without one, or with an older one."""
    try:
        found = read_stability(path)
        if found is None:
            return _older(path, table)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError) as error:
        why = "left out: %s: damaged or incomplete (%s); continue the training, which makes it again"
        logging.getLogger("spacetravlr").warning(why, path, error)
        return None
    part = _spread(found.clusters, found.modulators)
    part["stability"] = found.fraction.reshape(-1)
    return part | {name: np.asarray(values, dtype=np.float64).reshape(-1) for name, values in found.lists.items()}


def _older(path: Path, table: Betas) -> Part | None:
    """Return coefficients and fractions of a file that holds no more than fractions."""
    fractions = Betas.read(path)
    if table.by == "cell" or fractions.row_labels != table.row_labels:
        return None
    part = _of_coefficients(table)
    known = dict(zip(fractions.modulators, fractions.values.T, strict=True))
    nothing = np.zeros(len(table.row_labels))
    part["stability"] = np.column_stack([known.get(name, nothing) for name in table.modulators]).reshape(-1)
    return part
