"""Version 1: the context of a cell in the network of signals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response

from spacetravlr.errors import SpaceTravLRError
from spacetravlr.viewer._answers import json_answer
from spacetravlr.viewer._context import (
    MOST_EDGES,
    Neighbours,
    context_modulators,
    edges_between,
    linked_tf,
    neighbours,
)
from spacetravlr.viewer._dataset import Dataset
from spacetravlr.viewer._deps import DataOf
from spacetravlr.viewer._problem import ProblemError, of_error
from spacetravlr.viewer._v1_bodies import CellContext

router = APIRouter(prefix="/api/network", tags=["version 1"])


@router.post("/cell-context")
def cell_context(request: Request, data: DataOf, body: CellContext) -> Response:
    """Neighbours of a sender, and the ligand-receptor pairs that both ends express."""
    if data.network is None:
        raise ProblemError(503, "no network is loaded: name a directory of networks")
    if not 0 <= body.cell_index < data.n_obs:
        raise ProblemError(400, f"cells go from 0 to {data.n_obs - 1}")
    if not body.focus_gene.strip():
        raise ProblemError(400, "name a focus gene")
    if body.focus_gene not in data.file.gene_index:
        raise ProblemError(404, f"gene {body.focus_gene[:100]!r} is not measured")
    within = body.neighbor_mode.lower() == "radius"
    if within and (body.radius is None or not math.isfinite(body.radius) or body.radius <= 0):
        raise ProblemError(400, "the mode radius needs a radius above 0")
    k = None if within else min(max(body.neighbor_k, 1), 200)
    near = neighbours(
        *data.tree_around(body.cell_index), data.xy, body.cell_index, k=k, radius=body.radius if within else None
    )
    return json_answer(request, _context(data, body, near, within=within), zstd=False)


def _context(data: Dataset, body: CellContext, near: Neighbours, *, within: bool) -> dict[str, Any]:
    row = data.expression.cell_row(body.cell_index, data.layer)
    own = {gene: float(value) for gene, value in zip(data.genes, row, strict=True)}
    try:
        found = context_modulators(data.network, body.focus_gene, own, cutoff=body.tf_ligand_cutoff)  # type: ignore[arg-type]
    except SpaceTravLRError as error:
        raise of_error(error) from error
    receptors = list(dict.fromkeys(found.receptors))
    values = data.expression.rows(near.rows, receptors, data.layer) if receptors else np.empty((len(near.rows), 0))
    linked = linked_tf(found, own, threshold=body.expr_threshold)
    pairs = list(zip(found.ligands, found.receptors, strict=True))
    # by their text: not the strongest, but the first ones count here
    pairs.sort(key=lambda pair: f"{pair[0]}${pair[1]}")
    listed = []
    for place, (cell, squared) in enumerate(zip(near.rows.tolist(), near.squared.tolist(), strict=True)):
        receives = dict(zip(receptors, values[place].tolist(), strict=True))
        edges = edges_between(pairs, own, receives, threshold=body.expr_threshold)[:MOST_EDGES]
        listed.append(_neighbour(data, cell, squared, edges, linked))
    names = [f"{ligand}${receptor}" for ligand, receptor in pairs]
    above = body.expr_threshold
    return {
        "focus_gene": body.focus_gene,
        "cell_index": body.cell_index,
        "modulators": {
            "regulators": list(found.regulators),
            "ligands": [ligand for ligand, _ in pairs],
            "receptors": [receptor for _, receptor in pairs],
            "tfl_ligands": list(found.tfl_ligands),
            "tfl_regulators": list(found.tfl_regulators),
            "lr_pairs": names,
            "tfl_pairs": list(found.tfl_pairs),
        },
        "neighbors": listed,
        "sender_regulator_exprs": [{"gene": g, "expr": own[g]} for g in found.regulators if own[g] > above],
        "sender_ligand_exprs": [{"gene": g, "expr": own[g]} for g, _ in pairs if own[g] > above],
        "neighbor_query": "radius" if within else "knn",
        **({"radius_used": body.radius} if within else {}),
        "neighbors_in_query": len(near.rows),
    }


def _neighbour(
    data: Dataset,
    cell: int,
    squared: float,
    edges: list[tuple[str, str, float, float, float]],
    linked: dict[str, tuple[str, float]],
) -> dict[str, Any]:
    types = data.cell_types
    found: dict[str, Any] = {"index": cell, "distance_sq": squared, "distance": math.sqrt(squared)}
    if types is not None:
        code = int(types.codes[cell])
        found["cell_type"] = "(unknown)" if code < 0 else types.categories[code]
    found["lr_edges"] = [
        {
            "ligand": ligand,
            "receptor": receptor,
            "lig_expr_sender": sent,
            "rec_expr_neighbor": taken,
            "support_score": support,
            **({"linked_tf": linked[ligand][0], "linked_tf_expr": linked[ligand][1]} if ligand in linked else {}),
        }
        for ligand, receptor, sent, taken, support in edges
    ]
    best = max((edge[4] for edge in edges), default=0.0)
    return {**found, **({"max_support_score": best} if best else {})}
