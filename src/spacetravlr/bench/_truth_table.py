"""Means and spreads over seeds, as tables for the terminal and for a page."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from spacetravlr.bench._text import decimal, table
from spacetravlr.bench._truth_changes import RING_NAMES
from spacetravlr.config import N_PROPAGATION

COLUMNS = {
    "auprc_TF": "TF edges",
    "auprc_LR": "LR edges",
    "auprc_TFL": "TFL edges",
    "sign_LR": "sign LR",
    "r2_in": "R2 in",
    "r2_out": "R2 out",
    "models_free": "free genes",
    f"TF_r@{N_PROPAGATION}": "KO TF r",
    f"TF_auroc@{N_PROPAGATION}": "AUROC",
    f"ligand_r@{N_PROPAGATION}": "KO lig r",
    f"ligand_sign@{N_PROPAGATION}": "sign",
    f"ligand_auroc@{N_PROPAGATION}": "AUROC",
    f"ligand_size@{N_PROPAGATION}": "size",
}
"""Metric -> heading of the main table."""

TRUST = {
    "auprc_pooled_TF": "pooled TF",
    "auprc_pooled_LR": "pooled LR",
    "auprc_pooled_TFL": "pooled TFL",
    "top_TF": "first TF",
    "top_LR": "first LR",
    "top_TFL": "first TFL",
    "false_TF": "false TF",
    "false_LR": "false LR",
    "false_TFL": "false TFL",
    "beta_r_TF": "r TF",
    "beta_slope_TF": "slope TF",
    "beta_r_LR": "r LR",
    "beta_slope_LR": "slope LR",
}
"""Metric -> heading of the table on what a reader of the coefficients sees."""

TRUST_NOTE = (
    "pooled: AUPRC when what is found in other cell types counts (`spacetravlr edges --pooled`);",
    "first: how many are true of those that rank first, as many as a quarter of the true ones;",
    "false: untrue candidates with |beta| sd(x) / sd(y) above 0.1; r: correlation with the true sizes;",
    "slope: of the truth on them, 1 is the right size.",
)

_FEW = ("default", "readme", "original", "oracle")
_HEADLINE = {
    "auprc_TF": "TF edges",
    "auprc_LR": "LR edges",
    f"TF_r@{N_PROPAGATION}": "KO TF r",
    f"ligand_r@{N_PROPAGATION}": "KO lig r",
}
_SCORES = ("r", "sign", "auroc", "top", "within_gene_r", "within_cell_r", "size", "slope", "false")
_SCOPES = {"": "whole tissue", "type_": "one cell type", "region_": "a region"}

Rows = Sequence[Mapping[str, Any]]
Texts = tuple[list[str], list[list[str]]]
"""Headings, and the cells of every row."""


def summarise(results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return for every tissue and arm the mean and standard deviation of each metric over the seeds.

    Parameters
    ----------
    results
        Records with `tissue`, `arm`, `seed` and numbers.

    Returns
    -------
    Records `tissue`, `arm`, `n`, `mean` and `sd` (metric -> number; the deviation of one seed is 0).
    """
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for one in results:
        groups.setdefault((one["tissue"], one["arm"]), []).append(one)
    rows = []
    for (tissue, arm), found in groups.items():
        metrics = dict.fromkeys(name for one in found for name, value in one.items() if _counts(name, value))
        values = {name: [one.get(name) for one in found] for name in metrics}
        known = {name: [v for v in each if v is not None and math.isfinite(v)] for name, each in values.items()}
        rows.append(
            {
                "tissue": tissue,
                "arm": arm,
                "n": len(found),
                "mean": {name: statistics.fmean(values) for name, values in known.items() if values},
                "sd": {name: statistics.stdev(v) if len(v) > 1 else 0.0 for name, v in known.items() if v},
            }
        )
    return rows


def _counts(name: str, value: object) -> bool:
    # numbers of a record come back from a file as whole ones where they happen to be whole
    return isinstance(value, int | float) and not isinstance(value, bool) and name not in ("min_s", "seed")


def main_table(rows: Rows, columns: Mapping[str, str] = COLUMNS) -> Texts:
    """Return one row for each arm of a kind of tissue; columns that nobody has are left out."""
    known = {metric: title for metric, title in columns.items() if any(metric in row["mean"] for row in rows)}
    return ["arm", *known.values()], [[row["arm"], *(_cell(row, metric) for metric in known)] for row in rows]


