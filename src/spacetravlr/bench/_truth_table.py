"""Means and spreads over seeds, as a table."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from spacetravlr.bench._text import table
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
"""Metric -> heading, in the order of the table."""


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
        metrics = [name for name, value in found[0].items() if isinstance(value, float) and name != "min_s"]
        known = {name: [one[name] for one in found if math.isfinite(one.get(name, math.nan))] for name in metrics}
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


def table_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the table of one kind of tissue; knock-outs are those of the default number of steps."""
    body = [[row["arm"], *(_cell(row, metric) for metric in COLUMNS)] for row in rows]
    lines = table(["arm", *COLUMNS.values()], body)
    if rows:
        base = rows[0]["mean"]
        chance = ", ".join(
            f"{kind} {base[f'base_{kind}']:.3f}" for kind in ("TF", "LR", "TFL") if f"base_{kind}" in base
        )
        lines.append(
            f"  edges: area under precision and recall; chance is {chance}. Mean and sd of {rows[0]['n']} tissues."
        )
    return lines


def _cell(row: Mapping[str, Any], metric: str) -> str:
    if metric not in row["mean"]:
        return "-"
    spread = f"±{row['sd'][metric]:.2f}".replace("0.", ".") if row["n"] > 1 else ""
    return f"{row['mean'][metric]:.2f}{spread}"
