"""Version 1: what is open, opening something else, cancelling, naming clusters."""

from __future__ import annotations

from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response

from spacetravlr.viewer._answers import json_answer
from spacetravlr.viewer._dataset import Dataset
from spacetravlr.viewer._deps import DataOf, HubOf
from spacetravlr.viewer._hub import Hub
from spacetravlr.viewer._obs import NO_CLUSTER, Labels
from spacetravlr.viewer._open import OpenRequest, identity_now
from spacetravlr.viewer._options import DEFAULT_CLUSTERS, DEFAULT_LAYER
from spacetravlr.viewer._problem import ProblemError
from spacetravlr.viewer._roots import clean
from spacetravlr.viewer._runtime import Runtime
from spacetravlr.viewer._v1_bodies import Configure, LabelClusters
from spacetravlr.viewer._v1_run import V1_SESSION
from spacetravlr.viewer._v2_meta import extent

router = APIRouter(prefix="/api", tags=["version 1"])
_SAMPLE = 80


@router.get("/meta")
def meta(request: Request, hub: HubOf) -> Response:
    """Facts about the open data and the loaded model."""
    return json_answer(request, facts(hub), zstd=False)


@router.post("/cancel")
def cancel(request: Request, hub: HubOf) -> Response:
    """Stop the simulations of this version's routes, and throw away a model that is being loaded."""
    hub.jobs.cancel_all(V1_SESSION)
    data = hub.current()
    if data is not None and data.runtime is not None:
        data.runtime.cancel()
    return json_answer(request, {"ok": True, "message": "cancel requested"})


@router.post("/session/configure")
def configure(request: Request, hub: HubOf, body: Configure) -> Response:
    """Open other data; the answer waits until they are there."""
    if hub.options.read_only:
        raise ProblemError(403, "this server is read-only: the data cannot be exchanged")
    if not clean(body.adata_path) and not clean(body.run_toml):
        raise ProblemError(400, "name a sample (adata_path) or a run (run_toml)")
    roots = hub.roots
    wanted = OpenRequest(
        h5ad=roots.find(body.adata_path, what="adata_path") if clean(body.adata_path) else None,
        run_toml=roots.find(body.run_toml, what="run_toml") if clean(body.run_toml) else None,
        layer=body.layer.strip() or DEFAULT_LAYER,
        cluster_annot=body.cluster_annot.strip() or DEFAULT_CLUSTERS,
        network_dir=roots.find(body.network_dir, what="network_dir") if clean(body.network_dir) else None,
    )
    if wanted.h5ad is not None and not wanted.h5ad.is_file():
        raise ProblemError(400, "adata_path is no file")
    message = _reconfigure(hub, wanted)
    return json_answer(request, {"ok": True, "message": message, "meta": facts(hub)}, zstd=False)


@router.post("/meta/label_clusters")
def label_clusters(request: Request, hub: HubOf, data: DataOf, body: LabelClusters) -> Response:
    """Name the clusters, in memory; the names replace the cell types."""
    if hub.options.read_only:
        raise ProblemError(403, "this server is read-only: clusters cannot be named")
    ids, _ = data.clusters
    present = [one for one in np.unique(ids).tolist() if one != NO_CLUSTER]
    names = [body.labels.get(str(one), f"Cluster {one}").strip() or f"Cluster {one}" for one in present]
    # ids may be anything up to 2^32: no table of all that could be
    codes = np.where(ids == NO_CLUSTER, -1, np.searchsorted(np.array(present, dtype=np.int64), ids))
    hub.rename(data, Labels(tuple(names), codes))
    return json_answer(request, {"ok": True, "categories": names, "n_clusters": len(names)})


def _reconfigure(hub: Hub, wanted: OpenRequest) -> str:
    data = hub.current()
    same = data is not None and data.inputs == wanted.key and data.identity == identity_now(data)
    if same and data is not None and data.runtime is not None:
        state = data.runtime.state
        if state == "ready":
            return "dataset unchanged (already loaded)"
        if state == "loading":
            return "dataset unchanged (perturbation runtime still loading)"
        data.runtime.start()
        if state == "failed":
            return "retrying perturbation runtime load (same dataset)"
        return "dataset loaded"
    hub.open(wanted)
    return "dataset loaded"