def knock_out_table(rows: Rows, arms: Sequence[str] = _FEW) -> Texts:
    """Return every score of the knock-outs, in the whole tissue, in one cell type and in a region, for a few arms."""
    body = []
    for role in ("TF", "ligand"):
        for scope, title in _SCOPES.items():
            for row in rows:
                steps = "" if scope else f"@{N_PROPAGATION}"
                names = [f"{role}_{scope}{score}{steps}" for score in _SCORES]
                if row["arm"] in arms and any(name in row["mean"] for name in names):
                    body.append([f"{role}, {title}", row["arm"], *(_cell(row, name) for name in names)])
    titles = ("r", "sign", "AUROC", "first", "r per gene", "r per cell", "size", "slope", "false")
    return ["knock-out of a", "arm", *titles], body


def ring_table(rows: Rows) -> Texts:
    """Return error over true size of the change by distance from a region without a ligand, one row for each arm."""
    known = [number for number in range(len(RING_NAMES)) if any(f"ligand_ring{number}_true" in r["mean"] for r in rows)]
    body = []
    for row in rows:
        mean = row["mean"]
        if any(f"ligand_ring{number}_error" in mean for number in known):
            body.append([row["arm"], *(decimal(mean.get(f"ligand_ring{number}_error"), 3) for number in known)])
    if body:
        first = next(row["mean"] for row in rows if f"ligand_ring{known[0]}_true" in row["mean"])
        body.insert(0, ["(size of the true change)", *(decimal(first.get(f"ligand_ring{n}_true"), 3) for n in known)])
    return ["without the ligand in a region", *(RING_NAMES[number] for number in known)], body


def family_table(rows: Rows) -> Texts:
    """Return the main figures of a few arms in every kind of tissue."""
    present = [arm for arm in _FEW if any(row["arm"] == arm for row in rows)]
    known = [metric for metric in _HEADLINE if any(metric in row["mean"] for row in rows)]
    by_place = {(row["tissue"], row["arm"]): row for row in rows}
    body = []
    for tissue in dict.fromkeys(row["tissue"] for row in rows):
        own = [by_place.get((tissue, arm)) for arm in present]
        cells = [" / ".join("-" if row is None else _number(row, metric) for row in own) for metric in known]
        default = by_place.get((tissue, "default"))
        free = "-" if default is None else _cell(default, "models_free")
        body.append([tissue, *cells, free])
    return ["tissue", *(_HEADLINE[metric] for metric in known), "free genes, default"], body


def table_lines(rows: Rows) -> list[str]:
    """Return the tables of one kind of tissue; knock-outs are those of the default number of steps."""
    lines = table(*main_table(rows))
    if rows:
        lines.append(
            f"  edges: area under precision and recall; {chance(rows)}. Mean and sd of {rows[0]['n']} tissues."
        )
        lines += ["", *table(*main_table(rows, TRUST))]
        lines += [f"  {line}" for line in TRUST_NOTE]
        lines += ["", *table(*knock_out_table(rows))] if knock_out_table(rows)[1] else []
        some = [row for row in rows if row["mean"].get("n_targets", 0) and row["arm"] == "original"]
        lines += [
            f"  original: {row['mean']['n_targets']:.0f} targets; edges of all arms are compared among these."
            for row in some
        ]
    return lines


def ring_lines(rows: Rows) -> list[str]:
    """Return the table of errors by distance, of ligands, if there is one."""
    headers, body = ring_table(rows)
    if not body:
        return []
    note = "  root mean square error of all changes, in sd of each gene; as large as the true change is as bad as none."
    return ["", *table(headers, body), note]


def family_lines(rows: Rows) -> list[str]:
    """Return the table over the family, if there is more than one kind of tissue."""
    headers, body = family_table(rows)
    if len(body) < 2:
        return []
    present = [arm for arm in _FEW if any(row["arm"] == arm for row in rows)]
    return ["", f"the family ({' / '.join(present)}):", *table(headers, body)]


def chance(rows: Rows) -> str:
    """Return what a random ranking of the edges of a kind of tissue would reach."""
    base = rows[0]["mean"]
    found = [f"{kind} {base[f'base_{kind}']:.3f}" for kind in ("TF", "LR", "TFL") if base.get(f"base_{kind}")]
    return f"chance is {', '.join(found)}" if found else "none is true here"


def markdown(texts: Texts, *, left: int = 1) -> str:
    """Return a table in Markdown: the first columns to the left, all others to the right."""
    headers, body = texts
    lines = [headers, [*["---"] * left, *["--:"] * (len(headers) - left)], *body]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def _cell(row: Mapping[str, Any], metric: str) -> str:
    if metric not in row["mean"]:
        return "-"
    spread = f"±{row['sd'][metric]:.2f}".replace("0.", ".") if row["n"] > 1 else ""
    return f"{row['mean'][metric]:.2f}{spread}"


def _number(row: Mapping[str, Any], metric: str) -> str:
    return f"{row['mean'][metric]:.2f}" if metric in row["mean"] else "-"
