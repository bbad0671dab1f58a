"""The context of a cell: neighbours, the pairs that connect them, and the coefficients of these pairs."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Request, Response
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from spacetravlr.errors import SpaceTravLRError
from spacetravlr.viewer._answers import json_answer
from spacetravlr.viewer._context import (
    Neighbours,
    context_modulators,
    edges_between,
    linked_tf,
    neighbours,
    strongest,
)
from spacetravlr.viewer._dataset import Dataset
from spacetravlr.viewer._deps import ChosenOf
from spacetravlr.viewer._problem import ProblemError, of_error

router = APIRouter(prefix="/api/v2", tags=["cells"])
Edge = tuple[str, str, float, float, float]


class ContextBody(BaseModel):
    """A cell, a gene, and which neighbours count."""

    cell: Annotated[int, Field(ge=0, lt=2**53)]
    gene: Annotated[str, Field(max_length=200)]
    neighbours: Annotated[int, Field(ge=1, le=200)] = 24
    mode: Literal["knn", "radius"] = "knn"
    radius: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    direction: Literal["sending", "receiving"] = "sending"
    expr_threshold: Annotated[float, Field(allow_inf_nan=False)] = 1e-6
    tf_ligand_cutoff: Annotated[float, Field(allow_inf_nan=False)] = 0.0


@router.post("/cell-context")
def cell_context(request: Request, data: ChosenOf, body: ContextBody) -> Response:
    """Pairs that a cell and its neighbours express, the strongest first, with the coefficients of the receiver.

    The TF of a ligand-TF pair is one of the receiver, where it acts on the gene.
    """
    if data.network is None:
        raise ProblemError(503, "no network is loaded: name a directory of networks", code="no_network")
    if body.cell >= data.n_obs:
        raise ProblemError(400, f"cells go from 0 to {data.n_obs - 1}")
    if body.gene not in data.file.gene_index:
        raise ProblemError(404, f"gene {body.gene[:100]!r} is not measured", code="no_such_gene")
    if body.mode == "radius" and body.radius is None:
        raise ProblemError(400, "the mode radius needs a radius above 0")
    within = body.mode == "radius"
    k = None if within else body.neighbours
    near = neighbours(*data.tree_around(body.cell), data.xy, body.cell, k=k, radius=body.radius if within else None)
    return json_answer(request, _context(data, body, near))


def _context(data: Dataset, body: ContextBody, near: Neighbours) -> dict[str, Any]:
    network = data.network
    if network is None:
        raise ProblemError(503, "no network is loaded", code="no_network")
    row = data.expression.cell_row(body.cell, data.layer)
    own = {gene: float(value) for gene, value in zip(data.genes, row, strict=True)}
    sends = own if body.direction == "sending" else _mean_ligands(data, network.restrict(data.genes).symbols, near)
    try:
        found = context_modulators(
            network, body.gene, {**dict.fromkeys(own, 0.0), **sends}, cutoff=body.tf_ligand_cutoff
        )
    except SpaceTravLRError as error:
        raise of_error(error) from error
    needed = list(dict.fromkeys((*found.ligands, *found.receptors, *found.tfl_regulators)))
    values = data.expression.rows(near.rows, needed, data.layer) if needed else np.empty((len(near.rows), 0))
    receivers = near.rows if body.direction == "sending" else np.full(len(near.rows), body.cell)
    betas = _betas(data, body.gene, receivers)
    pairs = list(zip(found.ligands, found.receptors, strict=True))
    listed = []
    for place, (cell, squared) in enumerate(zip(near.rows.tolist(), near.squared.tolist(), strict=True)):
        other = dict(zip(needed, values[place].tolist(), strict=True))
        sender, receiver = (own, other) if body.direction == "sending" else (other, own)
        edges = strongest(edges_between(pairs, sender, receiver, threshold=body.expr_threshold))
        linked = linked_tf(found, receiver, threshold=body.expr_threshold)
        own_betas = {name: column[place] for name, column in betas.items()}
        listed.append({**_neighbour(data, cell, squared), "edges": _edges(edges, own_betas, linked)})
    return {
        "gene": body.gene,
        "cell": body.cell,
        "direction": body.direction,
        "regulators": [
            {"gene": name, "expr": own[name]} for name in found.regulators if own[name] > body.expr_threshold
        ],
        "neighbours": listed,
        "n_in_query": len(near.rows),
    }


def _mean_ligands(data: Dataset, symbols: tuple[str, ...], near: Neighbours) -> dict[str, float]:
    """Return the mean expression of the ligands of the network among neighbours."""
    if data.network is None or not len(near.rows):
        return {}
    table = data.network.table
    ligands = sorted(set(table.loc[table["edge_type"] == "lr", "source"].astype(str)) & set(symbols))
    if not ligands:
        return {}
    means = data.expression.rows(near.rows, ligands, data.layer).mean(axis=0)
    return dict(zip(ligands, means.tolist(), strict=True))


def _betas(data: Dataset, gene: str, receivers: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Return the coefficient of every ligand-receptor pair in some cells, NaN where there is none."""
    if data.coefficients is None or gene not in data.coefficients.files():
        return {}
    table = data.coefficients.table(gene)
    rows = data.coefficients.rows(table)[receivers]
    used = np.asarray(table.values[np.maximum(rows, 0)], dtype=np.float64)
    used[rows < 0] = np.nan
    return {name: used[:, table.modulators.index(name)] for name in table.lr_pairs}


def _neighbour(data: Dataset, cell: int, squared: float) -> dict[str, Any]:
    types = data.cell_types
    known = types is not None and types.codes[cell] >= 0
    return {
        "index": cell,
        "distance": math.sqrt(squared),
        "cell_type": types.categories[types.codes[cell]] if types is not None and known else None,
    }


def _edges(edges: list[Edge], betas: dict[str, float], linked: dict[str, tuple[str, float]]) -> list[dict[str, Any]]:
    return [
        {
            "ligand": ligand,
            "receptor": receptor,
            "ligand_expr": sent,
            "receptor_expr": taken,
            "support": support,
            "beta": betas.get(f"{ligand}${receptor}"),
            "tf": linked[ligand][0] if ligand in linked else None,
            "tf_expr": linked[ligand][1] if ligand in linked else None,
        }
        for ligand, receptor, sent, taken, support in edges
    ]