def facts(hub: Hub) -> dict[str, Any]:
    """Return the fields of `/api/meta`; what is not known is left out, as ever."""
    data = hub.current()
    if data is None:
        options = hub.options
        return {
            "n_obs": 0,
            "n_vars": 0,
            "spatial_obsm_key": "",
            "layer": options.layer or DEFAULT_LAYER,
            "cluster_annot": options.cluster_annot or DEFAULT_CLUSTERS,
            "bounds": {"min_x": 0.0, "max_x": 1.0, "min_y": 0.0, "max_y": 1.0},
            "network_loaded": False,
            "perturb_ready": False,
            "perturb_loading": False,
            "adata_path": "",
            "betadata_dir": "",
            **_given("network_dir", None if options.network_dir is None else hub.roots.shown(options.network_dir)),
            **_given("run_toml", None if options.run_toml is None else hub.roots.shown(options.run_toml)),
            "dataset_ready": False,
        }
    found = {
        "n_obs": data.n_obs,
        "n_vars": len(data.genes),
        "spatial_obsm_key": data.spatial_key,
        "layer": data.layer,
        "cluster_annot": data.cluster_column,
        "bounds": bounds(data.xy),
        **_umap(data),
        **_given("cell_type_column", data.cell_type_column),
        **({"cell_type_categories": list(data.cell_types.categories)} if data.cell_types is not None else {}),
        "network_loaded": data.network is not None,
        **_given("network_species", None if data.network is None else data.network.species),
        **_given("betadata_row_id", None if data.coefficients is None else data.coefficients.row_label),
        **_perturb(hub, data.runtime),
        "adata_path": hub.roots.shown(data.file.path),
        "betadata_dir": "" if data.run is None else hub.roots.shown(data.run.path),
        **_given("network_dir", data.network_dir and data.network_dir.rpartition("/")[2]),
        **_given("run_toml", None if data.run_toml is None else hub.roots.shown(data.run_toml)),
        "dataset_ready": True,
    }
    if data.runtime is not None and data.runtime.model is not None:
        found["spatial_model"] = _spatial_model(hub, data, data.runtime)
    return found


def bounds(xy: Any) -> dict[str, float]:
    """Return the extent of the cells that have a position."""
    x0, y0, x1, y1 = extent(xy)
    return {"min_x": x0, "max_x": x1, "min_y": y0, "max_y": y1}


def _umap(data: Dataset) -> dict[str, Any]:
    if data.umap_key is None:
        return {}
    return {"umap_obsm_key": data.umap_key, "umap_bounds": bounds(umap_of(data))}


def umap_of(data: Dataset) -> Any:
    """Return ``(n_obs, 2)`` the UMAP.

    Raises
    ------
    ProblemError
        404 if there is none.
    """
    name = next((name for name, (key, _) in data.embeddings.items() if key == data.umap_key), None)
    if data.umap_key is None or name is None:
        raise ProblemError(404, "the sample has no UMAP")
    return data.embedding(name)[:, :2]


def _perturb(hub: Hub, runtime: Runtime | None) -> dict[str, Any]:
    jobs = [job for job in hub.jobs.list(V1_SESSION) if job.ended is None]
    loading = runtime is not None and runtime.state == "loading"
    found: dict[str, Any] = {
        "perturb_ready": runtime is not None and runtime.model is not None,
        "perturb_loading": loading or bool(jobs),
    }
    if runtime is not None and runtime.state == "failed":
        found["perturb_error"] = runtime.message
    permille = label = None
    if jobs:
        permille, label = round(1000 * jobs[0].progress), jobs[0].step
    elif runtime is not None and loading:
        permille, label = runtime.permille, runtime.label
    elif runtime is not None and runtime.label:
        label = runtime.label
    if permille is not None:
        found["perturb_progress_percent"] = round(permille / 10)
        if permille:
            found["perturb_progress_permille"] = permille
    if label:
        found["perturb_progress_label"] = label
    phase = None if runtime is None else runtime.phase
    if loading and phase is not None:
        found["perturb_betadata_phase"], found["perturb_betadata_done"], found["perturb_betadata_total"] = phase
    return found


def _spatial_model(hub: Hub, data: Dataset, runtime: Runtime) -> dict[str, Any]:
    config, betas = runtime.run.config, runtime.run.betabase
    factor = config.perturbation.ligand_grid_factor
    grid = factor is not None and factor > 0
    large = 8 * data.n_obs * len(data.genes) > hub.effects.limit
    found = {
        "weighted_ligand_scale_factor": config.spatial.weighted_ligand_scale_factor,
        "spatial_radius": config.spatial.radius,
        "contact_distance": config.spatial.contact_distance,
        "spatial_dim": config.spatial.spatial_dim,
        "received_ligand_n_channels": len(betas.ligands),
        "received_ligand_columns_sample": list(betas.ligands[:_SAMPLE]),
        "tfl_ligand_n_channels": len(betas.tfl_ligands),
        "grn_foyer_cache": "skipped_large" if large else "active",
        "spatial_ligand_mode": "grid_approx" if grid else "exact_pairwise",
    }
    return {**found, **({"ligand_grid_factor": factor} if grid else {})}


def _given(name: str, value: Any) -> dict[str, Any]:
    return {} if value is None else {name: value}
