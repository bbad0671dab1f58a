"""What is open: facts, genes, and the coefficients of a gene."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from numpy.typing import NDArray

from spacetravlr import __version__
from spacetravlr.perturbation import MAX_PROPAGATION
from spacetravlr.run import GeneScores, Run
from spacetravlr.run._scores import record_path
from spacetravlr.viewer._answers import json_answer
from spacetravlr.viewer._coefficients import Coefficients
from spacetravlr.viewer._dataset import ANNOTATED, Dataset
from spacetravlr.viewer._deps import ChosenOf, HubOf
from spacetravlr.viewer._hub import Hub
from spacetravlr.viewer._jobs import MOST_OPEN
from spacetravlr.viewer._obs import Labels
from spacetravlr.viewer._problem import ProblemError, plain_message
from spacetravlr.viewer._runtime import Runtime
from spacetravlr.viewer._security import BITMAP_LIMIT, BODY_LIMIT

router = APIRouter(prefix="/api/v2", tags=["data"])
MAX_CELLS_FIELD = 1_000_000
MAX_CELLS_BATCH = 200
MAX_GENES_BATCH = 50
MAX_COLUMNS = 32
_MOST_NAMES = 4096
"""Names of a column of obs, above which it is no help as a colour."""
_SCORES = ("cluster", "r2_in", "r2_out", "r2_local", "r2_tf_only", "p_model", "p_space")
_LONG = 200_000
"""Cells above which plain texts are not looked through."""


@router.get("/meta")
def meta(request: Request, data: ChosenOf, hub: HubOf) -> Response:
    """Facts about the open data."""
    return json_answer(request, facts(data, hub))


@router.get("/genes")
def genes(
    request: Request,
    data: ChosenOf,
    *,
    prefix: Annotated[str, Query(max_length=100)] = "",
    contains: Annotated[str, Query(max_length=100)] = "",
    limit: Annotated[int, Query(ge=0, le=10_000)] = 50,
    offset: Annotated[int, Query(ge=0)] = 0,
    among: Literal["all", "models", "ligands", "tf_ligands"] = "all",
) -> Response:
    """Genes by name, in any letter case; those that begin with the text come first.

    `among` leaves those with a fitted model, or the ligands that models listen to through receptors or regulators.
    """
    start, inside = prefix.casefold(), contains.casefold()
    folded = folded_genes(data)
    if start:
        found = [place for place, name in enumerate(folded) if name.startswith(start)]
        if inside:
            found = [place for place in found if inside in folded[place]]
    elif inside:
        hits = [place for place, name in enumerate(folded) if inside in name]
        found = sorted(hits, key=lambda place: not folded[place].startswith(inside))
    else:
        found = list(range(len(folded)))
    if among != "all":
        wanted = _among(data, among)
        found = [place for place in found if data.genes[place] in wanted]
    models = frozenset(data.coefficients.genes) if data.coefficients is not None else frozenset[str]()
    shown = [data.genes[place] for place in found[offset : offset + limit]]
    answer = {"total": len(found), "genes": [{"name": name, "has_model": name in models} for name in shown]}
    return json_answer(request, answer)


def _among(data: Dataset, among: str) -> frozenset[str]:
    if among == "models":
        return frozenset(data.coefficients.genes if data.coefficients is not None else ())
    if data.runtime is None:
        return frozenset()
    model, betas = data.runtime.ready(), data.runtime.run.betabase
    return frozenset(betas.ligands if among == "ligands" else betas.tfl_ligands) & model.ligand_radii.keys()


@router.get("/genes/{gene}/columns")
def gene_columns(request: Request, data: ChosenOf, gene: str) -> Response:
    """Return the coefficients of a gene by modulator, and how well it is fitted."""
    if data.coefficients is None:
        raise ProblemError(404, "no run is open: there are no coefficients", code="no_run")
    table = data.coefficients.table(gene)
    kinds = dict.fromkeys(table.lr_pairs, "ligand-receptor") | dict.fromkeys(table.tfl_pairs, "ligand-tf")
    values = np.asarray(table.values, dtype=np.float64)
    columns = [("intercept", "intercept", table.intercept)]
    columns += [(name, kinds.get(name, "tf"), values[:, place]) for place, name in enumerate(table.modulators)]
    by_cluster = table.by == "cluster"
    trusted = _stability(data.coefficients, gene)
    shown = []
    for name, kind, own in columns:
        entry: dict[str, Any] = {"name": name, "kind": kind, "max_abs": float(np.abs(own).max(initial=0.0))}
        if by_cluster:
            sure = trusted.get(name, {})
            rows = zip(table.row_labels, own.tolist(), strict=True)
            entry["per_row"] = [{"row": row, "value": value, "stability": sure.get(row)} for row, value in rows]
        shown.append(entry)
    return json_answer(request, {"gene": gene, "row_label": table.by, "columns": shown, "scores": scores(data, gene)})


def _stability(coefficients: Coefficients, gene: str) -> dict[str, dict[str, float]]:
    """Return the stability of each coefficient by modulator and row label."""
    table = coefficients.stability(gene)
    if table is None:
        return {}
    values = np.asarray(table.values, dtype=np.float64)
    return {
        name: dict(zip(table.row_labels, values[:, place].tolist(), strict=True))
        for place, name in enumerate(table.modulators)
    }


def folded_genes(data: Dataset) -> list[str]:
    """Return the gene names in lower case, made once."""

    def make() -> tuple[list[str], int]:
        folded = [gene.casefold() for gene in data.genes]
        return folded, 60 * len(folded)

    found: list[str] = data.memory.take(("folded", id(data.file)), make)
    return found


def scores(data: Dataset, gene: str) -> list[dict[str, Any]]:
    """Return how well a target is fitted in each cluster; empty where nothing tells."""
    if data.run is None:
        return []
    record = _record(data.run, gene)
    if record is None:
        return []
    columns = {name: list(record.clusters.get(name, ())) for name in _SCORES}
    return [
        {name: values[row] if row < len(values) else None for name, values in columns.items()}
        for row in range(len(columns["cluster"]))
    ]


def _record(run: Run, gene: str) -> GeneScores | None:
    try:
        return GeneScores.from_json(record_path(run.path, gene).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        pass  # runs of the compiled edition have text logs only
    try:
        log = run.log(gene)
    except ValueError:
        return None
    return None if log is None else GeneScores.of_log(log, None)


def facts(data: Dataset, hub: Hub) -> dict[str, Any]:
    """Return what a page has to know before it shows anything."""
    types = data.cell_type_column
    network = data.network
    return {
        "dataset": data.id,
        "title": data.file.path.stem,
        "n_obs": data.n_obs,
        "n_vars": len(data.genes),
        "layers": list(data.file.layers),
        "layer": data.layer,
        "embeddings": [_embedding(data, name, dims) for name, (_, dims) in data.embeddings.items()],
        "unit": _unit(data),
        "obs": obs_columns(data),
        "cluster_column": data.cluster_column,
        "cell_type_column": types,
        "samples": [] if data.samples is None else list(data.samples.categories),
        "sample_column": data.sample_column,
        "network": {"loaded": network is not None, "species": None if network is None else network.species},
        "run": _run(data),
        "perturb": perturb_state(data.runtime),
        "columns_ready": data.expression.ready(data.layer),
        "columns_progress": data.expression.progress(data.layer),
        "notices": [plain_message(notice) for notice in data.notices],
        "limits": {
            "max_cells_field": MAX_CELLS_FIELD,
            "max_cells_batch": MAX_CELLS_BATCH,
            "max_genes_batch": MAX_GENES_BATCH,
            "max_columns": MAX_COLUMNS,
            "max_jobs": MOST_OPEN,
            "max_propagation": MAX_PROPAGATION,
            "max_body": BODY_LIMIT,
            "max_bitmap": BITMAP_LIMIT,
        },
        "read_only": hub.options.read_only,
        "version": __version__,
    }


def perturb_state(runtime: Runtime | None) -> dict[str, Any]:
    """Return how far the model is loaded."""
    if runtime is None:
        return {"state": "none", "progress": 0.0, "label": "", "message": None}
    return {
        "state": runtime.state,
        "progress": runtime.permille / 1000.0,
        "label": runtime.label,
        "message": runtime.message,
    }


def obs_columns(data: Dataset) -> list[dict[str, Any]]:
    """Return the columns of obs that can be shown; texts that differ in nearly every cell are left out."""
    named = (data.cluster_column, data.sample_column)

    def make() -> tuple[list[dict[str, Any]], int]:
        found = [entry for name in data.file.obs_columns if (entry := _obs(data, name)) is not None]
        return found, 1000 * (1 + len(found))

    columns: list[dict[str, Any]] = list(data.memory.take(("obs list", id(data.file), *named), make))
    if data.annotation is not None:
        columns.append(_labels(ANNOTATED, data.annotation))
    return columns


def _obs(data: Dataset, name: str) -> dict[str, Any] | None:
    node = data.file.handle["obs"][name]
    # a column in which values may be missing is stored as values and a mask
    node = node if hasattr(node, "dtype") else node.get("values")
    if node is not None and name not in (data.cluster_column, data.sample_column):
        if node.dtype.kind in "iuf":
            return {"name": name, "kind": "numeric"}
        if node.dtype.kind in "OS" and data.n_obs > _LONG:
            return None
    try:
        column = data.shown(name)
    except ValueError:  # a damaged column is no reason to show nothing
        return None
    if not isinstance(column, Labels):
        return {"name": name, "kind": "numeric"}
    if len(column.categories) > _MOST_NAMES:
        return None
    return _labels(name, column)


def _labels(name: str, column: Labels) -> dict[str, Any]:
    return {"name": name, "kind": "categorical", "categories": list(column.categories), "counts": column.counts}


def _embedding(data: Dataset, name: str, dims: int) -> dict[str, Any]:
    def make() -> tuple[list[float], int]:
        return extent(data.embedding(name)), 64

    bounds: list[float] = data.memory.take(("bounds", id(data.file), name), make)
    return {"name": name, "dims": dims if name != "spatial" else 2, "bounds": bounds}


def extent(points: NDArray[np.float64]) -> list[float]:
    """Return the smallest x and y and the largest x and y of points, those without a position left out."""
    ends = [float(end(points[:, axis])) for end in (np.min, np.max) for axis in (0, 1)]
    if not np.isfinite(ends).all():
        placed = points[np.isfinite(points[:, :2]).all(axis=1)]
        return extent(placed) if len(placed) else [0.0, 0.0, 1.0, 1.0]
    return ends


def _unit(data: Dataset) -> dict[str, Any]:
    scale = data.scale
    radius = contact = None
    if data.run is not None:
        radius, contact = data.run.config.spatial.radius, data.run.config.spatial.contact_distance
    return {
        "um_per_unit": None if scale is None else scale.um_per_unit,
        "source": None if scale is None else scale.source,
        "radius": radius if radius is None or math.isfinite(radius) else None,
        "contact_distance": contact if contact is None or math.isfinite(contact) else None,
    }


def _run(data: Dataset) -> dict[str, Any] | None:
    if data.run is None or data.coefficients is None:
        return None
    remaining = data.run.status().remaining
    return {
        "name": data.run.path.name,
        "genes": len(data.coefficients.genes),
        "row_label": "cell" if data.coefficients.row_label == "CellID" else "cluster",
        "n_propagation": data.run.config.perturbation.n_propagation,
        "partial": bool(remaining),
    }
